//! Sessions: WhatsApp accounts that are linked, or about to be.

mod body;
mod lifecycle;
mod pairing_code;
mod resources;
mod settings;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_actors::{NewSession, Qr};
use wharf_storage::SessionId;

use super::picture::{self, Form};
use crate::{
    AppState,
    audit::Made,
    error::{Admitted, Always, ApiError, Conflicts, InvalidBody, InvalidInput, Missing},
    extract::{
        Caller, Fields, FromFields, JsonBody, Manage, ManageAll, Page, Path, Read, SessionPath,
    },
    request::to_the_end,
};
use body::{Me, SessionBody};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_sessions, create_session))
        .routes(routes!(get_session))
        .routes(routes!(session_qr))
        .routes(routes!(session_me))
        .merge(resources::router())
        .merge(pairing_code::router())
        .merge(lifecycle::router())
        .merge(settings::router())
}

/// The longest label, in Unicode scalar values.
const LONGEST_LABEL: usize = 200;

/// The name of this list in its cursors.
const LIST: &str = "sessions";

/// What a new session shall be.
#[derive(Debug, ToSchema)]
#[schema(as = CreateSessionInputBody, rename_all = "camelCase")]
struct CreateSession {
    /// A name for people, up to 200 characters.
    #[schema(example = "shop")]
    label: Option<String>,
    /// Mark incoming messages as read; false when absent.
    auto_read: Option<bool>,
    /// Show "typing" before a send; false when absent.
    presence_typing: Option<bool>,
    /// Begin pairing at once; false when absent.
    #[schema(example = true)]
    start: Option<bool>,
}

impl FromFields for CreateSession {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            label: fields.text("label", label),
            auto_read: fields.flag("autoRead"),
            presence_typing: fields.flag("presenceTyping"),
            start: fields.flag("start"),
        }
    }
}

/// The rule for labels; an empty one is none.
fn label(text: &str) -> Result<(), &'static str> {
    match text.chars().count() {
        0..=LONGEST_LABEL => Ok(()),
        _ => Err("must have at most 200 characters"),
    }
}

/// A code for a phone to scan.
#[derive(Serialize, ToSchema)]
#[schema(as = QR)]
#[serde(rename_all = "camelCase")]
struct QrBody {
    /// The text that the picture encodes.
    code: String,
    /// When it stops being accepted, epoch milliseconds.
    expires_at: i64,
}

/// A page of sessions.
#[derive(Serialize, ToSchema)]
#[schema(as = ListWASession)]
#[serde(rename_all = "camelCase")]
struct SessionList {
    data: Vec<SessionBody>,
    /// Gives the next page; empty at the end.
    next_cursor: String,
}

/// List the sessions.
#[utoipa::path(get, path = "/api/v1/sessions", operation_id = "listSessions", tag = "sessions",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent or 0"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    security(("bearer" = ["read"]), ("apiKey" = ["read"])),
    responses((status = 200, body = SessionList, description = "A page of sessions"), Always, InvalidInput))]
async fn list_sessions(
    State(state): State<AppState>,
    caller: Caller<Read>,
    page: Page,
) -> Result<Json<SessionList>, ApiError> {
    let after: Option<SessionId> = page.after(LIST)?;
    let mut rows = match &caller.sessions {
        None => state.store.sessions_of(&caller.organization, after, page.limit + 1).await?,
        Some(listed) => {
            let mut ids: Vec<_> =
                listed.iter().copied().filter(|id| after.is_none_or(|last| *id > last)).collect();
            ids.sort_unstable();
            ids.dedup();
            let mut rows = Vec::new();
            for id in ids {
                if rows.len() > page.limit {
                    break;
                }
                rows.extend(
                    state
                        .store
                        .session(id)?
                        .filter(|session| session.organization == caller.organization),
                );
            }
            rows
        }
    };
    let next_cursor = page.cut(LIST, &mut rows, |session| session.id);
    let shown = |session| SessionBody::live(state.sessions.view(session), &state.gateway_id);
    Ok(Json(SessionList { data: rows.into_iter().map(shown).collect(), next_cursor }))
}

/// Make a session.
#[utoipa::path(post, path = "/api/v1/sessions", operation_id = "createSession", tag = "sessions",
    request_body = CreateSession,
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 201, body = SessionBody, description = "The new session"), Always, InvalidBody, Admitted))]
async fn create_session(
    State(state): State<AppState>,
    caller: Caller<ManageAll>,
    JsonBody(wanted): JsonBody<CreateSession>,
) -> Result<(StatusCode, Extension<Made>, Json<SessionBody>), ApiError> {
    state.disk.admit()?;
    let making = state.clone();
    let view = to_the_end(&state, async move {
        // All of it: a caller has a place among the requests of its organization, which this takes until its end.
        let caller = caller;
        let start = wanted.start.unwrap_or(false);
        let admitted = making.admission.create(&making.sessions, start)?;
        let new = NewSession {
            organization: caller.organization,
            label: wanted.label.filter(|label| !label.is_empty()),
            auto_read: wanted.auto_read,
            presence_typing: wanted.presence_typing,
            created_by_user: caller.principal.user(),
            start,
        };
        let made = making.sessions.create(new).await;
        admitted.ends(made.is_ok());
        made.map_err(|error| making.admission.not_made(error))
    })
    .await?;
    let made = Made { name: "session", id: view.session.id.to_string() };
    Ok((StatusCode::CREATED, Extension(made), Json(SessionBody::live(view, &state.gateway_id))))
}

/// Get a session.
#[utoipa::path(get, path = "/api/v1/sessions/{session}", operation_id = "getSession", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["read"]), ("apiKey" = ["read"])),
    responses((status = 200, body = SessionBody, description = "The session"), Always, Missing))]
async fn get_session(
    State(state): State<AppState>,
    caller: Caller<Read>,
    Path(path): Path<SessionPath>,
) -> Result<Json<SessionBody>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    Ok(Json(SessionBody::live(handle.describe().await?, &state.gateway_id)))
}

/// Get the account that a session is linked with, as it is stored.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/me", operation_id = "sessionMe", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = Me, description = "The account"), Always, Missing))]
async fn session_me(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
) -> Result<Json<Me>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    Ok(Json(Me::of(handle.describe().await?.session)))
}

/// Get the code that links a phone, as text or as a picture; begins pairing if need be.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/qr", operation_id = "sessionQR", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses(
        (status = 200, description = "The code, in the form that `Accept` prefers", content(
            (QrBody = "application/json"), (Vec<u8> = "image/png"), (String = "image/svg+xml"))),
        Always, Conflicts, Admitted,
        (status = 404, body = crate::error::ErrorBody,
            description = "There is no such session, or its code is not there yet (`details.reason` is `qr_pending`)"),
    ))]
async fn session_qr(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    state.disk.admit()?;
    let _admitted = state.admission.start(&state.sessions, &handle)?;
    let mut response = match handle.qr().await {
        Ok(qr) => show(qr, Form::accepted(&headers))?,
        Err(error) => ApiError::from(error).into_response(),
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(response)
}

fn show(qr: Qr, form: Form) -> Result<Response, ApiError> {
    let bytes = match form {
        Form::Json => {
            return Ok(Json(QrBody { code: qr.code, expires_at: qr.expires_at }).into_response());
        }
        Form::Png => picture::png(&qr.code),
        Form::Svg => picture::svg(&qr.code),
    };
    let bytes =
        bytes.map_err(|error| ApiError::internal(format!("the code cannot be drawn: {error}")))?;
    Ok(([(header::CONTENT_TYPE, form.media_type())], Body::from(bytes)).into_response())
}
