//! The audit log.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_storage::{Actor, AuditEntry, AuditFilter, AuditId};

use crate::{
    AppState,
    error::{Always, ApiError, InvalidInput},
    extract::{AuditQuery, Caller, ManageAll, Page},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

/// The name of this list in its cursors.
const LIST: &str = "audit";

/// Something that was done, or tried.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
#[serde(rename_all = "camelCase")]
struct EntryBody {
    id: String,
    /// When it was answered, epoch milliseconds.
    timestamp: i64,
    #[schema(value_type = ActorKind)]
    actor_kind: &'static str,
    /// The key's id, or the subject of the person's login.
    actor: String,
    /// What was asked for: the `operationId` of this document.
    operation: String,
    /// Ids of what it was done to, by the names that paths give them, such as `session` and `gid`.
    object: BTreeMap<String, String>,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The status of the answer; absent when the caller hung up before there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i64>,
    /// The code of the answer, if it is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The answer's `X-Request-Id`.
    request_id: String,
}

/// What kind of caller it was.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditActorKind)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the document names the variants")]
enum ActorKind {
    Key,
    Person,
}

impl From<AuditEntry> for EntryBody {
    fn from(entry: AuditEntry) -> Self {
        let record = entry.record;
        let actor_kind = match record.actor {
            Actor::Key(_) => "key",
            Actor::Person(_) => "person",
        };
        Self {
            id: entry.id.to_string(),
            timestamp: record.at,
            actor_kind,
            actor: record.actor.to_string(),
            operation: record.operation,
            object: record.object,
            address: record.address.map(|address| address.to_string()),
            status: record.status.map(i64::from),
            code: record.code,
            request_id: record.request,
        }
    }
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = ListAuditEntry)]
#[serde(rename_all = "camelCase")]
struct AuditList {
    data: Vec<EntryBody>,
    /// Gives the next page; empty at the end. With a filter, an empty page is not always the end.
    next_cursor: String,
}

/// List what callers of this organization did and what they were refused, newest first.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "listAudit", tag = "audit",
    params(
        ("session" = Option<String>, Query, description = "Only what was done to this session"),
        ("actor" = Option<String>, Query, description = "Only what this key or person did"),
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent or 0"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = AuditList, description = "A page of the audit log"), Always, InvalidInput))]
async fn list_audit(
    State(state): State<AppState>,
    caller: Caller<ManageAll>,
    query: AuditQuery,
) -> Result<Json<AuditList>, ApiError> {
    let AuditQuery { page, session, actor } = query;
    let before: Option<AuditId> = page.after(LIST)?;
    // What was answered before this request is in its answer.
    state.audit.flush().await;
    let filter = AuditFilter { session, actor };
    let found = state.store.audit_page(&caller.organization, before, filter, page.limit).await?;
    Ok(Json(AuditList {
        data: found.entries.into_iter().map(EntryBody::from).collect(),
        next_cursor: Page::cursor(LIST, found.next),
    }))
}
