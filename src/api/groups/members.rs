//! The members of a group, from the store.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_storage::{Member, Role};

use crate::{
    AppState,
    error::{Always, ApiError, InvalidInput, Missing},
    extract::{Caller, GroupPath, Page, Path, Read},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_group_members))
}

/// The name of this list in its cursors.
const LIST: &str = "members";

/// A member of a group.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupMember)]
#[serde(rename_all = "camelCase")]
struct MemberBody {
    /// Stable for as long as the member is in the group.
    id: i64,
    session_id: String,
    group_jid: String,
    /// The LID where it is known, else the phone number's JID.
    lid: String,
    #[schema(value_type = RoleName)]
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// Epoch milliseconds, as all times.
    first_seen_at: i64,
    last_seen_at: i64,
}

/// What a member may do.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupRole)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the document names the variants")]
enum RoleName {
    Member,
    Admin,
    Superadmin,
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Superadmin => "superadmin",
    }
}

/// A page of members.
#[derive(Serialize, ToSchema)]
#[schema(as = ListGroupMember)]
#[serde(rename_all = "camelCase")]
struct MemberList {
    data: Vec<MemberBody>,
    /// Gives the next page; empty at the end.
    next_cursor: String,
}

/// List the members of a group.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/groups/{gid}/members", operation_id = "listGroupMembers",
    tag = "groups",
    params(
        ("session" = String, Path, description = "The session's id"),
        ("gid" = String, Path, description = "The group's JID, such as `120363000000000001@g.us`"),
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent or 0"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    security(("bearer" = ["read"]), ("apiKey" = ["read"])),
    responses((status = 200, body = MemberList, description = "A page of members, as they are stored"),
        Always, InvalidInput, Missing))]
async fn list_group_members(
    State(state): State<AppState>,
    caller: Caller<Read>,
    Path(path): Path<GroupPath>,
    page: Page,
) -> Result<Json<MemberList>, ApiError> {
    let after: Option<String> = page.after(LIST)?;
    let (session, _) = state.session(&caller, &path.session)?;
    state.store.group(session, &path.gid)?.ok_or_else(|| ApiError::not_found("group"))?;
    let rows = state.store.members(session, &path.gid, after.as_deref(), page.limit + 1);
    let mut rows = rows.await?;
    let next_cursor = page.cut(LIST, &mut rows, |member| member.lid.clone());
    let shown = |member: Member| MemberBody {
        id: member.id,
        session_id: session.to_string(),
        group_jid: path.gid.to_string(),
        lid: member.lid,
        role: role(member.role),
        tag: member.tag,
        first_seen_at: member.first_seen_at,
        last_seen_at: member.last_seen_at,
    };
    Ok(Json(MemberList { data: rows.into_iter().map(shown).collect(), next_cursor }))
}
