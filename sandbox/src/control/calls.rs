//! `/admin/phones/{name}/calls`, `/admin/phones/{name}/privacy` and `/admin/phones/{name}/blocked`: whom a phone calls,
//! and what it lets others see and do.

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
use crate::iq::privacy;
use crate::state::{Shared, lock};
use crate::{calls, state};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(begin))
        .routes(routes!(end))
        .routes(routes!(set_privacy))
        .routes(routes!(block))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCall {
    /// A phone's name, a number, or the JID of a person.
    to: String,
    /// Whether it is a video call.
    #[serde(default)]
    video: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CallBody {
    /// The id of the call.
    id: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallEnd {
    /// Who was called.
    to: String,
    /// The id of the call.
    id: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrivacyBody {
    /// As clients name it: `last`, `online`, `profile`, `status`, `readreceipts`, `groupadd`, `calladd`, `messages`, `defense`.
    category: String,
    value: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockBody {
    /// The name of a phone.
    phone: String,
    blocked: bool,
}

/// Call somebody: it rings on all their linked devices.
#[utoipa::path(post, path = "/phones/{name}/calls", operation_id = "call", tag = "messages",
    request_body = NewCall,
    responses((status = 201, body = CallBody, description = "It rings"), Refused))]
pub(crate) async fn begin(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<NewCall>,
) -> Result<(StatusCode, Json<CallBody>), Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    let to = callee(&state, account, &body.to)?;
    let id = calls::begin(&mut state, account, &to, body.video);
    Ok((StatusCode::CREATED, Json(CallBody { id })))
}

/// End a call that the phone has begun.
#[utoipa::path(post, path = "/phones/{name}/hang-up", operation_id = "hangUp", tag = "messages",
    request_body = CallEnd,
    responses((status = 200, body = CallEnd, description = "The other side hears of it"), Refused))]
pub(crate) async fn end(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<CallEnd>,
) -> Result<Json<CallEnd>, Error> {
    if body.id.is_empty() {
        return Err(Error::field("id", "must not be empty"));
    }
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    let to = callee(&state, account, &body.to)?;
    calls::end(&mut state, account, &to, &body.id);
    Ok(Json(body))
}

/// Set what the account lets others see and do.
#[utoipa::path(put, path = "/phones/{name}/privacy", operation_id = "setPrivacy", tag = "phones",
    request_body = PrivacyBody,
    responses((status = 200, body = PrivacyBody, description = "As set"), Refused))]
pub(crate) async fn set_privacy(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<PrivacyBody>,
) -> Result<Json<PrivacyBody>, Error> {
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    let set = state.accounts.get_mut(id).map(|account| {
        (
            account.privacy.value(&body.category).is_empty(),
            account.privacy.set(&body.category, &body.value),
        )
    });
    match set {
        Some((_, true)) => Ok(Json(body)),
        Some((true, false)) => Err(Error::field("category", "is not one that clients know")),
        _ => Err(Error::field("value", &format!("is not one that `{}` may have", body.category))),
    }
}

/// Block somebody, or do not any more.
#[utoipa::path(put, path = "/phones/{name}/blocked", operation_id = "block", tag = "phones",
    request_body = BlockBody,
    responses((status = 200, body = BlockBody, description = "As set"), Refused))]
pub(crate) async fn block(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<BlockBody>,
) -> Result<Json<BlockBody>, Error> {
    let mut state = lock(&shared);
    let (who, whom) = (account(&state, "name", &name)?, account(&state, "phone", &body.phone)?);
    if who == whom {
        return Err(Error::field("phone", "is the phone itself"));
    }
    privacy::block(&mut state, who, whom, body.blocked);
    Ok(Json(body))
}

fn callee(
    state: &state::State,
    caller: state::AccountId,
    to: &str,
) -> Result<wacore_binary::Jid, Error> {
    calls::callee(state, caller, to).map_err(|error| match error {
        crate::Error::OwnNumber(_) => Error::Conflict(format!("`to`: {error}")),
        _ => Error::NotFound(format!("`to`: there is neither a phone nor a person `{to}`")),
    })
}
