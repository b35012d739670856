//! The HTTP control API: what a developer or a test in another process pulls the levers with.
//!
//! It listens beside the WebSocket of the devices and answers programs on this machine only
//! (see `loopback`). Bodies are JSON, but for the text of a QR code; errors are `{"error": "..."}`.

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

use crate::state::Shared;

mod body;
mod connections;
mod error;
mod faults;
mod groups;
mod journal;
mod loopback;
mod phones;
mod scan;

use error::Error;

/// Every route of the control API, guarded. The listener has to provide
/// [`axum::extract::ConnectInfo`] with the peer's address.
pub(crate) fn router(shared: Shared) -> Router {
    let admin = Router::new()
        .route("/phones", get(phones::list).post(phones::add))
        .route("/phones/{name}/drop-connections", post(connections::drop_of_phone))
        .route("/groups", get(groups::list).post(groups::add))
        .route("/groups/{gid}", get(groups::find).patch(groups::change))
        .route("/groups/{gid}/members", post(groups::add_member).delete(groups::remove_member))
        .route("/groups/{gid}/leave", post(groups::leave))
        .route("/groups/{gid}/promote", post(groups::promote))
        .route("/groups/{gid}/demote", post(groups::demote))
        .route("/journal", get(journal::page))
        .route("/mock-phone/scan-qr", post(scan::scan))
        .route("/faults", post(faults::order).delete(faults::heal))
        .route("/connections", get(connections::read).put(connections::set))
        .route("/drop-connections", post(connections::drop_all))
        .fallback(|| async { Error::NotFound("there is no such route".to_owned()) })
        .method_not_allowed_fallback(|| async { Error::Method });
    Router::new()
        .route("/", get(|| async { "wharf-sandbox\n" }))
        .nest("/admin", admin)
        .layer(middleware::from_fn(loopback::guard))
        .with_state(shared)
}
