//! `/admin/phones/{name}/history`: the past that a phone hands to the devices that it links.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::phone::{self, History};
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(set))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryBody {
    chats: usize,
    messages: usize,
}

/// Give an account a past: devices that are linked from now on get it.
#[utoipa::path(put, path = "/phones/{name}/history", operation_id = "setHistory", tag = "settings",
    request_body = History,
    responses((status = 200, body = HistoryBody, description = "It is remembered"), Refused))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(history): Body<History>,
) -> Result<Json<HistoryBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    let unknown = |error: crate::Error| Error::NotFound(format!("`chats`: {error}"));
    phone::remember(&mut state, account, &history).map_err(unknown)?;
    let messages = history.chats.iter().map(|chat| chat.messages.len()).sum();
    Ok(Json(HistoryBody { chats: history.chats.len(), messages }))
}
