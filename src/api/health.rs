//! The gateway about itself.

use std::sync::Arc;

use axum::{
    Extension, Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(version)).routes(routes!(document))
}

/// The text of the API's document.
#[derive(Debug, Clone)]
pub(super) struct Document(pub(super) Arc<str>);

/// That the process is up.
#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// What is running.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
struct Build {
    name: &'static str,
    version: &'static str,
    /// Whether this build talks to the sandbox only.
    sandbox: bool,
}

/// Say that the process is up.
#[utoipa::path(get, path = "/healthz", operation_id = "health", tag = "gateway", security(()),
    responses((status = 200, body = Health, description = "The process is up")))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Say what is running.
#[utoipa::path(get, path = "/version", operation_id = "version", tag = "gateway", security(()),
    responses((status = 200, body = Build, description = "What is running")))]
async fn version() -> Json<Build> {
    Json(Build {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        sandbox: wharf_actors::SANDBOX_BUILD,
    })
}

/// Describe the API: this document.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "openapi", tag = "gateway", security(()),
    responses((status = 200, body = Object, description = "The document")))]
async fn document(Extension(Document(text)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}
