//! A session's settings.

use axum::{Json, extract::State};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_storage::SettingsChange;

use super::{body::SessionBody, label};
use crate::{
    AppState,
    error::{Always, ApiError, InvalidBody, Missing},
    extract::{Caller, Fields, FromFields, JsonBody, Manage, Path, SessionPath},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(update_session))
}

/// The most messages that a session may be allowed to send within a minute.
const MOST_PER_MIN: u32 = 1_000;
/// The most messages that a session may be allowed to send within an hour.
const MOST_PER_HOUR: u32 = 60_000;

/// The settings to change; absent ones stay.
#[derive(Debug, ToSchema)]
#[schema(as = UpdateSessionInputBody, rename_all = "camelCase")]
struct UpdateSession {
    /// A name for people, up to 200 characters; empty takes it away.
    #[schema(example = "quay")]
    label: Option<String>,
    /// Mark incoming messages as read.
    auto_read: Option<bool>,
    /// Show "typing" before a send.
    presence_typing: Option<bool>,
    /// Messages that it may send within a minute: 1 to 1,000.
    #[schema(value_type = Option<i64>)]
    rate_per_min: Option<u32>,
    /// Messages that it may send within an hour: 1 to 60,000.
    #[schema(value_type = Option<i64>)]
    rate_per_hour: Option<u32>,
}

impl FromFields for UpdateSession {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            label: fields.text("label", label),
            auto_read: fields.flag("autoRead"),
            presence_typing: fields.flag("presenceTyping"),
            rate_per_min: rate(fields, "ratePerMin", MOST_PER_MIN),
            rate_per_hour: rate(fields, "ratePerHour", MOST_PER_HOUR),
        }
    }
}

/// Takes a number of messages, from one to `most`.
fn rate(fields: &mut Fields, name: &str, most: u32) -> Option<u32> {
    let given = fields.number(name)?;
    let rate = u32::try_from(given).ok().filter(|rate| (1..=most).contains(rate));
    if rate.is_none() {
        fields.refuse(name, &format!("must be from 1 to {most}"));
    }
    rate
}

impl From<UpdateSession> for SettingsChange {
    fn from(wanted: UpdateSession) -> Self {
        Self {
            label: wanted.label,
            auto_read: wanted.auto_read,
            presence_typing: wanted.presence_typing,
            rate_per_min: wanted.rate_per_min,
            rate_per_hour: wanted.rate_per_hour,
        }
    }
}

/// Change a session's settings. They are the gateway's own: whether the session is connected does not matter.
#[utoipa::path(patch, path = "/api/v1/sessions/{session}", operation_id = "updateSession", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    request_body = UpdateSession,
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = SessionBody, description = "The session"), Always, InvalidBody, Missing))]
async fn update_session(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
    JsonBody(wanted): JsonBody<UpdateSession>,
) -> Result<Json<SessionBody>, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    let view = handle.change_settings(wanted.into()).await?;
    Ok(Json(SessionBody::live(view, &state.gateway_id)))
}
