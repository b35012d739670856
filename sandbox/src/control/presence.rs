//! `/admin/phones/{name}/presence` and `/admin/phones/{name}/chat-state`: a phone in somebody's hand.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::chats::chat;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::presence::{self, ChatState};
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(set)).routes(routes!(show))
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PresenceBody {
    online: bool,
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum What {
    Composing,
    Recording,
    Paused,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatStateBody {
    /// A phone's name, a number, or the JID of a person or a group.
    to: String,
    state: What,
}

/// Take the phone into use, or lay it aside.
#[utoipa::path(put, path = "/phones/{name}/presence", operation_id = "setPresence", tag = "messages",
    request_body = PresenceBody,
    responses((status = 200, body = PresenceBody, description = "As set"), Refused))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<PresenceBody>,
) -> Result<Json<PresenceBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    presence::appear(&mut state, account, body.online);
    Ok(Json(body))
}

/// Show others that somebody types or records on the phone.
#[utoipa::path(post, path = "/phones/{name}/chat-state", operation_id = "showChatState", tag = "messages",
    request_body = ChatStateBody,
    responses((status = 200, body = ChatStateBody, description = "It is told"), Refused))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<ChatStateBody>,
) -> Result<Json<ChatStateBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    let chat = chat(&state, "to", &body.to)?.jid(&state);
    let what = match body.state {
        What::Composing => ChatState::Composing,
        What::Recording => ChatState::Recording,
        What::Paused => ChatState::Paused,
    };
    presence::show(&mut state, account, &chat, what);
    Ok(Json(body))
}
