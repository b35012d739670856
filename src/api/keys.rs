//! API keys of an organization. A key makes none that is stronger than itself.

use std::collections::BTreeSet;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_storage::{ApiKey, Capability, KeyId, SessionId};

use crate::{
    AppState,
    audit::Made,
    clock::now_ms,
    error::{Always, ApiError, InvalidBody, InvalidInput, Missing},
    extract::{Caller, Fields, FromFields, JsonBody, KeyPath, ManageAll, Page, Path},
    keys::{self, NewKey},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_api_keys, create_api_key))
        .routes(routes!(delete_api_key))
}

/// How many sessions a key may be confined to: the list is read with every request of the key.
const MOST_SESSIONS: usize = 1_000;

/// The name of this list in its cursors.
const LIST: &str = "keys";

/// What a new key shall be.
#[derive(Debug, ToSchema)]
#[schema(as = CreateApiKeyInputBody, rename_all = "camelCase")]
struct CreateApiKey {
    /// A name for people: 1 to 200 characters, not only white space.
    #[schema(example = "reader")]
    name: String,
    /// What it may be used for; at least one.
    #[schema(value_type = Vec<PermissionName>, example = json!(["read"]))]
    permissions: BTreeSet<Capability>,
    /// Ids of the only sessions that shall exist for it, 1 to 1,000; all of the organization when absent.
    #[schema(value_type = Option<Vec<String>>)]
    sessions: Option<Vec<SessionId>>,
    /// From when it is no longer good, epoch milliseconds; never when absent.
    expires_at: Option<i64>,
}

impl FromFields for CreateApiKey {
    fn from_fields(fields: &mut Fields) -> Self {
        let name = fields.text("name", |text| {
            if keys::is_name(text) {
                Ok(())
            } else {
                Err("must have 1 to 200 characters, not only white space")
            }
        });
        let permissions = fields.texts("permissions", |name| {
            let known = keys::all_capabilities().into_iter().find(|one| one.as_str() == name);
            known.ok_or_else(|| "must hold `read`, `send`, `manage` or `events` only".to_owned())
        });
        if permissions.as_ref().is_some_and(Vec::is_empty) {
            fields.refuse("permissions", "must name at least one");
        }
        if name.is_none() {
            fields.missing("name");
        }
        if permissions.is_none() {
            fields.missing("permissions");
        }
        let sessions = fields.texts("sessions", |id| {
            let session: Option<SessionId> = id.parse().ok();
            session.filter(|session| session.to_string() == id).ok_or_else(|| unknown_session(id))
        });
        if sessions.as_ref().is_some_and(|ids| !(1..=MOST_SESSIONS).contains(&ids.len())) {
            fields.refuse("sessions", "must name 1 to 1000; leave it out for all");
        }
        let expires_at = fields.number("expiresAt");
        if expires_at.is_some_and(|end| end <= now_ms()) {
            fields.refuse("expiresAt", "must be in the future");
        }
        Self {
            name: name.unwrap_or_default(),
            permissions: permissions.unwrap_or_default().into_iter().collect(),
            sessions,
            expires_at,
        }
    }
}

fn unknown_session(id: &str) -> String {
    format!("names `{id}`, which is no session of this organization")
}

/// What a key may be used for.
#[derive(Serialize, ToSchema)]
#[schema(as = Permission)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the document names the variants")]
enum PermissionName {
    Read,
    Send,
    Manage,
    Events,
}

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
#[serde(rename_all = "camelCase")]
struct KeyBody {
    id: String,
    name: String,
    #[schema(value_type = Vec<PermissionName>)]
    permissions: Vec<&'static str>,
    /// The only sessions that exist for it; absent: all of the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<String>>,
    /// Epoch milliseconds, as all times.
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> Self {
        let sessions = key.sessions.map(|ids| ids.iter().map(ToString::to_string).collect());
        Self {
            id: key.id.to_string(),
            name: key.name,
            permissions: key.capabilities.into_iter().map(Capability::as_str).collect(),
            sessions,
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// A new key, with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
struct NewKeyBody {
    #[serde(flatten)]
    key_without_secret: KeyBody,
    /// The secret. It is in this answer alone.
    key: String,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
#[schema(as = ListApiKey)]
#[serde(rename_all = "camelCase")]
struct KeyList {
    data: Vec<KeyBody>,
    /// Gives the next page; empty at the end.
    next_cursor: String,
}

/// List the API keys that are still good or have expired; revoked ones are gone.
#[utoipa::path(get, path = "/api/v1/api-keys", operation_id = "listApiKeys", tag = "keys",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent or 0"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = KeyList, description = "A page of keys"), Always, InvalidInput))]
async fn list_api_keys(
    State(state): State<AppState>,
    caller: Caller<ManageAll>,
    page: Page,
) -> Result<Json<KeyList>, ApiError> {
    let after: Option<KeyId> = page.after(LIST)?;
    let mut rows = state.store.keys(Some(&caller.organization), after, page.limit + 1).await?;
    let next_cursor = page.cut(LIST, &mut rows, |key| key.id);
    Ok(Json(KeyList { data: rows.into_iter().map(KeyBody::from).collect(), next_cursor }))
}

/// Make an API key. The answer is the only one that holds its secret.
#[utoipa::path(post, path = "/api/v1/api-keys", operation_id = "createApiKey", tag = "keys",
    request_body = CreateApiKey,
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 201, body = NewKeyBody, description = "The new key"), Always, InvalidBody))]
async fn create_api_key(
    State(state): State<AppState>,
    caller: Caller<ManageAll>,
    JsonBody(wanted): JsonBody<CreateApiKey>,
) -> Result<(StatusCode, Extension<Made>, Json<NewKeyBody>), ApiError> {
    if let Some(more) = wanted.permissions.difference(&caller.capabilities).next() {
        return Err(ApiError::capability(format!(
            "a key gives away what it carries, and this one does not carry `{}`",
            more.as_str()
        )));
    }
    if let (Some(end), Some(own)) = (wanted.expires_at, caller.expires_at)
        && end > own
    {
        return Err(ApiError::capability(format!("a key outlives none that it made, until {own}")));
    }
    for id in wanted.sessions.iter().flatten() {
        if state.sessions.find(&caller.organization, *id).is_err() {
            return Err(ApiError::invalid_field("sessions", &unknown_session(&id.to_string())));
        }
    }
    let new = NewKey {
        organization: caller.organization,
        name: wanted.name,
        capabilities: wanted.permissions,
        sessions: wanted.sessions,
        expires_at: wanted.expires_at.or(caller.expires_at),
    };
    let (key, secret) = keys::create(&state.store, new).await?;
    let made = Made { name: "id", id: key.id.to_string() };
    let body = NewKeyBody { key_without_secret: key.into(), key: secret };
    Ok((StatusCode::CREATED, Extension(made), Json(body)))
}

/// Revoke an API key: from the next request on it opens nothing.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", operation_id = "deleteApiKey", tag = "keys",
    params(("id" = String, Path, description = "The key's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 204, description = "It is revoked"), Always, Missing))]
async fn delete_api_key(
    State(state): State<AppState>,
    caller: Caller<ManageAll>,
    Path(path): Path<KeyPath>,
) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::not_found("key");
    let id: KeyId = path.id.parse().map_err(|_| missing())?;
    if id.to_string() != path.id {
        return Err(missing());
    }
    let revoked = keys::revoke(&state.store, Some(&caller.organization), id).await?;
    revoked.then_some(StatusCode::NO_CONTENT).ok_or_else(missing)
}
