//! `/admin/clock`: the server's time.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use crate::clock::Clock;
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(read, advance))
}

/// Furthest that the clock is moved at once: a hundred years.
const SECONDS_MAX: u64 = 100 * 366 * 24 * 60 * 60;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClockBody {
    /// Epoch milliseconds.
    now_ms: i64,
    /// How far it is ahead of the system's clock; less than nothing after it has stood still.
    ahead_ms: i64,
    frozen: bool,
}

impl From<&Clock> for ClockBody {
    fn from(clock: &Clock) -> Self {
        Self { now_ms: clock.now_ms(), ahead_ms: clock.ahead_ms(), frozen: clock.is_frozen() }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdvanceBody {
    /// By how many seconds to move it on.
    #[serde(default)]
    advance: i64,
    /// Whether it stands still from now on; as it was if this is left out.
    frozen: Option<bool>,
}

/// Read the server's clock.
#[utoipa::path(get, path = "/clock", operation_id = "readClock", tag = "server",
    responses((status = 200, body = ClockBody, description = "As it is"), Refused))]
pub(crate) async fn read(State(shared): State<Shared>) -> Json<ClockBody> {
    Json((&lock(&shared).clock).into())
}

/// Move the server's clock on, stop it, or let it go on. It never goes back.
#[utoipa::path(post, path = "/clock", operation_id = "advanceClock", tag = "server",
    request_body = AdvanceBody,
    responses((status = 200, body = ClockBody, description = "As it is now"), Refused))]
pub(crate) async fn advance(
    State(shared): State<Shared>,
    Body(body): Body<AdvanceBody>,
) -> Result<Json<ClockBody>, Error> {
    let seconds = u64::try_from(body.advance).ok().filter(|seconds| *seconds <= SECONDS_MAX);
    let seconds = seconds.ok_or_else(|| {
        Error::field("advance", "must be 0 to 3162240000: the clock never goes back")
    })?;
    let clock = &mut lock(&shared).clock;
    if let Some(on) = body.frozen {
        clock.freeze(on);
    }
    clock.advance(Duration::from_secs(seconds));
    Ok(Json((&*clock).into()))
}
