//! What a caller may do with a session as a whole. Every verb may be repeated: what is so already stays so.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::SessionBody;
use crate::{
    AppState,
    error::{Admitted, Always, ApiError, Conflicts, Live, Missing},
    extract::{Caller, Manage, Path, SessionPath},
    request::to_the_end,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(delete_session))
        .routes(routes!(start_session))
        .routes(routes!(stop_session))
        .routes(routes!(restart_session))
        .routes(routes!(logout_session))
}

/// Remove a session: log out where that can be done at once, then forget all of it, its events included.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", operation_id = "deleteSession", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 204, description = "It is gone"), Always, Missing))]
async fn delete_session(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
) -> Result<StatusCode, ApiError> {
    let (session, _) = state.session(&caller, &path.session)?;
    let removal = state.clone();
    to_the_end(&state, async move {
        let caller = caller;
        removal.sessions.remove(&caller.organization, session).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Start a session: connect a paired one, try a failed one again, begin pairing of any other.
#[utoipa::path(post, path = "/api/v1/sessions/{session}/~start", operation_id = "startSession", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = SessionBody, description = "The session"), Always, Missing, Admitted))]
async fn start_session(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
) -> Result<Json<SessionBody>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    state.disk.admit()?;
    let _admitted = state.admission.start(&state.sessions, &handle)?;
    Ok(Json(SessionBody::live(handle.start().await?, &state.gateway_id)))
}

/// Stop a session: it stays linked, and is started again by `:start` alone. Answers once its connection is gone.
#[utoipa::path(post, path = "/api/v1/sessions/{session}/~stop", operation_id = "stopSession", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = SessionBody, description = "The session"), Always, Missing))]
async fn stop_session(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
) -> Result<Json<SessionBody>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    Ok(Json(SessionBody::live(handle.stop().await?, &state.gateway_id)))
}

/// End a session's connection and begin anew.
#[utoipa::path(post, path = "/api/v1/sessions/{session}/~restart", operation_id = "restartSession", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = SessionBody, description = "The session"), Always, Missing, Admitted))]
async fn restart_session(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
) -> Result<Json<SessionBody>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    let _admitted = state.admission.start(&state.sessions, &handle)?;
    Ok(Json(SessionBody::live(handle.restart().await?, &state.gateway_id)))
}

/// Take the device off the account at WhatsApp. A session that is not connected is logged out here alone: its phone
/// still lists the device.
#[utoipa::path(post, path = "/api/v1/sessions/{session}/~logout", operation_id = "logoutSession", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = SessionBody, description = "The session"), Always, Missing, Conflicts, Live))]
async fn logout_session(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
) -> Result<Json<SessionBody>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    Ok(Json(SessionBody::live(handle.logout().await?, &state.gateway_id)))
}
