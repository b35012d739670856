//! What a connection is doing: written where requests begin and end, read where its bytes come in.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Response, StatusCode},
};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

/// What a connection is doing, and since when. All of it happens in the connection's own task.
#[derive(Debug)]
pub(super) struct Activity {
    stage: AtomicU8,
    begun: Instant,
    /// Milliseconds from its beginning to that of the stage.
    since: AtomicU64,
}

/// What a connection can be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Nothing is asked.
    Idle,
    /// A request has begun, and its head is not whole.
    Head,
    /// A request is under way, which has a time limit of its own; or the connection is no longer HTTP.
    Serving,
    /// Something took too long, and the connection is to end.
    Overdue,
}

impl Activity {
    /// A connection on which nothing has come yet.
    pub(super) fn new() -> Arc<Self> {
        let (stage, since) = (AtomicU8::new(Stage::Idle as u8), AtomicU64::new(0));
        Arc::new(Self { stage, begun: Instant::now(), since })
    }

    pub(super) fn stage(&self) -> Stage {
        [Stage::Idle, Stage::Head, Stage::Serving, Stage::Overdue]
            [usize::from(self.stage.load(Ordering::Relaxed))]
    }

    /// Since when the stage lasts.
    pub(super) fn since(&self) -> Instant {
        self.begun + Duration::from_millis(self.since.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, stage: Stage) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// A request is whole.
    pub(super) fn serves(&self) {
        self.set(Stage::Serving);
    }

    /// Whether the connection ended because something took too long.
    pub(super) fn is_overdue(&self) -> bool {
        self.stage() == Stage::Overdue
    }

    /// The request is under way until its answer has been handed on, and for ever if it made another protocol of the
    /// connection.
    pub(super) fn until_sent(self: Arc<Self>, response: Response<Body>) -> Response<Answer> {
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        response.map(|body| Answer { body, activity: (!upgraded).then_some(self) })
    }
}

/// The body of an answer, which ends the request when it goes.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    activity: Option<Arc<Activity>>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.set(Stage::Idle);
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
