//! `/admin/media` and `/admin/certificate`: what clients have uploaded, and whom they trust.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::body::{Body, Params, Raw};
use super::error::Error;
use crate::StoredMedia;
use crate::media::Kind;
use crate::server::Front;
use crate::state::{Shared, lock};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreBody {
    url: String,
    /// How many files can be fetched.
    files: usize,
    /// Bytes that are held.
    held: usize,
    room: usize,
    resumed_uploads: u64,
}

pub(crate) async fn read(State(shared): State<Shared>) -> Json<StoreBody> {
    let store = &lock(&shared).media;
    Json(StoreBody {
        url: format!("https://{}", store.host()),
        files: store.len(),
        held: store.held(),
        room: store.limits().room,
        resumed_uploads: store.resumed,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuery {
    kind: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredBody {
    direct_path: String,
    url: String,
    /// In base64.
    sha256: String,
}

impl From<StoredMedia> for StoredBody {
    fn from(stored: StoredMedia) -> Self {
        let sha256 = BASE64_STANDARD.encode(stored.sha256);
        Self { direct_path: stored.direct_path, url: stored.url, sha256 }
    }
}

pub(crate) async fn add(
    State(shared): State<Shared>,
    Params(query): Params<NewQuery>,
    Raw(bytes): Raw,
) -> Result<(StatusCode, Json<StoredBody>), Error> {
    let kind = Kind::named(&query.kind).ok_or_else(|| {
        Error::field("kind", &format!("must be one of {}", Kind::NAMES.join(", ")))
    })?;
    let stored = lock(&shared).media.put(kind, bytes);
    Ok((StatusCode::CREATED, Json(stored.into())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct FileBody {
    direct_path: String,
}

#[derive(Serialize)]
pub(crate) struct Expired {
    expired: bool,
}

pub(crate) async fn expire(
    State(shared): State<Shared>,
    Body(body): Body<FileBody>,
) -> Result<Json<Expired>, Error> {
    let expired = lock(&shared).media.expire(&body.direct_path);
    if expired { Ok(Json(Expired { expired })) } else { Err(no_such_file()) }
}

pub(crate) async fn restore(
    State(shared): State<Shared>,
    Body(body): Body<FileBody>,
) -> Result<Json<StoredBody>, Error> {
    let restored = lock(&shared).media.restore(&body.direct_path);
    restored.map(|stored| Json(stored.into())).ok_or_else(no_such_file)
}

fn no_such_file() -> Error {
    Error::NotFound("`directPath`: there is no such file".to_owned())
}

pub(crate) async fn expire_auth(State(shared): State<Shared>) -> Json<Expired> {
    lock(&shared).media.revoke();
    Json(Expired { expired: true })
}

/// The certificate in PEM.
pub(crate) fn certificate(front: &Front) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], front.certificate().to_owned())
}
