//! `/admin/transport`: how the server talks on connections to come.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use crate::Frames;
use crate::state::{Shared, lock};
use crate::transport::Transport;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(read, set))
}

/// Longest pause: a client has given up by then.
const PAUSE_MAX_MS: u64 = 60_000;

/// What is left out is as usual: whole frames, no compression, no pause.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct TransportBody {
    /// `whole`, `joined`, or the bytes of a message as text.
    frames: String,
    compress_over: Option<usize>,
    handshake_pause_ms: u64,
}

impl Default for TransportBody {
    fn default() -> Self {
        Transport::default().into()
    }
}

impl From<Transport> for TransportBody {
    fn from(transport: Transport) -> Self {
        let pause = transport.pause.as_millis();
        Self {
            frames: match transport.frames {
                Frames::Whole => "whole".to_owned(),
                Frames::Joined => "joined".to_owned(),
                Frames::Cut(size) => size.to_string(),
            },
            compress_over: transport.compress_over,
            handshake_pause_ms: u64::try_from(pause).unwrap_or(u64::MAX),
        }
    }
}

/// Read how the server talks on connections to come.
#[utoipa::path(get, path = "/transport", operation_id = "readTransport", tag = "network",
    responses((status = 200, body = TransportBody, description = "As set"), Refused))]
pub(crate) async fn read(State(shared): State<Shared>) -> Json<TransportBody> {
    Json(lock(&shared).network.transport.into())
}

/// Set how the server talks on connections to come; what is left out is as usual.
#[utoipa::path(put, path = "/transport", operation_id = "setTransport", tag = "network",
    request_body = TransportBody,
    responses((status = 200, body = TransportBody, description = "As set"), Refused))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    Body(body): Body<TransportBody>,
) -> Result<Json<TransportBody>, Error> {
    let frames = body.frames.parse().map_err(|problem| Error::field("frames", problem))?;
    if body.handshake_pause_ms > PAUSE_MAX_MS {
        return Err(Error::field("handshakePauseMs", "must be at most 60000"));
    }
    let pause = Duration::from_millis(body.handshake_pause_ms);
    let transport = Transport { frames, compress_over: body.compress_over, pause };
    lock(&shared).network.transport = transport;
    Ok(Json(transport.into()))
}
