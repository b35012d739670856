//! `/admin/connections`, of all or of one phone, and what drops them: a bad network, a server that is down, one that
//! hangs.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::levers;
use crate::state::{self, Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(drop_of_phone))
        .routes(routes!(freeze_of_phone))
        .routes(routes!(set_of_phone))
        .routes(routes!(read, set))
        .routes(routes!(drop_all))
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Open,
    Refuse,
    Hang,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeBody {
    mode: Mode,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionsBody {
    mode: Mode,
    /// How many connections are open.
    open: usize,
    /// How many their client has ended in order, with a close frame, since the server began.
    goodbyes: u64,
}

#[derive(Serialize, ToSchema)]
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
        Self { mode, open: state.links.len(), goodbyes: state.links.goodbyes }
    }
}

/// Say how connections are treated, and how many are open.
#[utoipa::path(get, path = "/connections", operation_id = "readConnections", tag = "network",
    responses((status = 200, body = ConnectionsBody, description = "As it is"), Refused))]
pub(crate) async fn read(State(shared): State<Shared>) -> Json<ConnectionsBody> {
    Json((&*lock(&shared)).into())
}

/// Refuse clients, let them hang, or serve them again.
#[utoipa::path(put, path = "/connections", operation_id = "setConnections", tag = "network",
    request_body = ModeBody,
    responses((status = 200, body = ConnectionsBody, description = "As it is now"), Refused))]
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

/// Break every connection, without a closing word.
#[utoipa::path(post, path = "/drop-connections", operation_id = "dropConnections", tag = "network",
    responses((status = 200, body = Dropped, description = "They are gone"), Refused))]
pub(crate) async fn drop_all(State(shared): State<Shared>) -> Json<Dropped> {
    Json(Dropped { dropped: levers::drop_connections(&shared, |_| true).await })
}

/// Break the connections of an account's devices, without a closing word.
#[utoipa::path(post, path = "/phones/{name}/drop-connections", operation_id = "dropPhoneConnections", tag = "network",
    responses((status = 200, body = Dropped, description = "They are gone"), Refused))]
pub(crate) async fn drop_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Dropped>, Error> {
    let account = account(&lock(&shared), "name", &name)?;
    let dropped = levers::drop_connections(&shared, levers::of_account(account)).await;
    Ok(Json(Dropped { dropped }))
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PhoneMode {
    Open,
    Hang,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhoneModeBody {
    mode: PhoneMode,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Frozen {
    /// How many connections were open.
    frozen: usize,
}

/// Let all connections of an account's devices hang, those to come too, or open them again.
#[utoipa::path(put, path = "/phones/{name}/connections", operation_id = "setPhoneConnections", tag = "network",
    request_body = PhoneModeBody,
    responses((status = 200, body = PhoneModeBody, description = "As set"), Refused))]
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

/// Let the open connections of an account's devices hang; new ones are served.
#[utoipa::path(post, path = "/phones/{name}/freeze-connections", operation_id = "freezePhoneConnections", tag = "network",
    responses((status = 200, body = Frozen, description = "They hang"), Refused))]
pub(crate) async fn freeze_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Frozen>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(Frozen { frozen: levers::freeze(&mut state, account) }))
}
