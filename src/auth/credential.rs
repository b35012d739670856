//! The credential that a request carries.

use axum::http::{HeaderMap, HeaderValue, header};

use super::Refusal;

/// The largest credential that is looked at, in bytes.
const LARGEST: usize = 8 * 1024;

/// A secret, and in which way it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    /// A login token or an API key.
    Bearer(&'a str),
    /// An API key.
    ApiKey(&'a str),
}

/// The one credential of the request. Two are ambiguous, and therefore none.
pub(super) fn read(headers: &HeaderMap) -> Result<Credential<'_>, Refusal> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(bearer);
    let keys = headers.get_all("x-api-key").iter().map(api_key);
    let mut given = bearers.chain(keys);
    let credential = match (given.next(), given.next()) {
        (Some(given), None) => given.ok_or(Refusal::Invalid("the credential does not parse"))?,
        (None, _) => return Err(Refusal::Invalid("a credential is needed")),
        (Some(_), Some(_)) => {
            return Err(Refusal::Invalid("more than one credential was given"));
        }
    };
    let (Credential::Bearer(secret) | Credential::ApiKey(secret)) = credential;
    if secret.len() > LARGEST {
        return Err(Refusal::Invalid("the credential is too long"));
    }
    Ok(credential)
}

fn bearer(value: &HeaderValue) -> Option<Credential<'_>> {
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    let whole = scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty();
    whole.then_some(Credential::Bearer(secret))
}

fn api_key(value: &HeaderValue) -> Option<Credential<'_>> {
    let secret = value.to_str().ok()?.trim();
    (!secret.is_empty()).then_some(Credential::ApiKey(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_secret_comes_as_bearer_or_as_api_key() {
        for (pair, credential) in [
            (("authorization", "Bearer wa_1"), Credential::Bearer("wa_1")),
            (("authorization", "bearer  wa_1"), Credential::Bearer("wa_1")),
            (("x-api-key", "wa_1"), Credential::ApiKey("wa_1")),
        ] {
            assert!(read(&headers(&[pair])).unwrap() == credential, "{pair:?}");
        }
    }

    #[test]
    fn no_credential_two_credentials_and_another_scheme_are_refused() {
        let long = "x".repeat(LARGEST + 1);
        let refused: [&[(&str, &str)]; 8] = [
            &[],
            &[("authorization", "Bearer wa_1"), ("x-api-key", "wa_1")],
            &[("authorization", "Bearer wa_1"), ("authorization", "Bearer wa_1")],
            &[("x-api-key", "wa_1"), ("x-api-key", "wa_2")],
            &[("authorization", "Basic d2E6MQ==")],
            &[("authorization", "Bearer")],
            &[("x-api-key", "")],
            &[("x-api-key", &long)],
        ];
        for pairs in refused {
            assert!(read(&headers(pairs)).is_err(), "{pairs:?}");
        }
    }
}
