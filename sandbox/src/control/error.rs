//! What the control API answers when it cannot do what it was asked.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::groups::Refusal;

/// A failed request; the body is `{"error": "..."}`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something in the request is wrong; the text names the field.
    #[error("{0}")]
    Invalid(String),
    /// The caller is not on this machine.
    #[error("{0}")]
    Forbidden(&'static str),
    /// What the request names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The server's own rules forbid a change.
    #[error("`{field}`: refused with {} {refusal}", refusal.code())]
    Refused {
        /// The field that asked for the change.
        field: &'static str,
        /// Why not.
        refusal: Refusal,
    },
    /// The route knows no such method.
    #[error("the route does not answer this method")]
    Method,
    /// It is already so.
    #[error("{0}")]
    Conflict(String),
    /// A device did not do its part in time.
    #[error("{0}")]
    Timeout(String),
}

impl Error {
    /// A field that is wrong, and how.
    pub(crate) fn field(name: &str, problem: &str) -> Self {
        Self::Invalid(format!("`{name}`: {problem}"))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Timeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Refused { refusal, .. } => match refusal {
                Refusal::NotFound => StatusCode::NOT_FOUND,
                Refusal::Conflict | Refusal::Gone | Refusal::Full => StatusCode::CONFLICT,
                Refusal::NotAuthorized | Refusal::Forbidden => StatusCode::FORBIDDEN,
                Refusal::BadRequest | Refusal::NotAcceptable => StatusCode::BAD_REQUEST,
            },
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status(), Json(json!({ "error": self.to_string() }))).into_response()
    }
}
