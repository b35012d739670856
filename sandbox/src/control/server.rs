//! `/admin/rotate-key`, `/admin/restart`, `/admin/handshakes` and `/admin/data/flush`: the server itself, how clients come
//! back to it, and what it keeps.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::connections::Dropped;
use super::documented::Refused;
use super::error::Error;
use crate::levers;
use crate::server::Front;
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(rotate_key))
        .routes(routes!(restart))
        .routes(routes!(handshakes))
        .routes(routes!(flush))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HandshakesBody {
    /// How many were begun with the server's key: pattern IK.
    resumptions: u64,
    /// How many were begun with an older key, and finished as `XXfallback`.
    fallbacks: u64,
    /// How many began with the routing information of an earlier login.
    routed: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SavedBody {
    /// How many bytes the state has, files and pictures apart.
    bytes: usize,
}

/// Count how clients came back.
#[utoipa::path(get, path = "/handshakes", operation_id = "readHandshakes", tag = "server",
    responses((status = 200, body = HandshakesBody, description = "Since the start"), Refused))]
pub(crate) async fn handshakes(State(shared): State<Shared>) -> Json<HandshakesBody> {
    let handshakes = &lock(&shared).handshakes;
    Json(HandshakesBody {
        resumptions: handshakes.resumptions,
        fallbacks: handshakes.fallbacks,
        routed: handshakes.routed,
    })
}

/// Break every connection and make a new key for handshakes.
#[utoipa::path(post, path = "/rotate-key", operation_id = "rotateKey", tag = "server",
    responses((status = 200, body = Dropped, description = "There is a new key"), Refused))]
pub(crate) async fn rotate_key(State(shared): State<Shared>) -> Json<Dropped> {
    Json(Dropped { dropped: levers::rotate_key(&shared).await })
}

/// Close everything and listen again, as a new process would.
///
/// Answers when the server listens again, on the connection that the request came by: it is the last of the old ones.
#[utoipa::path(post, path = "/restart", operation_id = "restart", tag = "server",
    responses((status = 200, body = Dropped, description = "It listens again"), Refused))]
pub(crate) async fn restart(
    Extension(front): Extension<Arc<Front>>,
) -> Result<Json<Dropped>, Error> {
    let dropped = front.restart().await.map_err(|error| Error::Conflict(error.to_string()))?;
    Ok(Json(Dropped { dropped }))
}

/// Write everything into the directory that keeps it.
///
/// Answers when it is there to stay. By itself the server does that when it stops, and within a second of a change. 409
/// without `--data`.
#[utoipa::path(post, path = "/data/flush", operation_id = "flushData", tag = "server",
    responses((status = 200, body = SavedBody, description = "It is written"), Refused))]
pub(crate) async fn flush(
    State(shared): State<Shared>,
    Extension(front): Extension<Arc<Front>>,
) -> Result<Json<SavedBody>, Error> {
    let nowhere = || Error::Conflict("the server was started without `--data`".to_owned());
    let data = front.data.as_ref().ok_or_else(nowhere)?;
    let bytes = data.save(&shared).await.map_err(|error| Error::Conflict(error.to_string()))?;
    Ok(Json(SavedBody { bytes }))
}
