//! The HTTP control API: what a developer or a test in another process pulls the levers with.
//!
//! It listens beside the WebSocket of the devices and answers programs on this machine only
//! (see `loopback`). Bodies are JSON, but for the text of a QR code; errors are `{"error": "..."}`.

use std::sync::{Arc, LazyLock};

use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::{Extension, Router};
use utoipa_axum::router::OpenApiRouter;

use crate::server::Front;
use crate::state::Shared;

mod body;
mod calls;
mod chats;
mod clock;
mod communities;
mod connections;
mod devices;
mod documented;
mod error;
mod faults;
mod groups;
mod history;
mod journal;
mod latency;
mod logins;
mod loopback;
mod media;
mod newsletters;
mod oddities;
mod page;
mod paging;
mod pairing;
mod phones;
mod pictures;
mod presence;
mod profile;
mod rate_limit;
mod server;
mod settings;
mod streams;
mod tokens;
mod transport;

use error::Error;

/// Bytes that the body of a request may have; files are bodies, too. A text of so many still fits into a frame.
const BODY: usize = 15 << 20;

/// Where the routes are.
const ADMIN: &str = "/admin";

/// Every route of the control API, guarded. The listener has to provide
/// [`axum::extract::ConnectInfo`] with the [`Peer`](crate::server::Peer).
pub(crate) fn router(front: &Arc<Front>) -> Router {
    let admin = ROUTER
        .clone()
        .layer(Extension(Arc::clone(front)))
        .fallback(|| async { Error::NotFound("there is no such route".to_owned()) })
        .method_not_allowed_fallback(|| async { Error::Method });
    Router::new()
        .merge(page::router())
        .nest(ADMIN, admin)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(loopback::guard))
        .with_state(front.shared())
}

/// The routes below [`ADMIN`], gathered once: their part of the document, which comes with them, is work.
static ROUTER: LazyLock<Router<Shared>> = LazyLock::new(|| routes().split_for_parts().0);

/// The routes below [`ADMIN`]. One that is added with `routes!` is in the document, too.
fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .merge(phones::router())
        .merge(connections::router())
        .merge(streams::router())
        .merge(pairing::router())
        .merge(calls::router())
        .merge(presence::router())
        .merge(logins::router())
        .merge(devices::router())
        .merge(pictures::router())
        .merge(chats::router())
        .merge(settings::router())
        .merge(history::router())
        .merge(profile::router())
        .merge(tokens::router())
        .merge(groups::router())
        .merge(communities::router())
        .merge(newsletters::router())
        .merge(media::router())
        .merge(journal::router())
        .merge(faults::router())
        .merge(clock::router())
        .merge(server::router())
        .merge(oddities::router())
        .merge(transport::router())
        .merge(latency::router())
        .merge(rate_limit::router())
        .merge(documented::router())
}
