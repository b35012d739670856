//! Media: the files that clients upload and fetch over HTTPS, beside the stanzas that name them.
//!
//! `store` keeps the files, `seal` signs what gives access to them; `upload` and `download` are the HTTP of it,
//! and `connection` is the stanza by which a client learns where that is.

mod connection;
mod download;
mod faults;
mod kind;
mod range;
mod seal;
mod store;
mod upload;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use serde_json::json;

use crate::state::Shared;

pub(crate) use connection::answer;
pub(crate) use kind::Kind;
pub use store::StoredMedia;
pub(crate) use store::{Limits, Store};

/// The routes of the media host. Nobody is asked where they come from: clients name the page of the real one.
pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/mms/{kind}/{token}", post(upload::to_mms))
        .route("/newsletter/{kind}/{token}", post(upload::to_newsletter))
        .route("/product/{kind}/{token}", post(upload::to_product))
        .route("/v/{*path}", get(download::download))
        .layer(middleware::from_fn_with_state(shared.clone(), faults::meet))
        .with_state(shared)
}

/// An answer that says no, and why.
fn refusal(status: StatusCode, problem: &str) -> Response {
    (status, Json(json!({ "error": problem }))).into_response()
}

/// Reads a body and forgets it: a client that is still sending would not hear what is answered.
async fn read_away(body: Body) {
    let mut chunks = body.into_data_stream();
    while let Some(Ok(_)) = chunks.next().await {}
}
