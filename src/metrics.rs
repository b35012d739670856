//! Figures of the running process, for Prometheus: counted where things happen, written out when they are asked for.

mod exposition;
mod page;
mod process;
mod traffic;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing,
};
use tokio::net::TcpListener;

use crate::{
    AppState,
    config::Http,
    error::{ApiError, Code},
    limits::{Connections, Proxies},
    listener::Listening,
    server::{Error, Result},
};
use exposition::Figures;
pub use process::tell_allocated;
pub(crate) use process::{Started, open_descriptors, resident_bytes};
pub(crate) use traffic::{Traffic, route_found};

/// The form of what is answered.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The older form, for whoever does not ask for that one: what it has more reads as comments.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How many connections may ask for figures at once.
const CONNECTIONS: usize = 64;

/// The listener of the figures; none when they are off, or when the usual address is taken and nobody insisted on it.
pub(crate) async fn bind(http: &Http) -> Result<Option<TcpListener>> {
    let Some((address, insisted)) = http.metrics() else { return Ok(None) };
    let bound = match TcpListener::bind(address).await {
        Ok(listener) => listener.local_addr().map(|address| (listener, address)),
        Err(error) => Err(error),
    };
    match bound {
        Ok((listener, address)) => {
            tell(address);
            Ok(Some(listener))
        }
        Err(source) if insisted => Err(Error::Listen { address, source }),
        Err(error) => {
            tracing::warn!("no metrics, as `{address}` cannot be listened on: {error}");
            Ok(None)
        }
    }
}

fn tell(address: SocketAddr) {
    tracing::info!("metrics are at http://{address}/metrics");
    if !address.ip().is_loopback() {
        tracing::warn!("`{address}` is not loopback: whoever reaches it may read the metrics");
    }
}

/// What serves the figures of `state`, and of the connections to the API.
pub(crate) fn listening(
    state: AppState,
    connections: Arc<Connections>,
    http: &Http,
) -> Arc<Listening> {
    let figures = Arc::new(Figures { state, connections });
    let app = Router::new()
        .route("/metrics", routing::get(metrics))
        .fallback(async || ApiError::not_found("path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(Code::MethodNotAllowed, "the path has no such method")
        })
        .with_state(figures);
    let own = Connections::at_most(CONNECTIONS, CONNECTIONS, Proxies::default());
    Listening::new(app, http, own)
}

async fn metrics(
    State(figures): State<Arc<Figures>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let open = accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text"));
    let media_type = if open { OPEN_METRICS } else { PLAIN };
    // The process's own figures are files, and sessions may be many.
    let written = tokio::task::spawn_blocking(move || figures.written()).await;
    let text = written.map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}
