//! `/admin/phones/{name}/devices` and what else concerns an account's devices: identity, LIDs, switches, dirty bits.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::pairing::LinkedBody;
use super::phones::account;
use crate::dirty::{self, Dirty};
use crate::state::{self, AccountId, DeviceAddr, Shared, lock};
use crate::{LinkedDevice, levers};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, unlink_all))
        .routes(routes!(unlink))
        .routes(routes!(reinstall))
        .routes(routes!(migrate_to_lid))
        .routes(routes!(props, set_props))
        .routes(routes!(dirty, mark_dirty))
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeviceList)]
pub(crate) struct ListBody {
    devices: Vec<LinkedBody>,
}

/// List the devices of an account, in the order in which they were linked.
#[utoipa::path(get, path = "/phones/{name}/devices", operation_id = "listDevices", tag = "devices",
    responses((status = 200, body = ListBody, description = "Every device"), Refused))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<ListBody>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    let devices = state.accounts.get(id).into_iter().flat_map(|account| {
        let linked = account.devices.iter().map(|device| LinkedDevice::of(account, device));
        linked.map(|linked| LinkedBody::new(account.name.clone(), linked))
    });
    Ok(Json(ListBody { devices: devices.collect() }))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Unlinked {
    /// How many devices were linked.
    unlinked: usize,
}

/// Unlink every device of an account.
#[utoipa::path(delete, path = "/phones/{name}/devices", operation_id = "unlinkDevices", tag = "devices",
    responses((status = 200, body = Unlinked, description = "They are unlinked"), Refused))]
pub(crate) async fn unlink_all(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Unlinked>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(Unlinked { unlinked: levers::unlink_all(&mut state, account) }))
}

/// Unlink one device of an account.
#[utoipa::path(delete, path = "/phones/{name}/devices/{device}", operation_id = "unlinkDevice", tag = "devices",
    responses((status = 200, body = Unlinked, description = "It is unlinked"), Refused))]
pub(crate) async fn unlink(
    State(shared): State<Shared>,
    Path((name, device)): Path<(String, String)>,
) -> Result<Json<Unlinked>, Error> {
    let device = device.parse().map_err(|_| Error::field("device", "must be a number"))?;
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    if levers::unlink(&mut state, DeviceAddr { account, device }) {
        Ok(Json(Unlinked { unlinked: 1 }))
    } else {
        Err(Error::NotFound(format!("`device`: `{name}` has no device {device}")))
    }
}

/// Set the phone up anew: it has another identity, and no devices.
#[utoipa::path(post, path = "/phones/{name}/reinstall", operation_id = "reinstallPhone", tag = "devices",
    responses((status = 200, body = Unlinked, description = "It is set up"), Refused))]
pub(crate) async fn reinstall(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Unlinked>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(Unlinked { unlinked: levers::reinstall(&mut state, account) }))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Migrated {
    migrated: bool,
}

/// Tell an account's devices that chats are addressed by LID from now on.
#[utoipa::path(post, path = "/phones/{name}/migrate-to-lid", operation_id = "migrateToLid", tag = "devices",
    responses((status = 200, body = Migrated, description = "They are told"), Refused))]
pub(crate) async fn migrate_to_lid(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Migrated>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    levers::migrate(&mut state, account);
    Ok(Json(Migrated { migrated: true }))
}

/// Values of switches, by number.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PropsBody {
    #[schema(value_type = BTreeMap<String, String>)]
    props: BTreeMap<u32, String>,
}

/// Read the switches (AB properties) of an account.
#[utoipa::path(get, path = "/phones/{name}/props", operation_id = "readProps", tag = "devices",
    responses((status = 200, body = PropsBody, description = "All that are set"), Refused))]
pub(crate) async fn props(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<PropsBody>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    Ok(Json(props_of(&state, id)))
}

/// Sets the switches that are named; the others stay.
#[utoipa::path(put, path = "/phones/{name}/props", operation_id = "setProps", tag = "devices",
    request_body = PropsBody,
    responses((status = 200, body = PropsBody, description = "All that are set"), Refused))]
pub(crate) async fn set_props(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<PropsBody>,
) -> Result<Json<PropsBody>, Error> {
    if body.props.contains_key(&0) {
        return Err(Error::field("props", "numbers begin with 1"));
    }
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    if let Some(account) = state.accounts.get_mut(id) {
        for (code, value) in &body.props {
            account.props.set(*code, value);
        }
    }
    Ok(Json(props_of(&state, id)))
}

fn props_of(state: &state::State, id: AccountId) -> PropsBody {
    let props = state.accounts.get(id).map(|account| account.props.all().clone());
    PropsBody { props: props.unwrap_or_default() }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirtyBody {
    /// `groups`, `account_sync`, `syncd_app_state` or `newsletter_metadata`.
    what: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Bits {
    dirty: Vec<Bit>,
}

#[derive(Serialize, ToSchema)]
struct Bit {
    device: u16,
    what: &'static str,
}

/// Read what an account's devices are to fetch anew.
#[utoipa::path(get, path = "/phones/{name}/dirty", operation_id = "readDirty", tag = "devices",
    responses((status = 200, body = Bits, description = "What is marked"), Refused))]
pub(crate) async fn dirty(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Bits>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    Ok(Json(bits_of(&state, id)))
}

/// Mark something that an account's devices are to fetch anew.
#[utoipa::path(post, path = "/phones/{name}/dirty", operation_id = "markDirty", tag = "devices",
    request_body = DirtyBody,
    responses((status = 200, body = Bits, description = "What is marked"), Refused))]
pub(crate) async fn mark_dirty(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<DirtyBody>,
) -> Result<Json<Bits>, Error> {
    let names = Dirty::ALL.map(Dirty::name);
    let what = Dirty::ALL.into_iter().find(|known| known.name() == body.what);
    let what = what.ok_or_else(|| Error::field("what", &format!("must be one of {names:?}")))?;
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    dirty::mark(&mut state, id, what);
    Ok(Json(bits_of(&state, id)))
}

fn bits_of(state: &state::State, id: AccountId) -> Bits {
    let bits = levers::bits(state, id).into_iter();
    Bits { dirty: bits.map(|(device, what)| Bit { device, what: what.name() }).collect() }
}
