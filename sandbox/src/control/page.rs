//! `/`: a page for people, and a word for programs.
//!
//! The page is one file that asks for nothing but the control API it stands beside.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::state::Shared;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The page with its style and its script in it.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("page/page.html").replace("{{style}}", STYLE).replace("{{script}}", SCRIPT)
});

/// What the page may do: run this style and this script, and call the control API.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    policy.try_into().expect("letters, digits and signs are visible")
});

/// The route of this file. It is no part of the control API, and so is not in its document.
pub(super) fn router() -> Router<Shared> {
    Router::new().route("/", get(front))
}

async fn front(headers: HeaderMap) -> Response {
    if wants_page(&headers) {
        let policy = (header::CONTENT_SECURITY_POLICY, POLICY.clone());
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let fresh = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        ([kind, policy, fresh], PAGE.as_str()).into_response()
    } else {
        "wharf-sandbox\n".into_response()
    }
}

/// Browsers name HTML among what they accept; other programs accept anything.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
    })
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_for_who_asks_for_html() {
        for (accept, page) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, text/html;q=0.9", true),
            ("*/*", false),
            ("text/plain", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(wants_page(&headers), page, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
