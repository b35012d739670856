//! From a request to an open WebSocket (RFC 6455, 4.2).

use std::future::Future;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tracing::debug;

use super::Socket;

/// What is hashed behind a client's key (RFC 6455, 1.3).
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a client's key, before they are Base64 (RFC 6455, 4.2.1).
const KEY: usize = 16;

/// A request for a WebSocket that may be granted.
pub(crate) struct Opening {
    upgrade: OnUpgrade,
    accepted: String,
}

/// Why a request is none for a WebSocket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused(StatusCode, &'static str);

impl Opening {
    /// What a request asks for.
    pub(crate) fn of(mut request: Request) -> Result<Self, Refused> {
        let asked = request.method() == Method::GET
            && names(&request, &CONNECTION, "upgrade")
            && names(&request, &UPGRADE, "websocket");
        if !asked {
            return Err(Refused(StatusCode::BAD_REQUEST, "this address is for WebSockets\n"));
        }
        if !names(&request, &SEC_WEBSOCKET_VERSION, "13") {
            return Err(Refused(
                StatusCode::UPGRADE_REQUIRED,
                "`sec-websocket-version` is not 13\n",
            ));
        }
        let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
            return Err(Refused(StatusCode::BAD_REQUEST, "`sec-websocket-key` is missing\n"));
        };
        if STANDARD.decode(key).ok().is_none_or(|key| key.len() != KEY) {
            return Err(Refused(
                StatusCode::BAD_REQUEST,
                "`sec-websocket-key` is not 16 bytes in Base64\n",
            ));
        }
        let accepted = accepted(key.as_bytes());
        let Some(upgrade) = request.extensions_mut().remove() else {
            return Err(Refused(
                StatusCode::BAD_REQUEST,
                "this connection cannot be a WebSocket\n",
            ));
        };
        Ok(Self { upgrade, accepted })
    }

    /// Grants it; the socket is served once it is open.
    pub(crate) fn grant<F>(self, serve: impl FnOnce(Socket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { upgrade, accepted } = self;
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => serve(Socket::new(TokioIo::new(upgraded))).await,
                Err(error) => debug!(%error, "no WebSocket came of a request for one"),
            }
        });
        let headers = [
            (CONNECTION, "upgrade".to_owned()),
            (UPGRADE, "websocket".to_owned()),
            (SEC_WEBSOCKET_ACCEPT, accepted),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, [(SEC_WEBSOCKET_VERSION, "13")], self.1).into_response()
    }
}

/// Whether a header has this word in its list.
fn names(request: &Request, header: &HeaderName, word: &str) -> bool {
    let values = request.headers().get_all(header).into_iter();
    let mut words =
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// The proof that the server has understood the key.
fn accepted(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(SALT).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_has_its_answer() {
        assert_eq!(accepted(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        let refusal = |key: &str| {
            let request = Request::builder()
                .header(CONNECTION, "upgrade")
                .header(UPGRADE, "websocket")
                .header(SEC_WEBSOCKET_VERSION, "13")
                .header(SEC_WEBSOCKET_KEY, key);
            let request = request.body(Body::empty()).expect("a request");
            Opening::of(request).err().expect("it did not come over a connection")
        };
        for key in
            ["", "sample", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZXM="]
        {
            let Refused(status, why) = refusal(key);
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(why.contains("`sec-websocket-key`"), "{key}: {why}");
        }
        assert!(!refusal("dGhlIHNhbXBsZSBub25jZQ==").1.contains("key"));
    }

    #[test]
    fn a_word_is_found_in_a_list_whatever_its_case() {
        let request = Request::builder().header(CONNECTION, "keep-alive, Upgrade");
        let request = request.body(Body::empty()).expect("a request");
        assert!(names(&request, &CONNECTION, "upgrade"));
        assert!(!names(&request, &CONNECTION, "up") && !names(&request, &UPGRADE, "websocket"));
    }
}
