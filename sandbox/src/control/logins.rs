//! `/admin/login-failures` and `/admin/phones/{name}/ban`: logins that are to be refused.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::state::{Shared, lock};
use crate::{LoginFailure, levers};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(ban, pardon)).routes(routes!(order))
}

/// Reasons that a failure may have.
const REASONS: std::ops::RangeInclusive<u16> = 400..=599;

/// Longest ban: a year.
const SECONDS_MAX: u64 = 366 * 24 * 60 * 60;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailureBody {
    /// Whose logins; everybody's if this is left out.
    phone: Option<String>,
    /// How many logins are refused; one if this is left out.
    count: Option<usize>,
    /// 400 to 599.
    reason: u16,
    /// Code of a ban, for the reason 402.
    code: Option<u16>,
    /// Seconds that are left of a ban, for the reason 402.
    expire: Option<u64>,
    message: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OrderedFailure)]
pub(crate) struct OrderedBody {
    reason: u16,
    count: usize,
}

/// Refuse logins to come.
#[utoipa::path(post, path = "/login-failures", operation_id = "orderLoginFailures", tag = "faults",
    request_body = FailureBody,
    responses((status = 201, body = OrderedBody, description = "It is ordered"), Refused))]
pub(crate) async fn order(
    State(shared): State<Shared>,
    Body(body): Body<FailureBody>,
) -> Result<(StatusCode, Json<OrderedBody>), Error> {
    let failure = failure(&body)?;
    let count = body.count.unwrap_or(1);
    if count == 0 {
        return Err(Error::field("count", "must be at least 1"));
    }
    let mut state = lock(&shared);
    let whose = body.phone.as_deref().map(|name| account(&state, "phone", name)).transpose()?;
    state.refusals.order(whose, count, failure);
    Ok((StatusCode::CREATED, Json(OrderedBody { reason: body.reason, count })))
}

fn failure(body: &FailureBody) -> Result<LoginFailure, Error> {
    if !REASONS.contains(&body.reason) {
        return Err(Error::field("reason", "must be 400 to 599"));
    }
    let failure = match (body.reason, body.code, body.expire) {
        (402, Some(code), Some(seconds)) => LoginFailure::banned(code, span("expire", seconds)?),
        (_, None, None) => LoginFailure::reason(body.reason),
        (402, Some(_), None) => return Err(Error::field("expire", "goes with a `code`")),
        (402, None, Some(_)) => return Err(Error::field("code", "goes with an `expire`")),
        (_, Some(_), _) => return Err(Error::field("code", "goes with the reason 402")),
        (_, None, Some(_)) => return Err(Error::field("expire", "goes with the reason 402")),
    };
    Ok(match &body.message {
        Some(words) => failure.message(words),
        None => failure,
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BanBody {
    code: u16,
    seconds: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BannedBody {
    banned: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PardonedBody {
    /// Whether there was a ban.
    pardoned: bool,
}

/// Ban an account for a while: its devices are refused.
#[utoipa::path(put, path = "/phones/{name}/ban", operation_id = "banPhone", tag = "network",
    request_body = BanBody,
    responses((status = 200, body = BannedBody, description = "It is banned"), Refused))]
pub(crate) async fn ban(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<BanBody>,
) -> Result<Json<BannedBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    levers::ban(&mut state, account, body.code, span("seconds", body.seconds)?);
    Ok(Json(BannedBody { banned: true }))
}

/// Lift the ban of an account.
#[utoipa::path(delete, path = "/phones/{name}/ban", operation_id = "pardonPhone", tag = "network",
    responses((status = 200, body = PardonedBody, description = "There is no ban"), Refused))]
pub(crate) async fn pardon(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<PardonedBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(PardonedBody { pardoned: levers::pardon(&mut state, account) }))
}

fn span(field: &str, seconds: u64) -> Result<Duration, Error> {
    if (1..=SECONDS_MAX).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(Error::field(field, "must be 1 to 31622400"))
    }
}
