//! Bodies and queries whose errors are JSON and name the field.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{self, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::Error;

/// A JSON body; its `Content-Type` does not matter.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Error::Invalid(rejection.body_text()))?;
        let Json(value) =
            Json::from_bytes(&bytes).map_err(|rejection| Error::Invalid(rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// The query of a URL.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(value)| Self(value))
            .map_err(|rejection| Error::Invalid(rejection.body_text()))
    }
}

/// A body of text; its `Content-Type` does not matter.
pub(crate) struct Text(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let text = String::from_request(request, state).await;
        text.map(Self).map_err(|rejection| Error::Invalid(format!("the body: {rejection}")))
    }
}

/// What stands in a path. It is called as axum's own is, by which the document knows it.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = extract::Path::from_request_parts(parts, state).await;
        path.map(|extract::Path(value)| Self(value))
            .map_err(|rejection| Error::Invalid(rejection.body_text()))
    }
}

/// A body of bytes; its `Content-Type` does not matter.
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Error::Invalid(rejection.body_text()))?;
        if bytes.is_empty() {
            return Err(Error::Invalid("the body is empty".to_owned()));
        }
        Ok(Self(bytes))
    }
}
