//! What the writer does once the file has failed it: full disks get room again, and other failures may pass too.
//!
//! Until then writes are refused. Those that were answered before they were committed are kept, and are the first ones
//! to be committed afterwards.

use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::{
    disk::Disk,
    queue::Queue,
    writer::{self, Job},
};
use crate::{Error, Result, schema};

/// How long to wait for a failure to pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The first pause between two attempts; each is twice the one before.
    pub(super) first: Duration,
    /// The longest one.
    pub(super) longest: Duration,
    /// How long writes that were answered for may stay uncommitted before the process gives up.
    pub(super) limit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(5),
            limit: Duration::from_mins(10),
        }
    }
}

/// How many answered writes are kept, beside those in the queue: whoever has more to write waits.
const MOST_KEPT: usize = 8_192;

/// Writes that were answered for and are not committed, oldest first.
pub(super) type Kept = Vec<Box<dyn Job>>;

/// Waits until the file can be written again and commits what was kept; gives up when the queue is closed. Ends the
/// process when answered writes stay uncommitted for too long.
pub(super) fn recover(
    disk: &Disk,
    queue: &Queue,
    patience: Patience,
    mut kept: Kept,
    cause: &Error,
) {
    let reason = cause.to_string();
    error!("the store cannot be written, so writes are refused until it can: {reason}");
    queue.refuse(Some(&reason));
    // For the sake of reads: what is on disk is as good as before.
    let mut reopened = disk.reopen(&reason);
    let (since, mut pause) = (Instant::now(), patience.first);
    loop {
        take_in(queue, &mut kept, &reason);
        let closing = queue.pause(pause);
        take_in(queue, &mut kept, &reason);
        if reopened.is_err() || !disk.is_open() {
            reopened = disk.reopen(&reason);
        }
        match reopened.and_then(|()| attempt(disk, queue, &mut kept)) {
            Ok(()) => {
                queue.refuse(None);
                info!("the store can be written again, after {:?}", since.elapsed());
                return;
            }
            Err(error) => {
                warn!("the store still cannot be written: {error}");
                reopened = disk.reopen(&reason);
            }
        }
        if closing {
            error!(
                "closing a store that cannot be written: {} answered writes are lost",
                kept.len()
            );
            return;
        }
        if !kept.is_empty() && since.elapsed() >= patience.limit {
            error!(
                "{} writes that were already answered for cannot be committed, ending the process",
                kept.len()
            );
            std::process::abort();
        }
        pause = patience.longest.min(pause * 2);
    }
}

/// Refuses what waits for a commit, and keeps what was answered for.
fn take_in(queue: &Queue, kept: &mut Kept, reason: &str) {
    if kept.len() >= MOST_KEPT {
        return;
    }
    for job in queue.drain() {
        if job.relaxed().is_some() {
            kept.push(job);
        } else {
            job.answer(Err(Error::Unavailable { reason: reason.to_owned() }));
        }
    }
}

/// Commits what was kept, and in any case something.
fn attempt(disk: &Disk, queue: &Queue, kept: &mut Kept) -> Result<()> {
    let database = disk.database()?;
    let begun = Instant::now();
    let (probe, _answer) = writer::strict(|txn| schema::rewrite(txn), || ());
    kept.push(probe);
    let outcome = writer::commit(&database, disk.vault(), kept);
    queue.counts.batch(kept.len(), begun.elapsed(), outcome.is_ok());
    if outcome.is_err() {
        kept.retain(|job| job.relaxed().is_some());
        return outcome;
    }
    let committed: Vec<_> = kept.iter().filter_map(|job| job.relaxed()).collect();
    queue.forget(&committed);
    kept.clear();
    Ok(())
}
