//! `/admin/media` and `/admin/certificate`: what clients have uploaded, and whom they trust.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::{Body, Params, Raw};
use super::documented::Refused;
use super::error::Error;
use crate::StoredMedia;
use crate::media::Kind;
use crate::server::Front;
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(read, add))
        .routes(routes!(expire))
        .routes(routes!(restore))
        .routes(routes!(expire_auth))
        .routes(routes!(certificate))
}

#[derive(Serialize, ToSchema)]
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

/// Say where media are served, and what is held.
#[utoipa::path(get, path = "/media", operation_id = "readMedia", tag = "media",
    responses((status = 200, body = StoreBody, description = "The store"), Refused))]
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuery {
    /// What it is: `image`, `video`, `audio`, `document` and so on.
    kind: String,
}

#[derive(Serialize, ToSchema)]
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

/// Store a file as if a client had uploaded it.
#[utoipa::path(post, path = "/media", operation_id = "addMedia", tag = "media",
    params(NewQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The sealed file"),
    responses((status = 201, body = StoredBody, description = "It is stored"), Refused))]
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct FileBody {
    direct_path: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Expired {
    expired: bool,
}

/// Let a file expire: it is answered with 410.
#[utoipa::path(post, path = "/media/expire", operation_id = "expireMedia", tag = "media",
    request_body = FileBody,
    responses((status = 200, body = Expired, description = "It is gone"), Refused))]
pub(crate) async fn expire(
    State(shared): State<Shared>,
    Body(body): Body<FileBody>,
) -> Result<Json<Expired>, Error> {
    let expired = lock(&shared).media.expire(&body.direct_path);
    if expired { Ok(Json(Expired { expired })) } else { Err(no_such_file()) }
}

/// Bring an expired file back, under a new path.
#[utoipa::path(post, path = "/media/restore", operation_id = "restoreMedia", tag = "media",
    request_body = FileBody,
    responses((status = 200, body = StoredBody, description = "Where it is now"), Refused))]
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

/// Let every authorization for uploads expire: they are answered with 401.
#[utoipa::path(post, path = "/media/expire-auth", operation_id = "expireMediaAuth", tag = "media",
    responses((status = 200, body = Expired, description = "They are no longer good"), Refused))]
pub(crate) async fn expire_auth(State(shared): State<Shared>) -> Json<Expired> {
    lock(&shared).media.revoke();
    Json(Expired { expired: true })
}

/// Read the certificate in PEM, for clients to trust.
#[utoipa::path(get, path = "/certificate", operation_id = "readCertificate", tag = "server",
    responses((status = 200, body = String, content_type = "application/x-pem-file", description = "The certificate"), Refused))]
pub(crate) async fn certificate(Extension(front): Extension<Arc<Front>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], front.certificate().to_owned())
}
