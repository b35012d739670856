//! `/admin/phones/{name}/devices` and what else concerns an account's devices: identity, LIDs, switches, dirty bits.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::error::Error;
use super::phones::account;
use crate::dirty::{self, Dirty};
use crate::levers;
use crate::state::{self, AccountId, DeviceAddr, Shared, lock};

#[derive(Serialize)]
pub(crate) struct Unlinked {
    /// How many devices were linked.
    unlinked: usize,
}

pub(crate) async fn unlink_all(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Unlinked>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(Unlinked { unlinked: levers::unlink_all(&mut state, account) }))
}

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

pub(crate) async fn reinstall(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Unlinked>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(Unlinked { unlinked: levers::reinstall(&mut state, account) }))
}

#[derive(Serialize)]
pub(crate) struct Migrated {
    migrated: bool,
}

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
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PropsBody {
    props: BTreeMap<u32, String>,
}

pub(crate) async fn props(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<PropsBody>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    Ok(Json(props_of(&state, id)))
}

/// Sets the switches that are named; the others stay.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirtyBody {
    what: String,
}

#[derive(Serialize)]
pub(crate) struct Bits {
    dirty: Vec<Bit>,
}

#[derive(Serialize)]
struct Bit {
    device: u16,
    what: &'static str,
}

pub(crate) async fn dirty(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Bits>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    Ok(Json(bits_of(&state, id)))
}

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
