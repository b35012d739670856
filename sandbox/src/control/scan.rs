//! `/admin/mock-phone/scan-qr`: a phone's camera.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::body::Params;
use super::error::Error;
use super::phones::check_name;
use crate::state::{Shared, lock};
use crate::{LinkedDevice, levers, pairing};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Whose phone it is; made if there is none, and a new one if this is left out.
    phone: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct LinkedBody {
    /// Name of the account.
    phone: String,
    /// Phone-number JID with the device's number.
    jid: String,
    /// LID with the device's number.
    lid: String,
    /// The device's number.
    device: u16,
}

/// Answers once the client has accepted: it is linked then, and about to log in.
pub(crate) async fn scan(
    State(shared): State<Shared>,
    Params(wanted): Params<Wanted>,
    qr: String,
) -> Result<Json<LinkedBody>, Error> {
    let phone = wanted.phone.unwrap_or_else(|| free_name(&shared));
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
    let LinkedDevice { jid, lid } = linked.map_err(|error| refused(&error))?;
    let device = jid.parse::<wacore_binary::Jid>().map_or(0, |jid| jid.device);
    Ok(Json(LinkedBody { phone, jid, lid, device }))
}

/// `phone-1`, `phone-2`, ...: the first that nobody has.
fn free_name(shared: &Shared) -> String {
    let state = lock(shared);
    let taken = state.accounts.iter().count();
    let mut names = (1..=taken + 1).map(|number| format!("phone-{number}"));
    names.find(|name| state.accounts.by_name(name).is_none()).expect("one name more than accounts")
}

fn refused(error: &crate::Error) -> Error {
    let of_qr = format!("`qr`: {error}");
    match error {
        crate::Error::InvalidQr(_) => Error::Invalid(of_qr),
        crate::Error::StaleQr => Error::NotFound(of_qr),
        crate::Error::LinkTimeout => Error::Timeout(of_qr),
        crate::Error::TooManyDevices(_) => Error::Conflict(format!("`phone`: {error}")),
        _ => Error::Conflict(of_qr),
    }
}
