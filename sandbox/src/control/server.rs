//! `/admin/rotate-key`, `/admin/restart` and `/admin/handshakes`: the server itself, and how clients come back to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::connections::Dropped;
use super::error::Error;
use crate::levers;
use crate::server::Front;
use crate::state::{Shared, lock};

#[derive(Serialize)]
pub(crate) struct HandshakesBody {
    /// How many were begun with the server's key: pattern IK.
    resumptions: u64,
    /// How many were begun with an older key, and finished as `XXfallback`.
    fallbacks: u64,
    /// How many began with the routing information of an earlier login.
    routed: u64,
}

pub(crate) async fn handshakes(State(shared): State<Shared>) -> Json<HandshakesBody> {
    let handshakes = &lock(&shared).handshakes;
    Json(HandshakesBody {
        resumptions: handshakes.resumptions,
        fallbacks: handshakes.fallbacks,
        routed: handshakes.routed,
    })
}

pub(crate) async fn rotate_key(State(shared): State<Shared>) -> Json<Dropped> {
    Json(Dropped { dropped: levers::rotate_key(&shared).await })
}

/// Answers when the server listens again, on the connection that the request came by: it is the last of the old ones.
pub(crate) async fn restart(front: Arc<Front>) -> Result<Json<Dropped>, Error> {
    let dropped = front.restart().await.map_err(|error| Error::Conflict(error.to_string()))?;
    Ok(Json(Dropped { dropped }))
}
