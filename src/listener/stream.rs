//! A connection's bytes, and its end when they are awaited for too long.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use super::activity::{Activity, Stage};

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the rest of a head.
    pub(super) head: Duration,
    /// For the next request, and for an answer to be taken.
    pub(super) idle: Duration,
}

/// A stream that fails once nothing came, or was taken, in time. Its timers are set when something has to be waited for
/// and looked at when they go off, so that a request costs none.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
    patience: Patience,
    /// Goes off when the bytes to come are overdue, or before: while a request is under way too, because nothing else
    /// tells that it is over.
    awaited: Pin<Box<Sleep>>,
    /// Goes off when the bytes to leave are overdue; there while they do not leave.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, patience: Patience) -> Self {
        let awaited = Box::pin(tokio::time::sleep(patience.idle));
        Self { stream, activity, patience, awaited, stalled: None }
    }

    /// Nothing has come: fails when it should have.
    fn wait_for_bytes(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let deadline = match self.activity.stage() {
            Stage::Idle => Some(self.activity.since() + self.patience.idle),
            Stage::Head => Some(self.activity.since() + self.patience.head),
            Stage::Serving | Stage::Overdue => None,
        };
        if let Some(deadline) = deadline.filter(|deadline| self.awaited.deadline() > *deadline) {
            self.awaited.as_mut().reset(deadline);
        }
        while self.awaited.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Poll::Ready(Err(self.overdue()));
            }
            self.awaited.as_mut().reset(deadline.unwrap_or(now + self.patience.idle));
        }
        Poll::Pending
    }

    /// Passes on what came of writing; fails when nothing was taken for too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let patience = self.patience.idle;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(self.overdue()))
    }

    fn overdue(&self) -> io::Error {
        self.activity.set(Stage::Overdue);
        io::ErrorKind::TimedOut.into()
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.wait_for_bytes(context),
            outcome @ Poll::Ready(_) => {
                if buffer.filled().len() > before && self.activity.stage() == Stage::Idle {
                    self.activity.set(Stage::Head);
                }
                outcome
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
