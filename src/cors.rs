//! Which pages in a browser may read the answers.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{config::Http, error::ApiError};

/// What a page may send beside what every page may.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, last-event-id, x-api-key, x-organization, x-request-id",
);
/// What a page may read beside what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
/// How long a browser may remember what it was told, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// The origins that are allowed; there is one when there is any. No page is let in with its cookies: a credential is a
/// header that the page itself sets.
#[derive(Debug)]
pub(crate) struct Cors(Vec<HeaderValue>);

/// What a request wants of it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The page's origin, if it is allowed.
    origin: Option<HeaderValue>,
    /// Whether the browser only asks for leave.
    preflight: bool,
}

impl Cors {
    pub(crate) fn new(http: &Http) -> Option<Self> {
        let origins: Vec<_> = http.cors_origin.iter().map(|one| one.value().clone()).collect();
        (!origins.is_empty()).then_some(Self(origins))
    }

    /// What the request wants.
    pub(crate) fn asked(&self, request: &Request) -> Asked {
        let origin = request.headers().get(header::ORIGIN).filter(|origin| self.0.contains(origin));
        let preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        Asked { origin: origin.cloned(), preflight }
    }
}

impl Asked {
    /// The answer with what the browser has to know. That a path has no method `OPTIONS` says that there is such a path
    /// and which methods it has: exactly what a browser asks for.
    pub(crate) fn answer(self, mut response: Response) -> Response {
        if let Some(origin) = self.origin {
            if self.preflight && response.status() == ApiError::NO_SUCH_METHOD {
                response = leave(response.headers());
            }
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        response
    }
}

/// Leave to use the methods that the path has.
fn leave(refusal: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if let Some(methods) = refusal.get(header::ALLOW) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    response
}
