//! The contract as a page for people. It is drawn in the browser from the document that programs read, and asks nothing of
//! any other host. The page is no part of the API, and so is not in the document itself.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;

use crate::AppState;

/// What the page may do: run its own script and call its own origin. A form cannot leave it, so that a key that was pasted
/// never gets into an address.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static PAGE: LazyLock<File> =
    LazyLock::new(|| File::new("text/html; charset=utf-8", include_str!("docs/page.html")));
static STYLE: LazyLock<File> =
    LazyLock::new(|| File::new("text/css; charset=utf-8", include_str!("docs/page.css")));
static SCRIPT: LazyLock<File> =
    LazyLock::new(|| File::new("text/javascript; charset=utf-8", include_str!("docs/page.js")));

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .route("/docs", get(async |headers: HeaderMap| PAGE.answer(&headers)))
        .route("/docs/page.css", get(async |headers: HeaderMap| STYLE.answer(&headers)))
        .route("/docs/page.js", get(async |headers: HeaderMap| SCRIPT.answer(&headers)))
}

/// A part of the page.
struct File {
    media_type: &'static str,
    text: &'static str,
    /// Names the content: another build with another text has another one.
    tag: HeaderValue,
}

impl File {
    fn new(media_type: &'static str, text: &'static str) -> Self {
        let mut tag = String::from("\"");
        for byte in &Sha256::digest(text)[..8] {
            write!(tag, "{byte:02x}").expect("a string takes every write");
        }
        tag.push('"');
        let tag = tag.try_into().expect("quotes and hexadecimal digits are visible");
        Self { media_type, text, tag }
    }

    /// The whole, or 304 for a browser that has it already.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let held = headers.get(header::IF_NONE_MATCH).is_some_and(|held| names(held, &self.tag));
        let mut response = if held {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.media_type)], self.text).into_response()
        };
        for (name, value) in guards() {
            response.headers_mut().insert(name, value);
        }
        response.headers_mut().insert(header::ETAG, self.tag.clone());
        response
    }
}

fn guards() -> [(HeaderName, HeaderValue); 4] {
    [
        // Asked for anew each time, which costs a 304, so that page and gateway are of one build.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}

/// Whether `If-None-Match` holds the tag, which a proxy that compresses may have made a weak one.
fn names(held: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(held), Ok(tag)) = (held.to_str(), tag.to_str()) else { return false };
    held.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}
