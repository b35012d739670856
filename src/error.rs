//! Errors as callers see them. This is the only place where an error becomes a status.

mod documented;
mod mapping;

use std::{fmt, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

pub(crate) use documented::{
    Admitted, Aged, Always, Anywhere, Conflicts, InvalidBody, InvalidInput, Live, Missing,
};

/// How long to wait for a process that is shutting down to be replaced.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait for a gateway that carries as much as it may: something has to end first.
const FULL_PAUSE: Duration = Duration::from_secs(30);

/// What kind of failure it is. The codes are contract: a client may act on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    ValidationError,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    Gone,
    PayloadTooLarge,
    UnsupportedMediaType,
    RateLimited,
    Internal,
    NotImplemented,
    UpstreamError,
    GatewayUnavailable,
    UpstreamTimeout,
}

impl Code {
    /// The status that goes with the code.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::ValidationError => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::UpstreamError => StatusCode::BAD_GATEWAY,
            Self::GatewayUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// As callers read it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The body of every answer that is not a success.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiError)]
pub(crate) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct ErrorDetail {
    code: Code,
    /// For people; may change between releases.
    message: String,
    /// What a program may need beside the code, such as `errors`, `reason`, `whatsappCode`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(required = false, value_type = Object)]
    details: Map<String, Value>,
}

/// A field of the request that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: Code,
    message: String,
    details: Map<String, Value>,
    retry_after: Option<Duration>,
    /// What the caller must not see: logged once, when the answer is made.
    cause: Option<String>,
}

impl ApiError {
    /// The status of a request without a credential that holds.
    pub(crate) const UNAUTHENTICATED: StatusCode = StatusCode::UNAUTHORIZED;
    /// The status of a request whose path exists and whose method it does not have.
    pub(crate) const NO_SUCH_METHOD: StatusCode = StatusCode::METHOD_NOT_ALLOWED;

    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new(), retry_after: None, cause: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// 400 that names each field at fault.
    pub(crate) fn invalid(errors: &[FieldError]) -> Self {
        let message = match errors {
            [only] => format!("`{}` {}", only.field, only.message),
            _ => "the request has invalid fields".to_owned(),
        };
        Self::new(Code::ValidationError, message).with("errors", json!(errors))
    }

    /// 400 for one field; the message continues the field's name.
    pub(crate) fn invalid_field(field: &str, message: &str) -> Self {
        Self::invalid(&[FieldError { field: field.to_owned(), message: message.to_owned() }])
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(Code::Unauthorized, message)
    }

    /// 403 because the credential does not carry what the operation needs.
    pub(crate) fn capability(message: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, message).with("reason", "capability")
    }

    /// 403 because a login token names no organization to act in.
    pub(crate) fn no_organization() -> Self {
        Self::new(Code::Forbidden, "the login token names no organization")
            .with("reason", "organization")
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} not found"))
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(Code::PayloadTooLarge, format!("the body is larger than {limit} bytes"))
    }

    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        Self::new(Code::Internal, "internal error").caused_by(cause)
    }

    /// 503 for whatever is asked of a process that is about to end.
    pub(crate) fn draining() -> Self {
        Self::new(Code::GatewayUnavailable, "the gateway is shutting down")
            .retry_after(RESTART_PAUSE)
    }

    /// The same failure as a reason why nothing is served: 503.
    pub(crate) fn unavailable(self) -> Self {
        Self { code: Code::GatewayUnavailable, ..self }.retry_after(RESTART_PAUSE)
    }

    /// 503 for one of whom, or of all of whom, too much is under way.
    pub(crate) fn overloaded(message: &str) -> Self {
        Self::new(Code::GatewayUnavailable, message).retry_after(Duration::from_secs(1))
    }

    /// 503 for whatever would make the store grow while the disk has no room for it.
    pub(crate) fn no_room(pause: Duration) -> Self {
        Self::new(
            Code::GatewayUnavailable,
            "the gateway's disk is nearly full: nothing new is taken until it has room",
        )
        .with("reason", "disk")
        .retry_after(pause)
    }

    /// 503 for whatever adds load to a gateway that carries as much as it may.
    pub(crate) fn beyond(limit: &'static str, message: String) -> Self {
        Self::new(Code::GatewayUnavailable, message).with("reason", limit).retry_after(FULL_PAUSE)
    }

    /// 503 while the store cannot be written, or read.
    pub(crate) fn store_away(cause: impl Into<String>) -> Self {
        Self::new(Code::GatewayUnavailable, "the gateway cannot store anything for now")
            .with("reason", "store")
            .retry_after(RESTART_PAUSE)
            .caused_by(cause)
    }

    /// 429 in place of a 401 to an address that has had too many of them; `wait`: until they are forgotten.
    pub(crate) fn too_many_failures(wait: Duration) -> Self {
        Self::new(Code::RateLimited, "too many requests without a credential that holds")
            .retry_after(wait)
    }

    /// 503 when an answer was not ready within the time that a request may take.
    pub(crate) fn overdue() -> Self {
        Self::new(Code::GatewayUnavailable, "the request took too long")
            .retry_after(Duration::from_secs(1))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.code.status();
        if let Some(cause) = &self.cause {
            tracing::error!(status = status.as_u16(), "request failed: {cause}");
        }
        let detail = ErrorDetail { code: self.code, message: self.message, details: self.details };
        let mut response = (status, Json(ErrorBody { error: detail })).into_response();
        // For the audit log.
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(delay) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds(delay).into());
        }
        response
    }
}

/// Whole seconds, rounded up, at least one: a zero would invite a busy loop.
fn seconds(delay: Duration) -> u64 {
    delay.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_delay_is_rounded_up_to_whole_seconds() {
        assert_eq!(seconds(Duration::ZERO), 1);
        assert_eq!(seconds(Duration::from_millis(1001)), 2);
        assert_eq!(seconds(Duration::from_secs(7)), 7);
    }
}
