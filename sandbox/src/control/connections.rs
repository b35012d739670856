//! `/admin/connections`, of all or of one phone, and what drops them: a bad network, a server that is down, one that
//! hangs.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::error::Error;
use super::phones::account;
use crate::levers;
use crate::state::{self, Shared, lock};

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Open,
    Refuse,
    Hang,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeBody {
    mode: Mode,
}

#[derive(Serialize)]
pub(crate) struct ConnectionsBody {
    mode: Mode,
    /// How many connections are open.
    open: usize,
}

#[derive(Serialize)]
pub(crate) struct Dropped {
    /// How many connections were open.
    pub(super) dropped: usize,
}

impl From<&state::State> for ConnectionsBody {
    fn from(state: &state::State) -> Self {
        let mode = match (state.network.refusing, state.network.hanging) {
            (true, _) => Mode::Refuse,
            (false, true) => Mode::Hang,
            (false, false) => Mode::Open,
        };
        Self { mode, open: state.links.len() }
    }
}

pub(crate) async fn read(State(shared): State<Shared>) -> Json<ConnectionsBody> {
    Json((&*lock(&shared)).into())
}

pub(crate) async fn set(
    State(shared): State<Shared>,
    Body(ModeBody { mode }): Body<ModeBody>,
) -> Json<ConnectionsBody> {
    let mut state = lock(&shared);
    state.network.refusing = matches!(mode, Mode::Refuse);
    state.network.hanging = matches!(mode, Mode::Hang);
    state.hush();
    Json((&*state).into())
}

pub(crate) async fn drop_all(State(shared): State<Shared>) -> Json<Dropped> {
    Json(Dropped { dropped: levers::drop_connections(&shared, |_| true).await })
}

pub(crate) async fn drop_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Dropped>, Error> {
    let account = account(&lock(&shared), "name", &name)?;
    let dropped = levers::drop_connections(&shared, levers::of_account(account)).await;
    Ok(Json(Dropped { dropped }))
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum PhoneMode {
    Open,
    Hang,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhoneModeBody {
    mode: PhoneMode,
}

#[derive(Serialize)]
pub(crate) struct Frozen {
    /// How many connections were open.
    frozen: usize,
}

pub(crate) async fn set_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<PhoneModeBody>,
) -> Result<Json<PhoneModeBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    levers::hang(&mut state, account, matches!(body.mode, PhoneMode::Hang));
    Ok(Json(body))
}

pub(crate) async fn freeze_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Frozen>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(Frozen { frozen: levers::freeze(&mut state, account) }))
}
