//! Who calls, and whether the credential covers the operation.

use std::{collections::BTreeSet, marker::PhantomData};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use wharf_storage::{ApiKey, Capability, SessionId};

use crate::{AppState, clock::now_ms, error::ApiError, keys, limits::Place};

/// What an operation needs of a credential.
pub(crate) trait Needs {
    /// The capability that must be there.
    const CAPABILITY: Capability;
    /// Whether the operation concerns the whole organization, out of bounds for a key with a session list.
    const ORGANIZATION: bool = false;
}

/// Reading what is stored or asking WhatsApp.
#[derive(Debug)]
pub(crate) struct Read;
/// Changing things at WhatsApp.
#[derive(Debug)]
pub(crate) struct Send;
/// Managing sessions.
#[derive(Debug)]
pub(crate) struct Manage;
/// Managing what concerns the whole organization.
#[derive(Debug)]
pub(crate) struct ManageAll;
/// Reading the event log.
#[derive(Debug)]
pub(crate) struct Events;

impl Needs for Read {
    const CAPABILITY: Capability = Capability::Read;
}
impl Needs for Send {
    const CAPABILITY: Capability = Capability::Send;
}
impl Needs for Manage {
    const CAPABILITY: Capability = Capability::Manage;
}
impl Needs for Events {
    const CAPABILITY: Capability = Capability::Events;
}
impl Needs for ManageAll {
    const CAPABILITY: Capability = Capability::Manage;
    const ORGANIZATION: bool = true;
}

/// A caller whose credential verifies and carries what `N` needs. A handler that takes none is public.
#[derive(Debug)]
pub(crate) struct Caller<N> {
    /// The organization on whose behalf the caller acts.
    pub(crate) organization: String,
    /// The only sessions that exist for this caller; absent: all of the organization.
    pub(crate) sessions: Option<Vec<SessionId>>,
    /// What its credential carries in all.
    pub(crate) capabilities: BTreeSet<Capability>,
    /// From when the credential is no longer good, epoch milliseconds.
    pub(crate) expires_at: Option<i64>,
    needs: PhantomData<N>,
    /// Its organization's place among the requests under way.
    place: Place,
}

impl<N> Caller<N> {
    /// Whether the session may exist for this caller.
    pub(crate) fn sees(&self, session: SessionId) -> bool {
        self.sessions.as_ref().is_none_or(|listed| listed.contains(&session))
    }
}

impl<N: Needs> FromRequestParts<AppState> for Caller<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let secret = credential(&parts.headers)?;
        let key = keys::recognize(&state.store, secret, now_ms())?
            .ok_or_else(|| ApiError::unauthorized("the credential does not verify"))?;
        check::<N>(&key)?;
        let place = state.limits.organizations.enter(&key.organization)?;
        Ok(Self {
            organization: key.organization,
            sessions: key.sessions,
            capabilities: key.capabilities,
            expires_at: key.expires_at,
            needs: PhantomData,
            place,
        })
    }
}

/// A caller with a credential that may read, for routes that [`crate::app_with`] adds.
#[derive(Debug)]
pub struct Authenticated(#[expect(dead_code, reason = "held for the life of the request")] Place);

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let caller = Caller::<Read>::from_request_parts(parts, state).await;
        caller.map(|caller| Self(caller.place)).map_err(IntoResponse::into_response)
    }
}

fn check<N: Needs>(key: &ApiKey) -> Result<(), ApiError> {
    if !key.capabilities.contains(&N::CAPABILITY) {
        let wanted = N::CAPABILITY.as_str();
        return Err(ApiError::capability(format!("this needs the capability `{wanted}`")));
    }
    if N::ORGANIZATION && key.sessions.is_some() {
        return Err(ApiError::capability("this needs a key for the whole organization"));
    }
    Ok(())
}

/// The one secret of the request. Two credentials are ambiguous, and therefore none.
fn credential(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut given =
        headers.get_all(header::AUTHORIZATION).iter().map(bearer).chain(
            headers.get_all("x-api-key").iter().map(|value| value.to_str().ok().map(str::trim)),
        );
    match (given.next(), given.next()) {
        (Some(Some(secret)), None) if !secret.is_empty() => Ok(secret),
        (None, _) => Err(ApiError::unauthorized("a credential is needed")),
        (Some(_), Some(_)) => Err(ApiError::unauthorized("more than one credential was given")),
        _ => Err(ApiError::unauthorized("the credential does not parse")),
    }
}

fn bearer(value: &header::HeaderValue) -> Option<&str> {
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_secret_comes_as_bearer_or_as_api_key() {
        for pair in [
            ("authorization", "Bearer wa_1"),
            ("authorization", "bearer  wa_1"),
            ("x-api-key", "wa_1"),
        ] {
            assert_eq!(credential(&headers(&[pair])).unwrap(), "wa_1", "{pair:?}");
        }
    }

    #[test]
    fn no_credential_two_credentials_and_another_scheme_are_refused() {
        let refused: [&[(&str, &str)]; 6] = [
            &[],
            &[("authorization", "Bearer wa_1"), ("x-api-key", "wa_1")],
            &[("x-api-key", "wa_1"), ("x-api-key", "wa_2")],
            &[("authorization", "Basic d2E6MQ==")],
            &[("authorization", "Bearer")],
            &[("x-api-key", "")],
        ];
        for pairs in refused {
            assert!(credential(&headers(pairs)).is_err(), "{pairs:?}");
        }
    }
}
