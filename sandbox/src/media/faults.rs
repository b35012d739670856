//! What a test ordered to go wrong with the media.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::{read_away, refusal};
use crate::faults::{Effect, Moment};
use crate::state::{Shared, lock};

/// Lets a request through, unless a fault is in the way.
pub(super) async fn meet(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let name = if request.method() == Method::POST { "media.upload" } else { "media.download" };
    // A statement of its own, so that the lock is gone before the awaits.
    let effect = lock(&shared).faults.meet_named(name);
    match effect {
        None => next.run(request).await,
        Some(Effect::Refuse { code, text, backoff }) => {
            read_away(request.into_body()).await;
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let backoff = backoff.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
            (backoff, refusal(status, &text)).into_response()
        }
        Some(Effect::Delay(after)) => {
            let answer = next.run(request).await;
            tokio::time::sleep(after).await;
            answer
        }
        Some(Effect::Silence(moment)) => {
            carry_out(moment, request, next).await;
            std::future::pending().await
        }
        Some(Effect::Drop(moment)) => {
            carry_out(moment, request, next).await;
            broken()
        }
    }
}

async fn carry_out(moment: Moment, request: Request, next: Next) {
    match moment {
        Moment::Before => read_away(request.into_body()).await,
        Moment::After => drop(next.run(request).await),
    }
}

/// An answer whose connection breaks before its body.
fn broken() -> Response {
    let lost: io::Result<Bytes> = Err(io::ErrorKind::ConnectionReset.into());
    Body::from_stream(stream::iter([lost])).into_response()
}
