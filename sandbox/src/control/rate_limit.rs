//! `/admin/rate-limit`: how often each account may ask.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use crate::RateLimit;
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(read, set, lift))
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimitBody {
    /// How many requests of an account.
    requests: u32,
    /// Within how many seconds.
    seconds: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LimitBody {
    /// `null` if there is none.
    limit: Option<RateLimitBody>,
}

impl From<Option<RateLimit>> for LimitBody {
    fn from(limit: Option<RateLimit>) -> Self {
        let body = |limit: RateLimit| RateLimitBody {
            requests: limit.requests(),
            seconds: limit.window().as_secs(),
        };
        Self { limit: limit.map(body) }
    }
}

/// Read how often each account may ask.
#[utoipa::path(get, path = "/rate-limit", operation_id = "readRateLimit", tag = "network",
    responses((status = 200, body = LimitBody, description = "As set"), Refused))]
pub(crate) async fn read(State(shared): State<Shared>) -> Json<LimitBody> {
    Json(lock(&shared).limits.limit().into())
}

/// Limit how often each account may ask; what it has asked so far is forgotten.
#[utoipa::path(put, path = "/rate-limit", operation_id = "setRateLimit", tag = "network",
    request_body = RateLimitBody,
    responses((status = 200, body = LimitBody, description = "As set"), Refused))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    Body(body): Body<RateLimitBody>,
) -> Result<Json<LimitBody>, Error> {
    if body.requests == 0 {
        return Err(Error::field("requests", "must be at least 1"));
    }
    let limit = RateLimit::new(body.requests, Duration::from_secs(body.seconds));
    let limit = limit.ok_or_else(|| Error::field("seconds", "must be 1 to 86400"))?;
    lock(&shared).limits.set(Some(limit));
    Ok(Json(Some(limit).into()))
}

/// Let accounts ask as often as they like.
#[utoipa::path(delete, path = "/rate-limit", operation_id = "liftRateLimit", tag = "network",
    responses((status = 200, body = LimitBody, description = "There is no limit"), Refused))]
pub(crate) async fn lift(State(shared): State<Shared>) -> Json<LimitBody> {
    lock(&shared).limits.set(None);
    Json(None.into())
}
