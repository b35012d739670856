//! The bounded queue between the callers and the writer.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    overlay::{Op, Overlay, QueuedRows, QueuedValue},
    writer::Job,
};
use crate::{Error, Result, figures::Counts, tables::Rows};

/// How many writes wait at most; a caller beyond that waits for room.
const CAPACITY: usize = 1024;
/// How long the writer waits, for each caller whom the last batch answered, until as many writes are there again: a
/// commit costs the same for one as for many, and who was answered together comes back together. A caller who is alone
/// never waits.
const PATIENCE: Duration = Duration::from_micros(50);
/// The longest such wait.
const MOST_PATIENCE: Duration = Duration::from_millis(1);
/// How many writes are company enough.
const FULL: usize = 64;

pub(super) struct Queue {
    state: Mutex<State>,
    /// Rung when a write is queued and when the queue closes.
    changed: Condvar,
    room: Semaphore,
    /// What the writer has done.
    pub(super) counts: Counts,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Job>>,
    overlay: Overlay,
    /// The place of the next relaxed write: they are numbered as they come.
    next_place: u64,
    /// How many writes the writer, which sleeps, waits for; 0 while it works.
    awaited: usize,
    /// How many of those waiting have a caller who waits for the commit.
    callers: usize,
    /// How many callers the last batch answered.
    answered: usize,
    /// Why no write is taken for now, except one that was answered for.
    refused: Option<String>,
    closed: bool,
}

/// A relaxed write that was committed: its rows, and its place.
pub(super) type Committed = (Arc<[Op]>, u64);

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            room: Semaphore::new(CAPACITY),
            counts: Counts::default(),
        }
    }

    /// Appends a write. `relaxed` are the rows reads shall see at once.
    pub(super) async fn push(&self, mut job: Box<dyn Job>, relaxed: Option<&[Op]>) -> Result<()> {
        let room = self.room.acquire().await.map_err(|_| Error::Closed)?;
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if let (Some(reason), None) = (&state.refused, relaxed) {
            return Err(Error::Unavailable { reason: reason.clone() });
        }
        // The writer gives the room back when it takes the job.
        room.forget();
        if let Some(ops) = relaxed {
            let place = state.next_place;
            state.next_place += 1;
            state.overlay.put(ops, place);
            job.set_place(place);
        } else {
            state.callers += 1;
        }
        state.waiting.push_back(job);
        // Waking a thread costs more than all the rest of this.
        let wake = state.awaited > 0 && state.waiting.len() >= state.awaited;
        if wake {
            state.awaited = 0;
        }
        drop(state);
        if wake {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Everything queued, in order; waits for something. `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.closed {
            state.awaited = 1;
            state = self
                .changed
                .wait_while(state, |state| state.waiting.is_empty() && !state.closed)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let company = FULL.min(state.answered);
        if company > 1 && state.waiting.len() < company && !state.closed {
            state.awaited = company;
            let callers = u32::try_from(company).expect("company is at most `FULL`");
            let patience = MOST_PATIENCE.min(PATIENCE * callers);
            let waited = self.changed.wait_timeout_while(state, patience, |state| {
                state.waiting.len() < company && !state.closed
            });
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.awaited = 0;
        state.answered = std::mem::take(&mut state.callers);
        let batch: Vec<_> = state.waiting.drain(..).collect();
        drop(state);
        if batch.is_empty() {
            return None;
        }
        self.room.add_permits(batch.len());
        Some(batch)
    }

    /// Everything queued, in order, without waiting.
    pub(super) fn drain(&self) -> Vec<Box<dyn Job>> {
        let mut state = self.lock();
        state.callers = 0;
        let waiting: Vec<_> = state.waiting.drain(..).collect();
        drop(state);
        self.room.add_permits(waiting.len());
        waiting
    }

    /// Refuses writes that wait for their commit, for a reason, or takes them again.
    pub(super) fn refuse(&self, reason: Option<&str>) {
        self.lock().refused = reason.map(str::to_owned);
    }

    /// Whether writes that wait for their commit are taken.
    pub(super) fn takes(&self) -> bool {
        self.lock().refused.is_none()
    }

    /// Waits so long, or until the queue is closed; says whether it is.
    pub(super) fn pause(&self, span: Duration) -> bool {
        let open = |state: &mut State| !state.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), span, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Lets reads find committed rows in the file instead of here.
    pub(super) fn forget(&self, committed: &[Committed]) {
        if committed.is_empty() {
            return;
        }
        let mut state = self.lock();
        for (ops, place) in committed {
            state.overlay.forget(ops, *place);
        }
    }

    /// The value a queued relaxed write gives the row, if one does.
    pub(super) fn queued_value(&self, table: Rows, key: &[u8]) -> Option<QueuedValue> {
        self.lock().overlay.get(table, key)
    }

    /// The queued rows of a range, and what `meanwhile` gives while nothing can leave the queue.
    pub(super) fn queued_rows<T, E>(
        &self,
        table: Rows,
        prefix: &[u8],
        meanwhile: impl FnOnce() -> Result<T, E>,
    ) -> Result<(QueuedRows, T), E> {
        let state = self.lock();
        Ok((state.overlay.rows(table, prefix), meanwhile()?))
    }

    /// How many writes wait.
    pub(super) fn depth(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Refuses further writes; those queued are still taken.
    pub(super) fn close(&self) {
        self.room.close();
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
