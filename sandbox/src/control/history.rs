//! `/admin/phones/{name}/history`: the past that a phone hands to the devices that it links.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::body::Body;
use super::error::Error;
use super::phones::account;
use crate::phone::{self, History};
use crate::state::{Shared, lock};

#[derive(Serialize)]
pub(crate) struct HistoryBody {
    chats: usize,
    messages: usize,
}

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
