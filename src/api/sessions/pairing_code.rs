//! The code that is typed on a phone, where a picture cannot be scanned.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_actors::RequestPairingCode;

use crate::{
    AppState,
    error::{Admitted, Always, ApiError, Conflicts, InvalidBody, Live, Missing},
    extract::{Caller, Fields, FromFields, JsonBody, Manage, Path, SessionPath},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(session_pairing_code))
}

/// The phone that shall be linked.
#[derive(Debug, ToSchema)]
#[schema(as = PairingCodeInputBody)]
struct WantedCode {
    /// Its number with the country code: 7 to 15 digits, the first one not 0, and nothing else.
    #[schema(required = false, example = "15550000001")]
    phone: String,
}

impl FromFields for WantedCode {
    fn from_fields(fields: &mut Fields) -> Self {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            if digits && (7..=15).contains(&text.len()) && !text.starts_with('0') {
                Ok(())
            } else {
                Err("must be a phone number with its country code, 7 to 15 digits and nothing else")
            }
        };
        let phone = fields.text("phone", number);
        if phone.is_none() {
            fields.missing("phone");
        }
        Self { phone: phone.unwrap_or_default() }
    }
}

/// A code to type on the phone.
#[derive(Serialize, ToSchema)]
#[schema(as = PairingCodeOutputBody)]
struct CodeBody {
    /// Eight characters, without separators.
    code: String,
}

/// Get a code that links a phone when it is typed there; begins pairing if need be.
#[utoipa::path(post, path = "/api/v1/sessions/{session}/pairing-code", operation_id = "sessionPairingCode", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    request_body = WantedCode,
    security(("bearer" = ["manage"]), ("apiKey" = ["manage"])),
    responses((status = 200, body = CodeBody, description = "The code, which holds for three minutes"),
        Always, InvalidBody, Missing, Conflicts, Live, Admitted))]
async fn session_pairing_code(
    State(state): State<AppState>,
    caller: Caller<Manage>,
    Path(path): Path<SessionPath>,
    JsonBody(wanted): JsonBody<WantedCode>,
) -> Result<Response, ApiError> {
    let (_, handle) = state.session(&caller, &path.session)?;
    state.disk.admit()?;
    let _admitted = state.admission.start(&state.sessions, &handle)?;
    let mut response = match handle.pairing_code(RequestPairingCode { phone: wanted.phone }).await {
        Ok(code) => Json(CodeBody { code }).into_response(),
        Err(error) => ApiError::from(error).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
