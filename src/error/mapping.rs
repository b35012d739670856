//! Errors of the inner crates, as answers.

use std::time::Duration;

use serde_json::json;
use wharf_actors::{Error, Refusal, SettingsFailure};

use super::{ApiError, Code};
use crate::{auth, limits::Limited};

/// How long to wait when WhatsApp limits the rate and gives no hint.
const RATE_LIMIT_PAUSE: Duration = Duration::from_mins(1);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound(what) => Self::not_found(what),
            Error::NotConnected { status } => Self::new(Code::NotImplemented, message)
                .with("reason", "session_not_connected")
                .with("status", status.as_str()),
            Error::QrPending { retry_after } => Self::new(Code::NotFound, message)
                .with("reason", "qr_pending")
                .retry_after(retry_after),
            Error::AlreadyPaired => Self::new(Code::Conflict, message),
            Error::CodeOutstanding { retry_after } => Self::new(Code::Conflict, message)
                .with("reason", "pairing_code_outstanding")
                .retry_after(retry_after),
            Error::Full { .. } => Self::beyond(Limited::Sessions.reason(), message),
            Error::Busy { retry_after } => {
                Self::new(Code::RateLimited, message).retry_after(retry_after)
            }
            Error::Unavailable { retry_after } => {
                Self::new(Code::GatewayUnavailable, message).retry_after(retry_after)
            }
            Error::Refused(refusal) => refusal.into(),
            Error::Timeout { read_back } => Self::new(Code::UpstreamTimeout, message)
                .with("readBack", read_back.unwrap_or(false)),
            Error::Settings(failure) => (*failure).into(),
            Error::Storage(cause) => cause.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Forbidden { code } => Self::new(Code::Forbidden, message)
                .with("reason", "whatsapp")
                .with("whatsappCode", code),
            Refusal::NotFound { code } => {
                Self::new(Code::NotFound, message).with("whatsappCode", code)
            }
            Refusal::Conflict { code } => {
                Self::new(Code::Conflict, message).with("whatsappCode", code)
            }
            Refusal::RateLimited { code, retry_after } => Self::new(Code::RateLimited, message)
                .with("whatsappCode", code)
                .retry_after(retry_after.unwrap_or(RATE_LIMIT_PAUSE)),
            Refusal::Other { code, text } => {
                unexpected(code).caused_by(format!("whatsapp answered {code}: {text}"))
            }
            other => unexpected(0).caused_by(other.to_string()),
        }
    }
}

fn unexpected(code: u16) -> ApiError {
    ApiError::new(Code::UpstreamError, "whatsapp gave an unexpected answer")
        .with("whatsappCode", code)
}

/// The cause decides the status; how far the change came is added to its details.
impl From<SettingsFailure> for ApiError {
    fn from(failure: SettingsFailure) -> Self {
        let took_effect = failure.took_effect();
        let never_sent = matches!(failure.cause, Error::Timeout { read_back: None });
        let mut error = Self::from(failure.cause);
        let field = failure.failed.as_str();
        error.message = match error.code {
            Code::Internal => error.message,
            _ if took_effect => {
                format!(
                    "`{field}` was changed at WhatsApp and is not stored yet: {}",
                    error.message
                )
            }
            // Nobody knows: WhatsApp may still carry it out, or its answer was lost with the connection.
            Code::UpstreamTimeout | Code::NotImplemented if !never_sent => {
                format!("`{field}` may not have been changed: {}", error.message)
            }
            _ => format!("`{field}` was not changed: {}", error.message),
        };
        error
            .with("applied", json!(failure.applied))
            .with("failed", failure.failed.as_str())
            .with("notAttempted", json!(failure.not_attempted))
    }
}

impl From<auth::Refusal> for ApiError {
    fn from(refusal: auth::Refusal) -> Self {
        match refusal {
            auth::Refusal::Invalid(reason) => Self::unauthorized(reason),
            auth::Refusal::Unavailable { retry_after } => {
                Self::new(Code::GatewayUnavailable, "login tokens cannot be verified yet")
                    .retry_after(retry_after)
            }
        }
    }
}

impl From<crate::Error> for ApiError {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Storage(error) => error.into(),
            crate::Error::Actors(error) => error.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<wharf_storage::Error> for ApiError {
    fn from(error: wharf_storage::Error) -> Self {
        match error {
            wharf_storage::Error::Closed => Self::draining(),
            wharf_storage::Error::Unavailable { .. } => Self::store_away(error.to_string()),
            wharf_storage::Error::EventsGone => Self::new(Code::Gone, error.to_string()),
            other => Self::internal(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::header, response::IntoResponse};
    use serde_json::Value;
    use wharf_actors::Field;
    use wharf_storage::Status;

    use super::*;

    async fn answer(error: impl Into<ApiError>) -> (u16, Option<String>, Value) {
        let response = error.into().into_response();
        let retry = response
            .headers()
            .get(header::RETRY_AFTER)
            .map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, retry, serde_json::from_slice::<Value>(&body).unwrap()["error"].take())
    }

    #[tokio::test]
    async fn a_session_that_is_not_connected_is_501_with_its_status() {
        let (status, _, error) = answer(Error::NotConnected { status: Status::Starting }).await;
        assert_eq!((status, &error["code"]), (501, &json!("not_implemented")));
        assert_eq!(
            error["details"],
            json!({"reason": "session_not_connected", "status": "starting"})
        );
    }

    #[tokio::test]
    async fn a_failure_part_way_has_the_status_and_details_of_its_cause() {
        let failure = SettingsFailure {
            applied: vec![Field::Subject],
            failed: Field::Description,
            not_attempted: vec![Field::Announce, Field::Locked],
            cause: Refusal::Forbidden { code: 403 }.into(),
        };
        let (status, _, error) = answer(Error::Settings(Box::new(failure))).await;
        assert_eq!((status, &error["code"]), (403, &json!("forbidden")));
        assert_eq!(
            error["details"],
            json!({"reason": "whatsapp", "whatsappCode": 403, "applied": ["subject"], "failed": "description",
                   "notAttempted": ["announce", "locked"]})
        );
    }

    #[tokio::test]
    async fn a_timeout_part_way_says_whether_the_group_was_read_back() {
        let failure = SettingsFailure {
            applied: Vec::new(),
            failed: Field::Subject,
            not_attempted: Vec::new(),
            cause: Error::Timeout { read_back: Some(false) },
        };
        let (status, _, error) = answer(Error::Settings(Box::new(failure))).await;
        assert_eq!((status, &error["details"]["readBack"]), (504, &json!(false)));
    }

    #[tokio::test]
    async fn every_429_and_503_says_when_to_come_back() {
        let pause = Duration::from_secs(3);
        let errors = [
            Error::Busy { retry_after: pause },
            Error::Unavailable { retry_after: pause },
            Error::Refused(Refusal::RateLimited { code: 429, retry_after: None }),
            Error::Storage(wharf_storage::Error::Closed),
            Error::Storage(wharf_storage::Error::Unavailable { reason: "no space".to_owned() }),
        ];
        for error in errors {
            let (status, retry, _) = answer(error).await;
            assert!(matches!(status, 429 | 503) && retry.is_some(), "{status}");
        }
    }

    #[tokio::test]
    async fn an_internal_error_shows_nothing_of_its_cause() {
        let (status, _, error) = answer(Error::Internal("the secret reason".to_owned())).await;
        assert_eq!(status, 500);
        assert_eq!(error, json!({"code": "internal", "message": "internal error"}));
    }

    #[tokio::test]
    async fn an_answer_that_fits_nothing_is_502_with_whatsapps_code() {
        let (status, _, error) = answer(Refusal::Other { code: 477, text: "odd".to_owned() }).await;
        assert_eq!((status, &error["details"]), (502, &json!({"whatsappCode": 477})));
    }
}
