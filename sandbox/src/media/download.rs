//! `GET /v/<path>`: a client fetches a file, all of it or a range.
//!
//! The path with its signature is enough; the hash and the authorization that some clients add are checked when they
//! are there (wacore `download.rs`: the real host asks for no authorization here).

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Deserialize;

use super::kind::Kind;
use super::range::Part;
use super::refusal;
use super::store::{Found, Missing};
use crate::state::{Shared, lock};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    /// The signature of the path.
    oh: String,
    auth: Option<String>,
    /// SHA-256 of the bytes, as whatsapp-rust names it.
    token: Option<String>,
    /// The same, as whatsmeow names it.
    hash: Option<String>,
    #[serde(rename = "mms-type")]
    kind: Option<String>,
}

pub(super) async fn download(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match find(&shared, &uri) {
        Ok(found) => send(&found, headers.get(header::RANGE).and_then(|value| value.to_str().ok())),
        Err((status, problem)) => refusal(status, problem),
    }
}

fn find(shared: &Shared, uri: &Uri) -> Result<Found, (StatusCode, &'static str)> {
    let asked = parameters(uri).ok_or((StatusCode::BAD_REQUEST, "the query is malformed"))?;
    let state = lock(shared);
    let found = state.media.find(uri.path(), &asked.oh).map_err(|missing| match missing {
        Missing::Unknown => (StatusCode::NOT_FOUND, "there is no such file"),
        Missing::Unsigned => (StatusCode::FORBIDDEN, "URL signature mismatch"),
        Missing::Gone => (StatusCode::GONE, "the file has expired"),
    })?;
    if asked.auth.is_some_and(|auth| !state.media.admits(&auth, state.clock.now())) {
        return Err((StatusCode::UNAUTHORIZED, "`auth`: expired, or never given"));
    }
    let expected = BASE64_URL_SAFE_NO_PAD.encode(found.sha256);
    let hashes = asked.token.iter().chain(&asked.hash);
    if hashes.map(|given| given.trim_end_matches('=')).any(|given| given != expected) {
        return Err((StatusCode::FORBIDDEN, "Bad URL hash"));
    }
    if asked.kind.is_some_and(|name| Kind::named(&name).is_none()) {
        return Err((StatusCode::BAD_REQUEST, "`mms-type`: there is no such type of media"));
    }
    Ok(found)
}

/// whatsapp-rust begins its parameters with `?` although a direct path has some already, so there may be two.
fn parameters(uri: &Uri) -> Option<Parameters> {
    let query = uri.query().unwrap_or_default().replace('?', "&");
    let joined = Uri::builder().path_and_query(format!("/?{query}")).build().ok()?;
    Query::try_from_uri(&joined).ok().map(|Query(parameters)| parameters)
}

/// A range is a view of the same bytes: nothing is copied.
fn send(found: &Found, range: Option<&str>) -> Response {
    let length = found.bytes.len();
    let (status, content, range) = match Part::of(range, length) {
        Part::Whole => (StatusCode::OK, found.bytes.clone(), None),
        Part::Some(range) => {
            let named = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            (StatusCode::PARTIAL_CONTENT, found.bytes.slice(range), Some(named))
        }
        Part::None => {
            let named = format!("bytes */{length}");
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new(), Some(named))
        }
    };
    let headers =
        [(header::CONTENT_TYPE, found.kind.content_type()), (header::ACCEPT_RANGES, "bytes")];
    let range = range.map(|named| [(header::CONTENT_RANGE, named)]);
    (status, headers, range, Body::from(content)).into_response()
}
