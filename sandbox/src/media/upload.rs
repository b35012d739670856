//! `POST /mms/<type>/<token>`: a client stores a file, at once or in parts.
//!
//! The token is the SHA-256 of the bytes in URL-safe base64 (whatsapp-rust `upload.rs`). An upload that breaks off
//! leaves its beginning: `resume=1` asks how much that is, `file_offset` goes on from there.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::debug;

use super::kind::Kind;
use super::store::{Content, Progress, StoredMedia};
use super::{read_away, refusal};
use crate::state::{Shared, lock};

/// The query of an upload.
#[derive(Deserialize)]
pub(super) struct Parameters {
    #[serde(default)]
    auth: String,
    token: Option<String>,
    resume: Option<String>,
    file_offset: Option<usize>,
}

type Address = Path<(String, String)>;
type Asked = Query<Parameters>;

pub(super) async fn to_mms(
    State(shared): State<Shared>,
    Path((kind, token)): Address,
    Query(asked): Asked,
    request: Request,
) -> Response {
    receive(shared, Kind::named(&kind), &token, asked, request).await
}

/// What a channel shows is not encrypted, and has a path of its own (whatsmeow `upload.go`).
pub(super) async fn to_newsletter(
    State(shared): State<Shared>,
    Path((kind, token)): Address,
    Query(asked): Asked,
    request: Request,
) -> Response {
    let kind = kind.strip_prefix("newsletter-").and_then(Kind::named);
    receive(shared, kind, &token, asked, request).await
}

/// Images of a catalogue (wacore `download.rs`, `upload_path`).
pub(super) async fn to_product(
    State(shared): State<Shared>,
    Path((kind, token)): Address,
    Query(asked): Asked,
    request: Request,
) -> Response {
    let kind = (kind == "image").then_some(Kind::PRODUCT);
    receive(shared, kind, &token, asked, request).await
}

async fn receive(
    shared: Shared,
    kind: Option<Kind>,
    token: &str,
    asked: Parameters,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match admit(&shared, kind, token, &asked) {
        Ok(content) if asked.resume.as_deref() == Some("1") => {
            let progress = lock(&shared).media.progress(&content);
            read_away(body).await;
            report(progress)
        }
        Ok(content) => match begin(shared, content, &asked, &parts.headers) {
            Ok(incoming) => incoming.finish(body).await,
            Err(refused) => refuse(refused, body).await,
        },
        Err(refused) => refuse(refused, body).await,
    }
}

/// A status and what is wrong.
type Refused = (StatusCode, &'static str);

const TOO_LARGE: Refused = (StatusCode::PAYLOAD_TOO_LARGE, "the file is too large");

/// Whether the upload may be made at all. Rights come before everything but the address.
fn admit(
    shared: &Shared,
    kind: Option<Kind>,
    token: &str,
    asked: &Parameters,
) -> Result<Content, Refused> {
    let kind = kind.ok_or((StatusCode::NOT_FOUND, "there is no such type of media"))?;
    let good = {
        let state = lock(shared);
        state.media.admits(&asked.auth, state.clock.now())
    };
    if !good {
        return Err((StatusCode::UNAUTHORIZED, "`auth`: expired, or never given"));
    }
    let sha256 = hash(token).ok_or((StatusCode::BAD_REQUEST, "the path ends in no hash"))?;
    if asked.token.as_deref().and_then(hash) != Some(sha256) {
        return Err((StatusCode::BAD_REQUEST, "`token`: not the hash in the path"));
    }
    Ok((kind, sha256))
}

/// Some clients write the base64 with its padding.
fn hash(token: &str) -> Option<[u8; 32]> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
    bytes.try_into().ok()
}

/// Baileys 6 says no length, so none has to be said.
fn begin(
    shared: Shared,
    content: Content,
    asked: &Parameters,
    headers: &HeaderMap,
) -> Result<Incoming, Refused> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|value| value.parse::<usize>().ok()).unwrap_or_default();
    let offset = asked.file_offset.unwrap_or_default();
    let mut state = lock(&shared);
    let largest = state.media.limits().largest;
    if offset.saturating_add(length) > largest {
        return Err(TOO_LARGE);
    }
    let mut bytes = if asked.file_offset.is_some() {
        let begun = state.media.resume(&content, offset);
        begun.ok_or((StatusCode::BAD_REQUEST, "`file_offset`: so much is not here"))?
    } else {
        state.media.forget(&content);
        Vec::new()
    };
    drop(state);
    bytes.reserve_exact(length);
    Ok(Incoming { shared, content, bytes, largest })
}

/// An upload under way. If it is dropped before its end, what has come stays for another attempt.
struct Incoming {
    shared: Shared,
    content: Content,
    bytes: Vec<u8>,
    largest: usize,
}

impl Incoming {
    async fn finish(mut self, body: Body) -> Response {
        let mut hasher = Sha256::new_with_prefix(&self.bytes);
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) if self.bytes.len() + chunk.len() > self.largest => {
                    self.bytes = Vec::new();
                    while let Some(Ok(_)) = chunks.next().await {}
                    return refusal(TOO_LARGE.0, TOO_LARGE.1);
                }
                Ok(chunk) => {
                    hasher.update(&chunk);
                    self.bytes.extend_from_slice(&chunk);
                }
                Err(error) => {
                    debug!(%error, "an upload broke off");
                    return refusal(StatusCode::BAD_REQUEST, "the upload broke off");
                }
            }
        }
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        if <[u8; 32]>::from(hasher.finalize()) != self.content.1 {
            return refusal(StatusCode::BAD_REQUEST, "`token`: not the hash of the bytes");
        }
        let stored = lock(&self.shared).media.keep(self.content, bytes);
        Json(json!({ "url": stored.url, "direct_path": stored.direct_path })).into_response()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            lock(&self.shared).media.interrupt(self.content, bytes);
        }
    }
}

/// How far an upload has come, as whatsapp-rust `upload.rs` reads it.
fn report(progress: Progress) -> Response {
    match progress {
        Progress::Complete(StoredMedia { url, direct_path, .. }) => {
            Json(json!({ "resume": "complete", "url": url, "direct_path": direct_path }))
                .into_response()
        }
        Progress::Part(count) => Json(json!({ "resume": count.to_string() })).into_response(),
        Progress::Nothing => refusal(StatusCode::NOT_FOUND, "nothing of it is here"),
    }
}

/// The refusal of an upload that has not been read.
async fn refuse((status, problem): Refused, body: Body) -> Response {
    read_away(body).await;
    refusal(status, problem)
}
