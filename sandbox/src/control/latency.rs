//! `/admin/latency`: how long stanzas are held back.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(read, set))
}

/// Longest latency: a client has given up by then.
const MS_MAX: u64 = 60_000;

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LatencyBody {
    /// Milliseconds; 0 if nothing is held back.
    ms: u64,
}

/// Read how long each stanza to a client is held back.
#[utoipa::path(get, path = "/latency", operation_id = "readLatency", tag = "network",
    responses((status = 200, body = LatencyBody, description = "As set"), Refused))]
pub(crate) async fn read(State(shared): State<Shared>) -> Json<LatencyBody> {
    let latency = lock(&shared).network.latency.get().as_millis();
    Json(LatencyBody { ms: u64::try_from(latency).unwrap_or(u64::MAX) })
}

/// Set how long each stanza to a client is held back, on open connections too.
#[utoipa::path(put, path = "/latency", operation_id = "setLatency", tag = "network",
    request_body = LatencyBody,
    responses((status = 200, body = LatencyBody, description = "As set"), Refused))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    Body(body): Body<LatencyBody>,
) -> Result<Json<LatencyBody>, Error> {
    if body.ms > MS_MAX {
        return Err(Error::field("ms", "must be at most 60000"));
    }
    lock(&shared).network.latency.set(Duration::from_millis(body.ms));
    Ok(Json(body))
}
