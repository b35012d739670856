//! `/admin/phones/{name}/settings` and beside it: the settings that a phone shares with its devices.

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use buffa::Message as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use waproto::whatsapp::SyncActionValue;

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::levers::phone_settings as levers;
use crate::phone::{self, Change};
use crate::state::{self, Shared, lock};
use crate::{Setting, UnreadPatch};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, set))
        .routes(routes!(fold))
        .routes(routes!(rotate_key))
        .routes(routes!(set_push_name))
        .routes(routes!(save_contact))
        .routes(routes!(set_chat))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SettingsBody {
    settings: Vec<Setting>,
    unread: Vec<UnreadPatch>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PushNameBody {
    push_name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactBody {
    /// A phone, a JID or the digits of a number.
    who: String,
    name: String,
}

/// What is to become of a chat; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ChatBody {
    /// A phone, a JID, the digits of a number, or a group.
    chat: String,
    muted: Option<bool>,
    /// Epoch milliseconds; without it a muted chat is so for ever.
    muted_until: Option<i64>,
    pinned: Option<bool>,
    archived: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingBody {
    /// The name of the action on the wire.
    action: String,
    #[serde(default)]
    arguments: Vec<String>,
    /// A `SyncActionValue` in base64; without it the setting is removed.
    value: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FoldedBody {
    /// How many patches.
    folded: usize,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RotatedBody {
    /// How many devices there were to share the new key with.
    devices: usize,
}

type Answer = Result<Json<SettingsBody>, Error>;

/// List the settings that a phone shares with its devices, and what it could not read.
#[utoipa::path(get, path = "/phones/{name}/settings", operation_id = "listSettings", tag = "settings",
    responses((status = 200, body = SettingsBody, description = "All of them"), Refused))]
pub(crate) async fn list(State(shared): State<Shared>, Path(name): Path<String>) -> Answer {
    let state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(shown(&state, account))
}

/// Set or remove any setting.
#[utoipa::path(post, path = "/phones/{name}/settings", operation_id = "changeSetting", tag = "settings",
    request_body = SettingBody,
    responses((status = 200, body = SettingsBody, description = "All of them as they are now"), Refused))]
pub(crate) async fn set(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<SettingBody>,
) -> Answer {
    let value = body.value.as_deref().map(value).transpose()?;
    let SettingBody { action, arguments, .. } = body;
    change(&shared, &name, "action", |_| Ok(vec![levers::any(&action, arguments, value)?]))
}

/// Set the name that the account shows others.
#[utoipa::path(put, path = "/phones/{name}/push-name", operation_id = "setPushName", tag = "settings",
    request_body = PushNameBody,
    responses((status = 200, body = SettingsBody, description = "All settings as they are now"), Refused))]
pub(crate) async fn set_push_name(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(PushNameBody { push_name }): Body<PushNameBody>,
) -> Answer {
    change(&shared, &name, "pushName", |_| Ok(vec![Change::push_name(&push_name)?]))
}

/// Save a contact in the address book.
#[utoipa::path(post, path = "/phones/{name}/contacts", operation_id = "saveContact", tag = "settings",
    request_body = ContactBody,
    responses((status = 200, body = SettingsBody, description = "All settings as they are now"), Refused))]
pub(crate) async fn save_contact(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<ContactBody>,
) -> Answer {
    change(&shared, &name, "who", |state| Ok(vec![levers::contact(state, &body.who, &body.name)?]))
}

/// Mute, pin or archive a chat, or undo it.
#[utoipa::path(post, path = "/phones/{name}/chats", operation_id = "setChat", tag = "settings",
    request_body = ChatBody,
    responses((status = 200, body = SettingsBody, description = "All settings as they are now"), Refused))]
pub(crate) async fn set_chat(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<ChatBody>,
) -> Answer {
    if body.muted_until.is_some() && body.muted != Some(true) {
        return Err(Error::field("mutedUntil", "is for a chat that is to be muted"));
    }
    change(&shared, &name, "chat", |state| {
        let chat = levers::jid(state, &body.chat)?;
        let muted = body.muted.map(|on| Change::mute(chat.clone(), on, body.muted_until));
        let pinned = body.pinned.map(|on| Change::pin(chat.clone(), on));
        let archived = body.archived.map(|on| Change::archive(chat.clone(), on));
        Ok([muted, pinned, archived].into_iter().flatten().collect())
    })
}

/// Fold the patches of the settings into snapshots.
#[utoipa::path(post, path = "/phones/{name}/settings/fold", operation_id = "foldSettings", tag = "settings",
    responses((status = 200, body = FoldedBody, description = "They are folded"), Refused))]
pub(crate) async fn fold(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<FoldedBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(Json(FoldedBody { folded: levers::fold(&mut state, account) }))
}

/// Make a new key for the settings, and share it with the devices.
#[utoipa::path(post, path = "/phones/{name}/settings/rotate-key", operation_id = "rotateSettingsKey", tag = "settings",
    responses((status = 200, body = RotatedBody, description = "It is shared"), Refused))]
pub(crate) async fn rotate_key(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<RotatedBody>, Error> {
    let account = account(&lock(&shared), "name", &name)?;
    Ok(Json(RotatedBody { devices: levers::rotate_key(&shared, account).await }))
}

fn change(
    shared: &Shared,
    name: &str,
    field: &str,
    changes: impl FnOnce(&state::State) -> crate::Result<Vec<Change>>,
) -> Answer {
    let mut state = lock(shared);
    let account = account(&state, "name", name)?;
    let changes = changes(&state).map_err(|error| refused(field, &error))?;
    for change in changes {
        phone::write(&mut state, account, &change).map_err(|error| refused(field, &error))?;
    }
    Ok(shown(&state, account))
}

fn shown(state: &state::State, account: state::AccountId) -> Json<SettingsBody> {
    let settings = levers::settings(state, account);
    Json(SettingsBody { settings, unread: levers::unread(state, account) })
}

fn value(text: &str) -> Result<SyncActionValue, Error> {
    let bytes = BASE64_STANDARD.decode(text).ok();
    let value = bytes.and_then(|bytes| SyncActionValue::decode_from_slice(&bytes).ok());
    value.ok_or_else(|| Error::field("value", "must be a `SyncActionValue` in base64"))
}

fn refused(field: &str, error: &crate::Error) -> Error {
    let text = format!("`{field}`: {error}");
    match error {
        crate::Error::NoSuchChat(_) | crate::Error::NoSuchSetting(_) => Error::NotFound(text),
        crate::Error::NoSuchAction(_)
        | crate::Error::PushName
        | crate::Error::SettingArguments { .. } => Error::Invalid(text),
        _ => Error::Conflict(text),
    }
}
