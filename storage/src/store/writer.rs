//! The writer: the one thread that changes the file.
//!
//! It takes all that is queued, runs it in one transaction and commits once, so the cost of reaching the disk is
//! shared by everybody who waits for it.

use std::{
    cell::RefCell,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redb::{Database, WriteTransaction};
use tokio::sync::oneshot;
use tracing::error;

use super::{
    disk::Disk,
    overlay::{self, Op},
    queue::{Committed, Queue},
    recovery::{self, Kept, Patience},
};
use crate::{
    Error, Result,
    encryption::Vault,
    events::{self, Unwritten},
};

/// The transaction of a batch, shared by its jobs.
pub(crate) struct Txn {
    inner: WriteTransaction,
    /// Events of the jobs, in order, which are written once for all of them: see [`events::write`].
    events: RefCell<Vec<Unwritten>>,
    vault: Arc<Vault>,
}

impl Txn {
    /// What values are encrypted with, if anything.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Stores an event at the end of the batch.
    pub(crate) fn append(&self, event: Unwritten) {
        self.events.borrow_mut().push(event);
    }

    /// Writes the events appended so far: for a job that reads or removes events.
    pub(crate) fn write_events(&self) -> Result<()> {
        let events = self.events.take();
        if events.is_empty() { Ok(()) } else { events::write(self, events) }
    }

    fn commit(self) -> Result<()> {
        self.write_events()?;
        Ok(self.inner.commit()?)
    }
}

impl Deref for Txn {
    type Target = WriteTransaction;

    fn deref(&self) -> &WriteTransaction {
        &self.inner
    }
}

/// A queued write.
pub(super) trait Job: Send {
    /// Does the work in the batch's transaction. May be called again after a rollback.
    fn run(&mut self, txn: &Txn) -> Result<()>;

    /// Tells the caller how it ended. Called once.
    fn answer(self: Box<Self>, outcome: Result<()>);

    /// Receives the place of a relaxed write.
    fn set_place(&mut self, _place: u64) {}

    /// What reads no longer need to find in the overlay after the commit; `None` for a strict write.
    fn relaxed(&self) -> Option<Committed> {
        None
    }

    /// How long ago it was queued.
    fn waited(&self) -> Duration;
}

/// Starts the writer. It ends when the queue is closed and empty, and takes the process with it should it panic or be
/// unable to commit a write it has already answered for: nothing could be trusted after that.
pub(super) fn spawn(
    disk: Arc<Disk>,
    queue: Arc<Queue>,
    patience: Patience,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        let run = AssertUnwindSafe(|| {
            while let Some(batch) = queue.take() {
                if let Err((kept, cause)) = run_batch(&disk, &queue, batch) {
                    recovery::recover(&disk, &queue, patience, kept, &cause);
                }
            }
        });
        if catch_unwind(run).is_err() {
            error!("the store's writer panicked, ending the process");
            std::process::abort();
        }
    })
}

/// A write answered after its commit, and where the answer arrives; `then` is called between the two.
pub(super) fn strict<T, F>(
    work: F,
    then: impl FnOnce() + Send + 'static,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>)
where
    F: FnMut(&Txn) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Strict { work, value: None, then, reply, queued: Instant::now() }), answer)
}

/// A write already answered when it is queued.
pub(super) fn relaxed(ops: Arc<[Op]>) -> Box<dyn Job> {
    Box::new(Relaxed { ops, place: 0, queued: Instant::now() })
}

/// Begins a transaction: for the writer, for the schema before there is a writer, and for a copy, which has none.
#[expect(clippy::disallowed_methods, reason = "the one place that begins write transactions")]
pub(crate) fn begin(database: &Database) -> Result<WriteTransaction> {
    Ok(database.begin_write()?)
}

/// Commits a batch and answers for it. When the file fails, what was answered before is given back with the failure.
fn run_batch(
    disk: &Disk,
    queue: &Queue,
    mut batch: Vec<Box<dyn Job>>,
) -> Result<(), (Kept, Error)> {
    let committed: Vec<Committed> = batch.iter().filter_map(|job| job.relaxed()).collect();
    let (writes, begun) = (batch.len(), Instant::now());
    for job in &batch {
        queue.counts.waited(job.waited());
    }
    let outcome = disk.database().and_then(|database| commit(&database, disk.vault(), &mut batch));
    queue.counts.batch(writes, begun.elapsed(), outcome.is_ok());
    if let Err(error) = outcome {
        let (kept, refused): (Kept, Vec<_>) =
            batch.into_iter().partition(|job| job.relaxed().is_some());
        if !error.is_of_the_file() && !kept.is_empty() {
            error!(%error, "a write that was already answered for cannot be committed, ending the process");
            std::process::abort();
        }
        // Before anybody is answered, so that whoever tries again at once is told the same.
        let reason = error.to_string();
        queue.refuse(Some(&reason));
        for job in refused {
            job.answer(Err(Error::Unavailable { reason: reason.clone() }));
        }
        return Err((kept, error));
    }
    // Before anybody is answered: whoever is must not find an older queued row.
    queue.forget(&committed);
    for job in batch {
        job.answer(Ok(()));
    }
    Ok(())
}

/// Runs the batch and commits it. Jobs that fail are answered and leave the batch, which then starts over; a failure of
/// the file is one of the whole batch.
pub(super) fn commit(
    database: &Database,
    vault: &Arc<Vault>,
    batch: &mut Vec<Box<dyn Job>>,
) -> Result<()> {
    loop {
        let txn = Txn { inner: begin(database)?, events: RefCell::default(), vault: vault.clone() };
        let failed = batch
            .iter_mut()
            .enumerate()
            .find_map(|(place, job)| job.run(&txn).err().map(|error| (place, error)));
        let Some((place, error)) = failed else {
            return txn.commit();
        };
        if error.is_of_the_file() {
            return Err(error);
        }
        txn.inner.abort()?;
        if batch[place].relaxed().is_some() {
            return Err(error);
        }
        batch.remove(place).answer(Err(error));
        if batch.is_empty() {
            return Ok(());
        }
    }
}

struct Strict<F, T, A> {
    work: F,
    value: Option<T>,
    then: A,
    reply: oneshot::Sender<Result<T>>,
    queued: Instant,
}

impl<F, T, A> Job for Strict<F, T, A>
where
    F: FnMut(&Txn) -> Result<T> + Send,
    T: Send,
    A: FnOnce() + Send,
{
    fn run(&mut self, txn: &Txn) -> Result<()> {
        self.value = Some((self.work)(txn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { value, then, reply, .. } = *self;
        if outcome.is_ok() {
            then();
        }
        // A caller that went away does not need the answer.
        let _ = reply.send(outcome.and_then(|()| value.ok_or(Error::Closed)));
    }

    fn waited(&self) -> Duration {
        self.queued.elapsed()
    }
}

struct Relaxed {
    ops: Arc<[Op]>,
    place: u64,
    queued: Instant,
}

impl Job for Relaxed {
    fn run(&mut self, txn: &Txn) -> Result<()> {
        overlay::apply(&self.ops, txn)
    }

    fn answer(self: Box<Self>, _outcome: Result<()>) {}

    fn set_place(&mut self, place: u64) {
        self.place = place;
    }

    fn relaxed(&self) -> Option<Committed> {
        Some((self.ops.clone(), self.place))
    }

    fn waited(&self) -> Duration {
        self.queued.elapsed()
    }
}
