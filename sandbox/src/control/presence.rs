//! `/admin/phones/{name}/presence` and `/admin/phones/{name}/chat-state`: a phone in somebody's hand.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::error::Error;
use super::phones::account;
use crate::groups;
use crate::presence::{self, ChatState};
use crate::state::{Shared, lock};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PresenceBody {
    online: bool,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Composing,
    Recording,
    Paused,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatStateBody {
    /// A phone's name, or the JID of a person or a group.
    to: String,
    state: What,
}

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

pub(crate) async fn show(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<ChatStateBody>,
) -> Result<Json<ChatStateBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    let unknown =
        || Error::NotFound(format!("`to`: there is neither a phone nor a chat `{}`", body.to));
    let chat = groups::chat(&state, &body.to).ok_or_else(unknown)?;
    let what = match body.state {
        What::Composing => ChatState::Composing,
        What::Recording => ChatState::Recording,
        What::Paused => ChatState::Paused,
    };
    presence::show(&mut state, account, &chat, what);
    Ok(Json(body))
}
