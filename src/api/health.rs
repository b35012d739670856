//! The gateway about itself.

use std::sync::LazyLock;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AppState,
    clock::now_ms,
    error::{Anywhere, ApiError},
    limits::{Limited, Usage},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(version))
        .routes(routes!(document))
}

/// That the process is up.
#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// That requests are served, and how far the sessions are. Sessions that are away do not make it unready: each says so
/// itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
struct Ready {
    status: &'static str,
    /// Sessions that there are.
    sessions: usize,
    /// Sessions that shall run.
    wanted: usize,
    /// Sessions that wait for their turn to connect.
    waiting: usize,
    /// Sessions that are connecting.
    connecting: usize,
    /// Sessions that work.
    working: usize,
    /// Whether the store takes writes: false from a failed write, of a full disk for one, until it has recovered.
    writable: bool,
    /// How much room the disk has: `ample`, `low`, or `exhausted`, when whatever would make the store grow is refused.
    disk: &'static str,
    /// How much is used of what bounds how many sessions the gateway takes on.
    limits: Bounds,
}

/// What bounds how many sessions the gateway takes on. With more than is allowed sessions go on that run, and no other is
/// made or started.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadinessLimits)]
struct Bounds {
    /// Sessions that there are.
    sessions: Bound,
    /// Bytes that the process occupies.
    memory: Bound,
    /// Descriptors that are open, and one for each session that is yet to connect.
    descriptors: Bound,
}

/// Something that may be used up.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadinessLimit)]
struct Bound {
    /// How much is used; absent where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    /// How much may be; absent where nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<u64>,
}

impl From<Usage> for Bound {
    fn from(usage: Usage) -> Self {
        Self { used: usage.used, allowed: usage.allowed }
    }
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
    responses((status = 200, body = Health, description = "The process is up"), Anywhere))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Say whether requests are served.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "gateway", security(()),
    responses(
        Anywhere,
        (status = 200, body = Ready, description = "Requests are served"),
        (status = 503, body = crate::error::ErrorBody,
            description = "They are not; `details.unready` says what is missing: `draining` or `store`"),
    ))]
async fn ready(State(state): State<AppState>) -> Result<Json<Ready>, ApiError> {
    if state.draining.is_cancelled() {
        return Err(ApiError::draining().with("unready", "draining"));
    }
    if let Err(error) = state.store.has_keys(now_ms()) {
        return Err(ApiError::from(error).unavailable().with("unready", "store"));
    }
    let census = state.sessions.census();
    let bound = |limited| state.admission.usage(limited, &state.sessions).into();
    Ok(Json(Ready {
        status: "ready",
        sessions: census.sessions,
        wanted: census.wanted,
        waiting: census.waiting,
        connecting: census.connecting,
        working: census.working,
        writable: state.store.takes_writes(),
        disk: state.disk.room().as_str(),
        limits: Bounds {
            sessions: bound(Limited::Sessions),
            memory: bound(Limited::Memory),
            descriptors: bound(Limited::Descriptors),
        },
    }))
}

/// Say what is running.
#[utoipa::path(get, path = "/version", operation_id = "version", tag = "gateway", security(()),
    responses((status = 200, body = Build, description = "What is running"), Anywhere))]
async fn version() -> Json<Build> {
    Json(Build {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        sandbox: wharf_actors::SANDBOX_BUILD,
    })
}

/// Describe the API: this document.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "openapi", tag = "gateway", security(()),
    responses((status = 200, body = Object, description = "The document"), Anywhere))]
async fn document() -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| super::text(&super::document()).into());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
}
