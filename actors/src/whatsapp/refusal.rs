//! The library's errors in our terms.

use std::time::Duration;

use whatsapp_rust::{ErrorChainExt, GroupError};

use super::Failure;
use crate::error::Refusal;

/// What WhatsApp's code means to a caller. 401 and 403 say that the account may not; 404 and 410 that there is no such
/// group; 429 that it asks too often.
pub(super) fn refusal(code: u16, text: &str, backoff: Option<u32>) -> Refusal {
    match code {
        401 | 403 => Refusal::Forbidden { code },
        404 | 410 => Refusal::NotFound { code },
        409 => Refusal::Conflict { code },
        _ if code == 429 || text == "rate-overlimit" => Refusal::RateLimited {
            code,
            retry_after: backoff.map(|seconds| Duration::from_secs(u64::from(seconds))),
        },
        _ => Refusal::Other { code, text: text.to_owned() },
    }
}

/// Folds any error of a group operation.
pub(super) fn failure(error: &GroupError) -> Failure {
    if let Some(rejection) = error.server_rejection() {
        return Failure::Refused(refusal(rejection.code, rejection.text, rejection.backoff));
    }
    if matches!(error, GroupError::DescriptionConflict) {
        return Failure::Refused(Refusal::Conflict { code: 409 });
    }
    if error.is_timeout() {
        return Failure::Timeout;
    }
    if error.is_transport_unavailable() {
        return Failure::Disconnected;
    }
    Failure::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_contract_has_its_meaning() {
        assert_eq!(refusal(401, "", None), Refusal::Forbidden { code: 401 });
        assert_eq!(refusal(403, "", None), Refusal::Forbidden { code: 403 });
        assert_eq!(refusal(404, "", None), Refusal::NotFound { code: 404 });
        assert_eq!(refusal(410, "", None), Refusal::NotFound { code: 410 });
        assert_eq!(refusal(409, "", None), Refusal::Conflict { code: 409 });
        let limited = Refusal::RateLimited { code: 429, retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(refusal(429, "", Some(7)), limited);
        // It is said by its name as well, whatever the code.
        let by_name = Refusal::RateLimited { code: 500, retry_after: None };
        assert_eq!(refusal(500, "rate-overlimit", None), by_name);
        assert_eq!(
            refusal(500, "oops", None),
            Refusal::Other { code: 500, text: "oops".to_owned() }
        );
    }
}
