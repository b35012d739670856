//! `/admin/faults`: requests that are to go wrong.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::faults::{Operation, Rule};
use crate::state::{Shared, lock};
use crate::{Fault, levers};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(order, heal))
}

/// Longest delay: ten minutes.
const DELAY_MAX: u64 = 600_000;

/// Numbers that a refusal may have.
const CODES: std::ops::RangeInclusive<u16> = 300..=599;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct OrderBody {
    /// Which requests: `group.subject`, `message`, `ping`, `any` and so on; or which stanzas on their way to devices:
    /// `deliver.message`, `deliver.receipt`, `deliver.notification` and so on.
    operation: String,
    /// Whose requests, or to whose devices, by the name of a phone; anybody's if this is left out.
    phone: Option<String>,
    /// How many requests meet the fault; one if this is left out, and all of them if there is a `probability`.
    count: Option<usize>,
    /// How likely a request meets it, from 0 to 1; certainly if this is left out.
    probability: Option<f64>,
    /// One of the faults that need no value, or nothing where `code` or `delayMs` stands.
    kind: Option<Kind>,
    code: Option<u16>,
    text: Option<String>,
    backoff: Option<u32>,
    delay_ms: Option<u64>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(as = FaultKind)]
#[serde(rename_all = "snake_case")]
enum Kind {
    SilenceBefore,
    SilenceAfter,
    DropBefore,
    DropAfter,
    HalfOpenBefore,
    HalfOpenAfter,
    WrongOrder,
    Duplicate,
    Corrupted,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OrderedFault)]
pub(crate) struct OrderedBody {
    operation: String,
    count: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HealedBody {
    /// How many requests would still have met a fault.
    forgotten: usize,
}

/// Let requests to come meet a fault.
#[utoipa::path(post, path = "/faults", operation_id = "orderFault", tag = "faults",
    request_body = OrderBody,
    responses((status = 201, body = OrderedBody, description = "It is ordered"), Refused))]
pub(crate) async fn order(
    State(shared): State<Shared>,
    Body(body): Body<OrderBody>,
) -> Result<(StatusCode, Json<OrderedBody>), Error> {
    let fault = fault(&body)?;
    let operation = Operation::named(&body.operation).ok_or_else(|| {
        Error::field("operation", &format!("must be one of {}", Operation::NAMES.join(", ")))
    })?;
    let count = body.count.or(if body.probability.is_none() { Some(1) } else { None });
    if count == Some(0) {
        return Err(Error::field("count", "must be at least 1"));
    }
    let chance = body.probability.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&chance) {
        return Err(Error::field("probability", "must be between 0 and 1"));
    }
    let mut state = lock(&shared);
    let account = body.phone.as_deref().map(|name| account(&state, "phone", name)).transpose()?;
    let rule = Rule { operation, account, left: count, chance, fault };
    if let Some((field, folly)) = rule.folly() {
        return Err(Error::field(field, folly));
    }
    state.faults.order(rule);
    Ok((StatusCode::CREATED, Json(OrderedBody { operation: body.operation, count })))
}

/// Forget every fault and refused login, and take, read and answer again; a ban stays.
#[utoipa::path(delete, path = "/faults", operation_id = "heal", tag = "faults",
    responses((status = 200, body = HealedBody, description = "All is well"), Refused))]
pub(crate) async fn heal(State(shared): State<Shared>) -> Json<HealedBody> {
    Json(HealedBody { forgotten: levers::heal(&shared) })
}

fn fault(body: &OrderBody) -> Result<Fault, Error> {
    if body.code.is_none() {
        let stray = [("text", body.text.is_some()), ("backoff", body.backoff.is_some())];
        if let Some((field, _)) = stray.into_iter().find(|(_, given)| *given) {
            return Err(Error::field(field, "goes with a `code`"));
        }
    }
    match (body.kind, body.code, body.delay_ms) {
        (Some(kind), None, None) => Ok(match kind {
            Kind::SilenceBefore => Fault::silence_before(),
            Kind::SilenceAfter => Fault::silence_after(),
            Kind::DropBefore => Fault::drop_before(),
            Kind::DropAfter => Fault::drop_after(),
            Kind::HalfOpenBefore => Fault::half_open_before(),
            Kind::HalfOpenAfter => Fault::half_open_after(),
            Kind::WrongOrder => Fault::wrong_order(),
            Kind::Duplicate => Fault::duplicate(),
            Kind::Corrupted => Fault::corrupted(),
        }),
        (None, Some(code), None) if CODES.contains(&code) => {
            let mut fault = Fault::code(code);
            if let Some(text) = &body.text {
                fault = fault.text(text);
            }
            Ok(body.backoff.into_iter().fold(fault, Fault::backoff))
        }
        (None, Some(_), None) => Err(Error::field("code", "must be 300 to 599")),
        (None, None, Some(ms)) if ms <= DELAY_MAX => Ok(Fault::delay(Duration::from_millis(ms))),
        (None, None, Some(_)) => Err(Error::field("delayMs", "must be at most 600000")),
        _ => Err(Error::field("kind", "exactly one of `kind`, `code` and `delayMs` is needed")),
    }
}
