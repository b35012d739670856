//! What surrounds every request: its id, its span in the log, its limits, and an answer whatever happens.

use std::{
    any::Any,
    net::IpAddr,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
    time::Duration,
};

use axum::{
    RequestExt,
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::{
    AppState,
    audit::{self, Recording, Trail},
    error::ApiError,
    extract::BODY_LIMIT,
    metrics, verbs,
};

/// The header that carries the id of a request, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller, in bytes.
const LONGEST_ID: usize = 128;

/// What is answered though the process is about to end.
const WATCHED: [&str; 2] = ["/healthz", "/readyz"];

/// Who asks: the other side of the connection, or, where that is a trusted proxy, whoever it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// What every request meets.
pub(crate) struct Surroundings {
    /// How long a request may take.
    pub(crate) time: Duration,
    pub(crate) state: AppState,
}

/// Layer around everything: gives the request its id, a span with it, one line in the log, and one in the audit log if
/// it is for that; keeps its limits; has an answer whatever happens inside. It is one layer because each costs every request.
pub(crate) async fn surround(
    State(surroundings): State<Arc<Surroundings>>,
    mut request: Request,
    next: Next,
) -> Response {
    let state = &surroundings.state;
    let _counted = state.requests.token();
    let id = request
        .headers()
        .get(REQUEST_ID)
        .filter(|id| is_acceptable(id))
        .cloned()
        .unwrap_or_else(fresh_id);
    let span = tracing::info_span!(
        "request",
        request.id = id.to_str().unwrap_or_default(),
        http.method = %request.method(),
        // The template, not the path itself: ids of groups and chats hold phone numbers.
        http.route = tracing::field::Empty,
    );
    let trail = Arc::<Trail>::default();
    let address = request.extensions().get::<ClientAddress>().map(|address| address.0);
    let recording = Recording::new(Arc::clone(&trail), id.clone(), address);
    request.extensions_mut().insert(trail);
    let inside = answer(&surroundings, request, next).instrument(span.clone());
    let (mut response, took) = state.traffic.count(inside, Response::status).await;
    let status = response.status().as_u16();
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(status, milliseconds, "answered {status}"));
    recording.answered(&response);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The answer of what is inside, as the caller may have it: with leave for the page that asks, and without a word about
/// the credential to an address that tries too many.
async fn answer(surroundings: &Surroundings, request: Request, next: Next) -> Response {
    let Surroundings { state, .. } = surroundings;
    let client = request.extensions().get::<ClientAddress>().copied();
    let asked = state.cors.as_ref().map(|cors| cors.asked(&request));
    let mut response = answer_within(surroundings, request, next).await;
    if response.status() == ApiError::UNAUTHENTICATED
        && let Err(error) = state.limits.failures.add(client)
    {
        response = error.into_response();
    }
    match asked {
        Some(asked) => asked.answer(response),
        None => response,
    }
}

/// The answer of what is inside, within its time; of a body that says itself that it is too large, and of a handler that
/// panics, our own.
async fn answer_within(surroundings: &Surroundings, mut request: Request, next: Next) -> Response {
    let Surroundings { time, state } = surroundings;
    if announced_size(&request) > BODY_LIMIT as u64 {
        return ApiError::too_large(BODY_LIMIT).into_response();
    }
    if let Err(error) = verbs::rewrite(&mut request) {
        return error.into_response();
    }
    // Whoever watches the process may go on watching.
    if !WATCHED.contains(&request.uri().path()) {
        if state.draining.is_cancelled() {
            return ApiError::draining().into_response();
        }
        if let Err(error) = state.limits.check(state.requests.len()) {
            return error.into_response();
        }
    }
    let inside = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(*time, inside).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => panicked(&*panic),
        Err(_) => ApiError::overdue().into_response(),
    }
}

/// Carries out what must not stop half-way when its caller goes away or its time is up: in a task of its own, which counts as
/// a request under way until its end.
pub(crate) async fn to_the_end<T: Send + 'static>(
    state: &AppState,
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let (reply, answer) = oneshot::channel();
    let counted = state.requests.token();
    let carried_out = async move {
        let _counted = counted;
        if let Err(Err(error)) = reply.send(work.await) {
            tracing::warn!("what somebody began who no longer waits has failed: {error:?}");
        }
    };
    let task = tokio::spawn(carried_out.in_current_span());
    match answer.await {
        Ok(done) => done,
        Err(_) => match task.await {
            Err(end) if end.is_panic() => resume_unwind(end.into_panic()),
            // Nobody cuts it but the end of the process.
            _ => Err(ApiError::draining()),
        },
    }
}

/// How long the request says that its body is, in bytes.
fn announced_size(request: &Request) -> u64 {
    let header = request.headers().get(header::CONTENT_LENGTH);
    header.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default()
}

/// Layer below the router: tells the span and the figures which route it is, and the trail which operation.
pub(crate) async fn name_route(
    State(state): State<AppState>,
    route: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    metrics::route_found(&state.traffic, request.method(), route.as_str());
    tracing::Span::current().record("http.route", verbs::documented(route.as_str()));
    if let Some(operation) = audit::operation(route.as_str(), request.method())
        && let Some(trail) = request.extensions().get::<Arc<Trail>>().cloned()
    {
        let parameters = request.extract_parts::<RawPathParams>().await;
        trail.leads_to(operation, parameters.as_ref().ok());
    }
    next.run(request).await
}

/// The answer in place of a handler that panicked.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a text");
    ApiError::internal(format!("a handler panicked: {text}")).into_response()
}

fn is_acceptable(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=LONGEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

fn fresh_id() -> HeaderValue {
    HeaderValue::from_str(&ulid::Ulid::new().to_string()).expect("a ULID is letters and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_when_it_is_short_and_visible() {
        for (id, taken) in [
            ("a-1", true),
            (&*"x".repeat(128), true),
            (&*"x".repeat(129), false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(is_acceptable(&HeaderValue::from_str(id).unwrap()), taken, "{id}");
        }
        assert!(is_acceptable(&fresh_id()));
    }

    /// What a caller gets from a handler that is surrounded as all are.
    async fn answer(handler: axum::routing::MethodRouter) -> Response {
        let store = wharf_storage::Store::in_memory().unwrap();
        let config = wharf_actors::Config {
            endpoint: "ws://127.0.0.1:9/ws/chat".to_owned(),
            ..wharf_actors::Config::default()
        };
        let sessions = wharf_actors::Sessions::start(store.clone(), config).await.unwrap();
        let state = AppState::new(store, sessions, "test");
        let surroundings = Arc::new(Surroundings { time: Duration::from_secs(30), state });
        let router = axum::Router::new()
            .route("/", handler)
            .layer(axum::middleware::from_fn_with_state(surroundings, surround));
        tower::ServiceExt::oneshot(router, Request::new(axum::body::Body::empty())).await.unwrap()
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_500_without_its_reason() {
        let response = answer(axum::routing::get(async || -> () { panic!("a secret") })).await;
        assert_eq!(response.status(), 500);
        assert!(response.headers().contains_key(REQUEST_ID));
        let body = axum::body::to_bytes(response.into_body(), BODY_LIMIT).await.unwrap();
        assert_eq!(&body[..], br#"{"error":{"code":"internal","message":"internal error"}}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_never_ends_is_answered_503_in_time() {
        let response = answer(axum::routing::get(std::future::pending::<()>)).await;
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
}
