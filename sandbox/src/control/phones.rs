//! `/admin/phones`: accounts.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use crate::numbers;
use crate::state::{self, Account, AccountId, Shared, is_name, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(renumber))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewPhone)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBody {
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumberBody {
    /// 7 to 15 digits, with or without a `+`.
    number: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PhoneBody {
    name: String,
    /// The name that others see.
    push_name: String,
    jid: String,
    lid: String,
    /// Numbers of the linked devices.
    devices: Vec<u16>,
    /// Numbers of those that are connected.
    connected: Vec<u16>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PhoneList)]
pub(crate) struct ListBody {
    phones: Vec<PhoneBody>,
}

impl From<&Account> for PhoneBody {
    fn from(account: &Account) -> Self {
        let connected = account.devices.iter().filter(|device| device.link.is_some());
        Self {
            name: account.name.clone(),
            push_name: account.push_name.clone(),
            jid: account.pn().to_string(),
            lid: account.lid().to_string(),
            devices: account.devices.iter().map(|device| device.id).collect(),
            connected: connected.map(|device| device.id).collect(),
        }
    }
}

/// List the accounts.
#[utoipa::path(get, path = "/phones", operation_id = "listPhones", tag = "phones",
    responses((status = 200, body = ListBody, description = "Every account"), Refused))]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<ListBody> {
    Json(ListBody { phones: lock(&shared).accounts.iter().map(PhoneBody::from).collect() })
}

/// Make an account with a phone.
#[utoipa::path(post, path = "/phones", operation_id = "addPhone", tag = "phones",
    request_body = NewBody,
    responses((status = 201, body = PhoneBody, description = "The new account"), Refused))]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Body(body): Body<NewBody>,
) -> Result<(StatusCode, Json<PhoneBody>), Error> {
    check_name("name", &body.name)?;
    let mut state = lock(&shared);
    let taken = || Error::Conflict(format!("`name`: there is already a phone `{}`", body.name));
    let id = state.accounts.add(&body.name).ok_or_else(taken)?;
    let account = state.accounts.get(id).ok_or_else(taken)?;
    Ok((StatusCode::CREATED, Json(account.into())))
}

/// Give an account another phone number.
#[utoipa::path(put, path = "/phones/{name}/number", operation_id = "changeNumber", tag = "phones",
    request_body = NumberBody,
    responses((status = 200, body = PhoneBody, description = "The account as it is now"), Refused))]
pub(crate) async fn renumber(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(NumberBody { number }): Body<NumberBody>,
) -> Result<Json<PhoneBody>, Error> {
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    numbers::change(&mut state, id, &number).map_err(|error| match error {
        crate::Error::InvalidNumber(_) => Error::Invalid(format!("`number`: {error}")),
        _ => Error::Conflict(format!("`number`: {error}")),
    })?;
    Ok(Json(state.accounts.get(id).ok_or_else(|| no_phone("name", &name))?.into()))
}

/// The account of this name, which the request gives in this field.
pub(crate) fn account(state: &state::State, field: &str, name: &str) -> Result<AccountId, Error> {
    let found = state.accounts.by_name(name).map(|account| account.id);
    found.ok_or_else(|| no_phone(field, name))
}

/// What this field of a request names is nobody's.
pub(super) fn no_phone(field: &str, name: &str) -> Error {
    Error::NotFound(format!("`{field}`: there is no phone `{name}`"))
}

/// Fails for what no account may be called.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Error> {
    if is_name(name) {
        Ok(())
    } else {
        Err(Error::field(field, "must be 1 to 64 letters, digits, `-`, `_` or `.`"))
    }
}
