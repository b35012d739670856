//! `/admin/transport`: how the server talks on connections to come.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::error::Error;
use crate::Frames;
use crate::state::{Shared, lock};
use crate::transport::Transport;

/// Longest pause: a client has given up by then.
const PAUSE_MAX_MS: u64 = 60_000;

/// What is left out is as usual: whole frames, no compression, no pause.
#[derive(Deserialize, Serialize)]
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

pub(crate) async fn read(State(shared): State<Shared>) -> Json<TransportBody> {
    Json(lock(&shared).network.transport.into())
}

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
