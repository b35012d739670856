//! Groups of a session's account. Reads answer from the store, connected or not; changes and invites ask WhatsApp.

mod members;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_actors::{ApplySettings, Error, FetchInvite, RevokeInvite, SessionHandle};
use wharf_storage::{Group, GroupJid};

use crate::{
    AppState,
    error::{Always, ApiError, Conflicts, InvalidBody, InvalidInput, Live, Missing},
    extract::{
        Caller, Fields, FromFields, GroupPath, JsonBody, Page, Path, Read, Send, SessionPath,
    },
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_groups))
        .routes(routes!(get_group, update_group))
        .routes(routes!(get_group_invite, revoke_group_invite))
        .merge(members::router())
}

/// The longest subject, in Unicode scalar values.
const LONGEST_SUBJECT: usize = 100;
/// The longest description, in Unicode scalar values.
const LONGEST_DESCRIPTION: usize = 2048;

/// The name of this list in its cursors.
const LIST: &str = "groups";

/// A group.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    /// Stable for as long as the group is stored.
    id: i64,
    group_jid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Only admins send messages.
    #[schema(required = false)]
    is_announce: bool,
    /// Only admins edit settings.
    #[schema(required = false)]
    is_locked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_jid: Option<String>,
    #[schema(required = false)]
    participant_count: i64,
    /// When it was made at WhatsApp, epoch milliseconds, as all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at_wa: Option<i64>,
    first_seen_at: i64,
    updated_at: i64,
}

impl From<Group> for GroupBody {
    fn from(group: Group) -> Self {
        Self {
            id: group.id,
            group_jid: group.jid.to_string(),
            subject: group.subject,
            description: group.description,
            is_announce: group.announce,
            is_locked: group.locked,
            owner_jid: group.owner,
            participant_count: group.participant_count.into(),
            created_at_wa: group.created_at,
            first_seen_at: group.first_seen_at,
            updated_at: group.updated_at,
        }
    }
}

/// A page of groups.
#[derive(Serialize, ToSchema)]
#[schema(as = ListGroup)]
#[serde(rename_all = "camelCase")]
struct GroupList {
    data: Vec<GroupBody>,
    /// Gives the next page; empty at the end.
    next_cursor: String,
}

/// The settings to change; absent ones stay. They are applied in the order subject, description, announce, locked.
#[derive(Debug, ToSchema)]
#[schema(as = UpdateGroupInputBody)]
struct UpdateGroup {
    /// 1 to 100 characters, not only white space.
    #[schema(example = "New on the quay")]
    subject: Option<String>,
    /// Up to 2048 characters; empty clears it.
    description: Option<String>,
    /// Whether only admins may send messages.
    #[schema(example = true)]
    announce: Option<bool>,
    /// Whether only admins may edit the settings.
    locked: Option<bool>,
}

impl FromFields for UpdateGroup {
    fn from_fields(fields: &mut Fields) -> Self {
        let subject = |text: &str| match text.chars().count() {
            1..=LONGEST_SUBJECT if !text.trim().is_empty() => Ok(()),
            _ => Err("must have 1 to 100 characters, not only white space"),
        };
        let description = |text: &str| match text.chars().count() {
            0..=LONGEST_DESCRIPTION => Ok(()),
            _ => Err("must have at most 2048 characters"),
        };
        Self {
            subject: fields.text("subject", subject),
            description: fields.text("description", description),
            announce: fields.flag("announce"),
            locked: fields.flag("locked"),
        }
    }
}

/// The link that lets people join a group.
#[derive(Serialize, ToSchema)]
#[schema(as = InviteOutputBody)]
struct Invite {
    invite: String,
}

/// List the groups that the account is in.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/groups", operation_id = "listGroups", tag = "groups",
    params(
        ("session" = String, Path, description = "The session's id"),
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent or 0"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    security(("bearer" = ["read"]), ("apiKey" = ["read"])),
    responses((status = 200, body = GroupList, description = "A page of groups"), Always, InvalidInput, Missing))]
async fn list_groups(
    State(state): State<AppState>,
    caller: Caller<Read>,
    Path(path): Path<SessionPath>,
    page: Page,
) -> Result<Json<GroupList>, ApiError> {
    let after: Option<GroupJid> = page.after(LIST)?;
    let (session, _) = state.session(&caller, &path.session)?;
    let mut rows = state.store.groups(session, after.as_ref(), page.limit + 1).await?;
    let next_cursor = page.cut(LIST, &mut rows, |group| group.jid.clone());
    Ok(Json(GroupList { data: rows.into_iter().map(GroupBody::from).collect(), next_cursor }))
}

/// Get a group.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/groups/{gid}", operation_id = "getGroup", tag = "groups",
    params(
        ("session" = String, Path, description = "The session's id"),
        ("gid" = String, Path, description = "The group's JID, such as `120363000000000001@g.us`"),
    ),
    security(("bearer" = ["read"]), ("apiKey" = ["read"])),
    responses((status = 200, body = GroupBody, description = "The group as it is stored"), Always, InvalidInput, Missing))]
async fn get_group(
    State(state): State<AppState>,
    caller: Caller<Read>,
    Path(path): Path<GroupPath>,
) -> Result<Json<GroupBody>, ApiError> {
    let (session, _) = state.session(&caller, &path.session)?;
    let group =
        state.store.group(session, &path.gid)?.ok_or_else(|| ApiError::not_found("group"))?;
    Ok(Json(group.into()))
}

/// Change a group's settings at WhatsApp.
///
/// A failure part-way stops there; `details` of the answer says which fields were `applied`, which one `failed` and
/// which were `notAttempted`.
#[utoipa::path(patch, path = "/api/v1/sessions/{session}/groups/{gid}", operation_id = "updateGroup", tag = "groups",
    params(
        ("session" = String, Path, description = "The session's id"),
        ("gid" = String, Path, description = "The group's JID, such as `120363000000000001@g.us`"),
    ),
    request_body = UpdateGroup,
    security(("bearer" = ["send"]), ("apiKey" = ["send"])),
    responses((status = 204, description = "All took effect"), Always, InvalidBody, Missing, Conflicts, Live))]
async fn update_group(
    State(state): State<AppState>,
    caller: Caller<Send>,
    Path(path): Path<GroupPath>,
    JsonBody(change): JsonBody<UpdateGroup>,
) -> Result<StatusCode, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    connected(&handle)?;
    state.disk.admit()?;
    let settings = ApplySettings {
        group: path.gid,
        subject: change.subject,
        description: change.description,
        announce: change.announce,
        locked: change.locked,
    };
    if !settings.fields().is_empty() {
        handle.apply_settings(settings).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Get the link that lets people join a group.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/groups/{gid}/invite", operation_id = "getGroupInvite",
    tag = "groups",
    params(
        ("session" = String, Path, description = "The session's id"),
        ("gid" = String, Path, description = "The group's JID, such as `120363000000000001@g.us`"),
    ),
    security(("bearer" = ["read"]), ("apiKey" = ["read"])),
    responses((status = 200, body = Invite, description = "The link"), Always, InvalidInput, Missing, Conflicts, Live))]
async fn get_group_invite(
    State(state): State<AppState>,
    caller: Caller<Read>,
    Path(path): Path<GroupPath>,
) -> Result<Json<Invite>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    connected(&handle)?;
    let invite = handle.fetch_invite(FetchInvite { group: path.gid }).await?;
    Ok(Json(Invite { invite }))
}

/// Replace the link that lets people join a group; the old one is worthless from then on.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}/groups/{gid}/invite", operation_id = "revokeGroupInvite",
    tag = "groups",
    params(
        ("session" = String, Path, description = "The session's id"),
        ("gid" = String, Path, description = "The group's JID, such as `120363000000000001@g.us`"),
    ),
    security(("bearer" = ["send"]), ("apiKey" = ["send"])),
    responses((status = 200, body = Invite, description = "The new link"), Always, InvalidInput, Missing, Conflicts, Live))]
async fn revoke_group_invite(
    State(state): State<AppState>,
    caller: Caller<Send>,
    Path(path): Path<GroupPath>,
) -> Result<Json<Invite>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    connected(&handle)?;
    let invite = handle.revoke_invite(RevokeInvite { group: path.gid }).await?;
    Ok(Json(Invite { invite }))
}

/// Refuses a live action while the session is not connected.
fn connected(handle: &SessionHandle) -> Result<(), Error> {
    if handle.is_connected() {
        Ok(())
    } else {
        Err(Error::NotConnected { status: handle.status() })
    }
}
