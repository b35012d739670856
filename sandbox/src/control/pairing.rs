//! `/admin/mock-phone/…`: a phone that reads what a client shows; `/admin/pairing`: what clients are given to show.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::{Body, Params, Text};
use super::documented::Refused;
use super::error::Error;
use super::phones::check_name;
use crate::state::{Shared, lock};
use crate::{LinkedDevice, levers, pairing};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(expire_code))
        .routes(routes!(scan))
        .routes(routes!(enter_code))
        .routes(routes!(settings, set))
}

/// More QR codes than anybody would show.
const REFS_MAX: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Whose phone it is; made if there is none. If this is left out, that of the push name that the client registered
    /// with, or a new one if it sent none.
    phone: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LinkedBody {
    /// Name of the account.
    phone: String,
    /// Phone-number JID with the device's number.
    jid: String,
    /// LID with the device's number.
    lid: String,
    /// The device's number.
    device: u16,
    /// What it calls itself, as it said when it was linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The version of its client, as it said when it logged in last or, before that, when it was linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl LinkedBody {
    /// A device of this account.
    pub(super) fn new(phone: String, linked: LinkedDevice) -> Self {
        let LinkedDevice { jid, lid, name, version } = linked;
        let device = jid.parse::<wacore_binary::Jid>().map_or(0, |jid| jid.device);
        Self { phone, jid, lid, device, name, version }
    }
}

/// Scan the QR code that a client shows.
///
/// Answers once the client has accepted: it is linked then, and about to log in.
#[utoipa::path(post, path = "/mock-phone/scan-qr", operation_id = "scanQr", tag = "linking",
    params(Wanted),
    request_body(content = String, content_type = "text/plain", description = "The text of the QR code"),
    responses((status = 200, body = LinkedBody, description = "The device is linked"), Refused))]
pub(crate) async fn scan(
    State(shared): State<Shared>,
    Params(wanted): Params<Wanted>,
    Text(qr): Text,
) -> Result<Json<LinkedBody>, Error> {
    let Some(phone) = wanted.phone else {
        let linked = pairing::scan_for_its_account(&shared, &qr).await;
        let (phone, linked) = linked.map_err(|error| refused(&error))?;
        return Ok(Json(LinkedBody::new(phone, linked)));
    };
    check_name("phone", &phone)?;
    let mut linked = pairing::scan(&shared, &phone, &qr).await;
    // Only a code that a client does show is worth an account.
    if matches!(linked, Err(crate::Error::NoSuchPhone(_))) {
        match levers::add_phone(&shared, &phone) {
            Ok(()) | Err(crate::Error::PhoneExists(_)) => {}
            Err(error) => return Err(refused(&error)),
        }
        linked = pairing::scan(&shared, &phone, &qr).await;
    }
    Ok(Json(LinkedBody::new(phone, linked.map_err(|error| refused(&error))?)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    /// Whose phone it is. It has to exist: the client has named its number.
    phone: String,
}

/// Type the pairing code that a client shows.
///
/// Answers once the client has accepted: it is linked then, and about to log in.
#[utoipa::path(post, path = "/mock-phone/enter-code", operation_id = "enterCode", tag = "linking",
    params(Owner),
    request_body(content = String, content_type = "text/plain", description = "The code, with or without a hyphen"),
    responses((status = 200, body = LinkedBody, description = "The device is linked"), Refused))]
pub(crate) async fn enter_code(
    State(shared): State<Shared>,
    Params(Owner { phone }): Params<Owner>,
    Text(code): Text,
) -> Result<Json<LinkedBody>, Error> {
    let linked = pairing::enter(&shared, &phone, code.trim()).await;
    Ok(Json(LinkedBody::new(phone, linked.map_err(|error| refused(&error))?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ExpiryBody {
    /// Whether the client's user, and not the client by itself, is to make another code.
    #[serde(default)]
    by_hand: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ExpiredBody {
    expired: bool,
}

/// Let the pairing code that a client shows for this account expire.
#[utoipa::path(post, path = "/phones/{name}/expire-code", operation_id = "expirePairingCode", tag = "linking",
    request_body = ExpiryBody,
    responses((status = 200, body = ExpiredBody, description = "It is no longer good"), Refused))]
pub(crate) async fn expire_code(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(ExpiryBody { by_hand }): Body<ExpiryBody>,
) -> Result<Json<ExpiredBody>, Error> {
    pairing::expire(&mut lock(&shared), &name, by_hand).map_err(|error| refused(&error))?;
    Ok(Json(ExpiredBody { expired: true }))
}

#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = PairingSettings)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SettingsBody {
    /// How many QR codes a client gets to show.
    qr_refs: usize,
}

/// Read what clients are given to show.
#[utoipa::path(get, path = "/pairing", operation_id = "readPairing", tag = "linking",
    responses((status = 200, body = SettingsBody, description = "As set"), Refused))]
pub(crate) async fn settings(State(shared): State<Shared>) -> Json<SettingsBody> {
    Json(SettingsBody { qr_refs: lock(&shared).pairings.references })
}

/// Set what clients are given to show.
#[utoipa::path(put, path = "/pairing", operation_id = "setPairing", tag = "linking",
    request_body = SettingsBody,
    responses((status = 200, body = SettingsBody, description = "As set"), Refused))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    Body(settings): Body<SettingsBody>,
) -> Result<Json<SettingsBody>, Error> {
    if settings.qr_refs > REFS_MAX {
        return Err(Error::field("qrRefs", "must be at most 100"));
    }
    lock(&shared).pairings.references = settings.qr_refs;
    Ok(Json(settings))
}

fn refused(error: &crate::Error) -> Error {
    let of = |field: &str| format!("`{field}`: {error}");
    match error {
        crate::Error::InvalidQr(_) | crate::Error::InvalidScenario { .. } => {
            Error::Invalid(of("qr"))
        }
        crate::Error::InvalidPairingCode => Error::Invalid(of("code")),
        crate::Error::StaleQr => Error::NotFound(of("qr")),
        crate::Error::NoPairingCode(_) => Error::NotFound(of("code")),
        crate::Error::NoSuchPhone(_) => Error::NotFound(of("phone")),
        crate::Error::PairingCodeExpired | crate::Error::WrongPairingCode => {
            Error::Conflict(of("code"))
        }
        crate::Error::LinkTimeout => Error::Timeout(error.to_string()),
        crate::Error::TooManyDevices(_) => Error::Conflict(of("phone")),
        _ => Error::Conflict(error.to_string()),
    }
}
