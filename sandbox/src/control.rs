//! The HTTP control API: what a developer or a test in another process pulls the levers with.
//!
//! It listens beside the WebSocket of the devices and answers programs on this machine only
//! (see `loopback`). Bodies are JSON, but for the text of a QR code; errors are `{"error": "..."}`.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post, put};

use crate::server::Front;

mod body;
mod chats;
mod communities;
mod connections;
mod devices;
mod error;
mod faults;
mod groups;
mod history;
mod journal;
mod logins;
mod loopback;
mod media;
mod newsletters;
mod pairing;
mod phones;
mod pictures;
mod presence;
mod profile;
mod server;
mod settings;
mod streams;
mod transport;

use error::Error;

/// Bytes that the body of a request may have; files are bodies, too.
const BODY: usize = 16 << 20;

/// Every route of the control API, guarded. The listener has to provide
/// [`axum::extract::ConnectInfo`] with the [`Peer`](crate::server::Peer).
pub(crate) fn router(front: &Arc<Front>) -> Router {
    let (restarted, certified) = (Arc::clone(front), Arc::clone(front));
    let admin = Router::new()
        .route("/phones", get(phones::list).post(phones::add))
        .route("/phones/{name}/drop-connections", post(connections::drop_of_phone))
        .route("/phones/{name}/freeze-connections", post(connections::freeze_of_phone))
        .route("/phones/{name}/connections", put(connections::set_of_phone))
        .route("/phones/{name}/end-streams", post(streams::end_of_phone))
        .route("/phones/{name}/expire-code", post(pairing::expire_code))
        .route("/phones/{name}/presence", put(presence::set))
        .route("/phones/{name}/chat-state", post(presence::show))
        .route("/phones/{name}/ban", put(logins::ban).delete(logins::pardon))
        .route("/phones/{name}/devices", delete(devices::unlink_all))
        .route("/phones/{name}/devices/{device}", delete(devices::unlink))
        .route("/phones/{name}/reinstall", post(devices::reinstall))
        .route("/phones/{name}/migrate-to-lid", post(devices::migrate_to_lid))
        .route("/phones/{name}/props", get(devices::props).put(devices::set_props))
        .route("/phones/{name}/dirty", get(devices::dirty).post(devices::mark_dirty))
        .route(
            "/phones/{name}/picture",
            get(pictures::of_phone).put(pictures::set_of_phone).delete(pictures::remove_of_phone),
        )
        .route("/phones/{name}/messages", get(chats::messages).post(chats::send))
        .route("/phones/{name}/react", post(chats::react))
        .route("/phones/{name}/edit", post(chats::edit))
        .route("/phones/{name}/revoke", post(chats::revoke))
        .route("/phones/{name}/read", post(chats::read))
        .route("/phones/{name}/receipts", get(chats::receipts))
        .route("/phones/{name}/peer-requests", get(chats::requests))
        .route("/phones/{name}/undecrypted", get(chats::undecrypted))
        .route("/phones/{name}/forget-sessions", post(chats::forget))
        .route("/phones/{name}/keys", put(chats::withhold))
        .route("/phones/{name}/settings", get(settings::list).post(settings::set))
        .route("/phones/{name}/settings/fold", post(settings::fold))
        .route("/phones/{name}/settings/rotate-key", post(settings::rotate_key))
        .route("/phones/{name}/push-name", put(settings::set_push_name))
        .route("/phones/{name}/contacts", post(settings::save_contact))
        .route("/phones/{name}/chats", post(settings::set_chat))
        .route("/phones/{name}/history", put(history::set))
        .route("/phones/{name}/about", get(profile::about).put(profile::set_about))
        .route("/phones/{name}/disappearing-mode", get(profile::timer).put(profile::set_timer))
        .route(
            "/phones/{name}/business",
            get(profile::business).put(profile::set_business).delete(profile::remove_business),
        )
        .route("/groups", get(groups::list).post(groups::add))
        .route("/groups/{gid}", get(groups::find).patch(groups::change))
        .route("/groups/{gid}/members", post(groups::add_member).delete(groups::remove_member))
        .route("/groups/{gid}/join", post(groups::join))
        .route("/groups/{gid}/admit", post(groups::admit))
        .route("/groups/{gid}/reject", post(groups::reject))
        .route("/groups/{gid}/leave", post(groups::leave))
        .route("/groups/{gid}/promote", post(groups::promote))
        .route("/groups/{gid}/demote", post(groups::demote))
        .route("/groups/{gid}/link", post(communities::link))
        .route("/groups/{gid}/unlink", post(communities::unlink))
        .route("/groups/{gid}/deactivate", post(communities::deactivate))
        .route(
            "/groups/{gid}/picture",
            get(pictures::of_group).put(pictures::set_of_group).delete(pictures::remove_of_group),
        )
        .route("/newsletters", get(newsletters::list).post(newsletters::add))
        .route("/newsletters/{jid}", get(newsletters::find))
        .route("/newsletters/{jid}/followers", post(newsletters::follow).delete(newsletters::leave))
        .route("/newsletters/{jid}/messages", post(newsletters::post))
        .route(
            "/newsletters/{jid}/messages/{number}",
            put(newsletters::edit).delete(newsletters::revoke),
        )
        .route("/newsletters/{jid}/messages/{number}/react", post(newsletters::react))
        .route("/media", get(media::read).post(media::add))
        .route("/media/expire", post(media::expire))
        .route("/media/restore", post(media::restore))
        .route("/media/expire-auth", post(media::expire_auth))
        .route("/certificate", get(async move || media::certificate(&certified)))
        .route("/journal", get(journal::page))
        .route("/mock-phone/scan-qr", post(pairing::scan))
        .route("/mock-phone/enter-code", post(pairing::enter_code))
        .route("/pairing", get(pairing::settings).put(pairing::set))
        .route("/login-failures", post(logins::order))
        .route("/faults", post(faults::order).delete(faults::heal))
        .route("/connections", get(connections::read).put(connections::set))
        .route("/drop-connections", post(connections::drop_all))
        .route("/end-streams", post(streams::end_all))
        .route("/rotate-key", post(server::rotate_key))
        .route("/restart", post(move || server::restart(restarted)))
        .route("/handshakes", get(server::handshakes))
        .route("/transport", get(transport::read).put(transport::set))
        .fallback(|| async { Error::NotFound("there is no such route".to_owned()) })
        .method_not_allowed_fallback(|| async { Error::Method });
    Router::new()
        .route("/", get(|| async { "wharf-sandbox\n" }))
        .nest("/admin", admin)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(loopback::guard))
        .with_state(front.shared())
}
