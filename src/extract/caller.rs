//! Who calls, and whether the credential covers the operation.

use std::{collections::BTreeSet, marker::PhantomData, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
};
use wharf_storage::{Capability, SessionId};

use crate::{
    AppState,
    audit::Trail,
    auth::{self, Grant, Principal},
    error::ApiError,
    limits::Place,
};

/// The header by which a super admin names the organization to act in.
const ORGANIZATION: &str = "x-organization";

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
    /// Who is answerable for what is done.
    pub(crate) principal: Principal,
    /// The organization on whose behalf the caller acts.
    pub(crate) organization: String,
    /// The only sessions that exist for this caller; absent: all of the organization.
    pub(crate) sessions: Option<Vec<SessionId>>,
    /// What its credential carries in all.
    pub(crate) capabilities: BTreeSet<Capability>,
    /// From when an API key is no longer good, epoch milliseconds.
    pub(crate) expires_at: Option<i64>,
    /// Whether the caller may do everything, in every organization.
    #[expect(
        dead_code,
        reason = "for operations of the whole platform, of which there are none yet"
    )]
    pub(crate) super_admin: bool,
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
        let grant = auth::identify(state, &parts.headers).await?;
        let organization = organization(&grant, &parts.headers);
        // Before anything is refused: what a caller may not do is noted too, and an attempt on another organization with
        // the caller's own.
        let answerable = organization.as_ref().ok().or(grant.organization.as_ref());
        if let (Some(trail), Some(organization)) =
            (parts.extensions.get::<Arc<Trail>>(), answerable)
        {
            trail.belongs_to(&state.audit, &grant.principal, organization).await;
        }
        check::<N>(&grant)?;
        let organization = organization?;
        let place = state.limits.organizations.enter(&organization)?;
        Ok(Self {
            organization,
            principal: grant.principal,
            sessions: grant.sessions,
            capabilities: grant.capabilities,
            expires_at: grant.expires_at,
            super_admin: grant.super_admin,
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

fn check<N: Needs>(grant: &Grant) -> Result<(), ApiError> {
    if !grant.capabilities.contains(&N::CAPABILITY) {
        let wanted = N::CAPABILITY.as_str();
        return Err(ApiError::capability(format!("this needs the capability `{wanted}`")));
    }
    if N::ORGANIZATION && grant.sessions.is_some() {
        return Err(ApiError::capability("this needs a key for the whole organization"));
    }
    Ok(())
}

/// The organization that the request is about: the credential's own, unless a super admin names another.
fn organization(grant: &Grant, headers: &HeaderMap) -> Result<String, ApiError> {
    let own = grant.organization.as_deref();
    match named(headers)? {
        None => own.map(str::to_owned).ok_or_else(ApiError::no_organization),
        Some(name) if grant.super_admin || own == Some(name) => Ok(name.to_owned()),
        // Silence would let the caller believe that the other organization was meant.
        Some(_) => Err(ApiError::capability(
            "only a login with the role `super_admin` may act in another organization",
        )),
    }
}

/// The organization that the header names.
fn named(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut given = headers.get_all(ORGANIZATION).iter();
    let invalid = |message| ApiError::invalid_field("X-Organization", message);
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(invalid("is given more than once")),
        (Some(value), None) => {
            let name = std::str::from_utf8(value.as_bytes()).map_err(|_| invalid("is no text"))?;
            match name.trim() {
                "" => Err(invalid("must not be empty")),
                name if name.len() > auth::LONGEST_ORGANIZATION => {
                    Err(invalid("must not be longer than 200 bytes"))
                }
                name => Ok(Some(name)),
            }
        }
    }
}
