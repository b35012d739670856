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
/// How long writes that can wait do so, for company or for one that cannot: a commit of one costs nearly that of fifty.
const LINGER: Duration = Duration::from_millis(10);

/// Who waits for the commit of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody, for whom it is made as soon as it can be.
    Now,
    /// Nobody, or somebody to whom [`LINGER`] is nothing.
    Soon,
}

/// What the writer does between two batches, and so what wakes it: that costs more than all the rest of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It is on its way here, or was told to be: nothing.
    None,
    /// It waits for a write.
    Idle,
    /// It waits for one that cannot wait, or for many.
    Lingers,
    /// It waits for so many.
    Company(usize),
}

pub(super) struct Queue {
    state: Mutex<State>,
    /// Rung when a write is queued and when the queue closes.
    changed: Condvar,
    room: Semaphore,
    /// What the writer has done.
    pub(super) counts: Counts,
}

struct State {
    waiting: VecDeque<Box<dyn Job>>,
    overlay: Overlay,
    /// The place of the next relaxed write: they are numbered as they come.
    next_place: u64,
    rest: Rest,
    /// How many of those waiting cannot wait.
    callers: usize,
    /// How many callers the last batch answered.
    answered: usize,
    /// Why no write is taken for now, except one that was answered for.
    refused: Option<String>,
    closed: bool,
}

impl State {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            overlay: Overlay::default(),
            next_place: 0,
            rest: Rest::None,
            callers: 0,
            answered: 0,
            refused: None,
            closed: false,
        }
    }

    /// Whether the writer has what it waits for.
    fn is_awaited(&self) -> bool {
        match self.rest {
            Rest::None => false,
            Rest::Idle => !self.waiting.is_empty(),
            Rest::Lingers => self.callers > 0 || self.waiting.len() >= FULL,
            Rest::Company(company) => self.waiting.len() >= company,
        }
    }
}

/// A relaxed write that was committed: its rows, and its place.
pub(super) type Committed = (Arc<[Op]>, u64);

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::new()),
            changed: Condvar::new(),
            room: Semaphore::new(CAPACITY),
            counts: Counts::default(),
        }
    }

    /// Appends a write. `relaxed` are the rows reads shall see at once.
    pub(super) async fn push(
        &self,
        mut job: Box<dyn Job>,
        urgency: Urgency,
        relaxed: Option<&[Op]>,
    ) -> Result<()> {
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
        }
        state.callers += usize::from(urgency == Urgency::Now);
        state.waiting.push_back(job);
        let wake = state.is_awaited();
        if wake {
            state.rest = Rest::None;
        }
        drop(state);
        if wake {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Everything queued, in order; waits for something. `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut state = self.rest(self.lock(), Rest::Idle, Duration::MAX);
        if state.callers == 0 {
            state = self.rest(state, Rest::Lingers, LINGER);
        }
        let company = FULL.min(state.answered);
        if company > 1 {
            let callers = u32::try_from(company).expect("company is at most `FULL`");
            let patience = MOST_PATIENCE.min(PATIENCE * callers);
            state = self.rest(state, Rest::Company(company), patience);
        }
        state.answered = std::mem::take(&mut state.callers);
        let batch: Vec<_> = state.waiting.drain(..).collect();
        drop(state);
        if batch.is_empty() {
            return None;
        }
        self.room.add_permits(batch.len());
        Some(batch)
    }

    /// Waits so long for what this rest is for, or until the queue is closed.
    fn rest<'q>(
        &self,
        mut state: MutexGuard<'q, State>,
        rest: Rest,
        longest: Duration,
    ) -> MutexGuard<'q, State> {
        state.rest = rest;
        if !state.is_awaited() && !state.closed {
            let waited = self.changed.wait_timeout_while(state, longest, |state| {
                // Whoever has what is waited for takes the rest away before it wakes the writer.
                state.rest != Rest::None && !state.closed
            });
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.rest = Rest::None;
        state
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
