//! Path parameters.

use axum::{
    extract::{FromRequestParts, path::ErrorKind, rejection::PathRejection},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};
use wharf_storage::GroupJid;

use crate::error::ApiError;

/// Path parameters that are taken as text and then checked, so that a fault is named by its parameter.
pub(crate) trait FromPath: Sized {
    /// The parameters as they stand in the path, percent-decoded.
    type Given: DeserializeOwned + Send;

    /// Refuses what breaks the grammar.
    fn check(given: Self::Given) -> Result<Self, ApiError>;
}

/// The path of one session. The id stays text: only the lookup decides, so that every unknown form is one answer.
#[derive(Debug, Deserialize)]
pub(crate) struct SessionPath {
    pub(crate) session: String,
}

impl FromPath for SessionPath {
    type Given = Self;

    fn check(given: Self) -> Result<Self, ApiError> {
        Ok(given)
    }
}

/// The path of one API key. The id stays text, as a session's does.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyPath {
    pub(crate) id: String,
}

impl FromPath for KeyPath {
    type Given = Self;

    fn check(given: Self) -> Result<Self, ApiError> {
        Ok(given)
    }
}

/// The path of one group.
#[derive(Debug)]
pub(crate) struct GroupPath {
    pub(crate) session: String,
    pub(crate) gid: GroupJid,
}

/// The parameters of [`GroupPath`] as given.
#[derive(Debug, Deserialize)]
pub(crate) struct GivenGroup {
    session: String,
    gid: String,
}

impl FromPath for GroupPath {
    type Given = GivenGroup;

    fn check(given: GivenGroup) -> Result<Self, ApiError> {
        let gid = GroupJid::try_from(given.gid).map_err(|_| {
            ApiError::invalid_field("gid", "must be digits, or digits `-` digits, and then `@g.us`")
        })?;
        Ok(Self { session: given.session, gid })
    }
}

/// The parameters of the path, percent-decoded and checked.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: FromPath, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let given = axum::extract::Path::<T::Given>::from_request_parts(parts, state)
            .await
            .map_err(refused)?;
        T::check(given.0).map(Self)
    }
}

fn refused(rejection: PathRejection) -> ApiError {
    let PathRejection::FailedToDeserializePathParams(failure) = rejection else {
        return ApiError::internal(rejection.body_text());
    };
    match failure.into_kind() {
        // To a caller a session id is opaque: one that is not even text names nothing.
        ErrorKind::InvalidUtf8InPathParam { key } if key == "session" => {
            ApiError::not_found("session")
        }
        ErrorKind::InvalidUtf8InPathParam { key } if key == "id" => ApiError::not_found("key"),
        ErrorKind::InvalidUtf8InPathParam { key } => ApiError::invalid_field(&key, "is not UTF-8"),
        other => ApiError::invalid_field("path", &other.to_string()),
    }
}
