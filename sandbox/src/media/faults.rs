//! What a test ordered to go wrong with the media.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::{Store, read_away, refusal};
use crate::faults::{Effect, Moment};
use crate::state::{AccountId, Shared, lock};

/// Lets a request through, unless a fault is in the way.
pub(super) async fn meet(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let name = if request.method() == Method::POST { "media.upload" } else { "media.download" };
    // A statement of its own, so that the lock is gone before the awaits.
    let effect = {
        let mut state = lock(&shared);
        let from = asker(&state.media, request.uri());
        state.faults.meet_named(from, name)
    };
    match effect {
        // Nobody can order the latter two here.
        None | Some(Effect::WrongOrder | Effect::Duplicate) => next.run(request).await,
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
        Some(Effect::Silence(moment) | Effect::HalfOpen(moment)) => {
            carry_out(moment, request, next).await;
            std::future::pending().await
        }
        Some(Effect::Drop(moment)) => {
            carry_out(moment, request, next).await;
            broken()
        }
        Some(Effect::Corrupted) => damaged(next.run(request).await).await,
    }
}

/// Whose request it is: that of the account whose authorization it carries. Some clients begin their parameters with a
/// second `?`.
fn asker(media: &Store, uri: &Uri) -> Option<AccountId> {
    let mut parameters = uri.query()?.split(['?', '&']);
    media.owner(parameters.find_map(|parameter| parameter.strip_prefix("auth="))?)
}

async fn carry_out(moment: Moment, request: Request, next: Next) {
    match moment {
        Moment::Before => read_away(request.into_body()).await,
        Moment::After => drop(next.run(request).await),
    }
}

/// An answer with one bit of its body flipped.
async fn damaged(answer: Response) -> Response {
    let (head, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Response::from_parts(head, bytes.into())
}

/// An answer whose connection breaks before its body.
fn broken() -> Response {
    let lost: io::Result<Bytes> = Err(io::ErrorKind::ConnectionReset.into());
    Body::from_stream(stream::iter([lost])).into_response()
}
