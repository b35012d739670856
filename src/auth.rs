//! Who calls: the credential of a request, and what it gives to whoever holds it.

mod claims;
mod credential;
mod keyring;
mod keyset;
mod login;
mod signature;
mod source;
mod unknown;

use std::{collections::BTreeSet, time::Duration};

use axum::http::HeaderMap;
use wharf_storage::{Capability, KeyId, SessionId};

use crate::{AppState, clock::now_ms, keys};
use credential::Credential;

pub use claims::Person;
pub use login::{ClaimNames, Login, Settings};

/// The longest name of an organization that a login may hold, or the header that names one, in bytes.
pub(crate) const LONGEST_ORGANIZATION: usize = 200;

/// Who is answerable for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A program, by its API key.
    Key(KeyId),
    /// A person, by a login token.
    Person {
        /// The issuer's name for the person.
        subject: String,
    },
}

impl Principal {
    /// The person's name at the issuer; none for a program.
    pub(crate) fn user(self) -> Option<String> {
        match self {
            Self::Key(_) => None,
            Self::Person { subject } => Some(subject),
        }
    }
}

/// What a credential gives.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) principal: Principal,
    /// The organization that it belongs to; a person may have chosen none.
    pub(crate) organization: Option<String>,
    /// The only sessions that exist for it; absent: all of the organization.
    pub(crate) sessions: Option<Vec<SessionId>>,
    pub(crate) capabilities: BTreeSet<Capability>,
    /// From when an API key is no longer good, epoch milliseconds.
    pub(crate) expires_at: Option<i64>,
    /// Whether it reaches every organization.
    pub(crate) super_admin: bool,
}

/// Why a credential gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is none, or it does not verify: the reason, for people.
    Invalid(&'static str),
    /// The keys of the issuer have never been had, so nothing can be said of any login token.
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Finds out what the credential of a request gives.
///
/// No secret is compared with another here, so that no comparison can tell by its time how much of a guess was right. An
/// API key is found by the SHA-256 digest of what was given: how long a search takes depends on that digest, of which a
/// caller who does not know the secret learns and steers nothing. A login token is verified by a public key, which is no
/// secret.
pub(crate) async fn identify(
    state: &AppState,
    headers: &HeaderMap,
) -> Result<Grant, crate::error::ApiError> {
    let secret = match credential::read(headers)? {
        // By their form: a key that is no login token need not wait for the issuer's keys.
        Credential::Bearer(token) if login::has_form(token) => {
            let login = state.login.as_ref();
            let login = login.ok_or(Refusal::Invalid("login tokens are not taken here"))?;
            return Ok(login.verify(token, now_ms()).await?.into());
        }
        Credential::Bearer(secret) | Credential::ApiKey(secret) => secret,
    };
    let key = keys::recognize(&state.store, secret, now_ms())?;
    let key = key.ok_or(Refusal::Invalid("the credential does not verify"))?;
    Ok(Grant {
        principal: Principal::Key(key.id),
        organization: Some(key.organization.clone()),
        sessions: key.sessions.clone(),
        capabilities: key.capabilities.clone(),
        expires_at: key.expires_at,
        super_admin: false,
    })
}

impl From<Person> for Grant {
    fn from(person: Person) -> Self {
        Self {
            principal: Principal::Person { subject: person.subject },
            organization: person.organization,
            sessions: None,
            capabilities: person.capabilities,
            // What a person makes, a key for one, outlives the login.
            expires_at: None,
            super_admin: person.super_admin,
        }
    }
}
