//! Counts of what happened, for whoever watches the process.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Bounds of the duration of a batch, in microseconds.
const BATCH_MICROSECONDS: &[u64] =
    &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];
/// Bounds of the number of writes in a batch.
const BATCH_WRITES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// Bounds of how long a write waits in the queue, in microseconds.
const WAIT_MICROSECONDS: &[u64] =
    &[100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];

/// Counts of values by upper bound. Adding a value takes no lock.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Counts nothing yet; `bounds` are inclusive and in order.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn add(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration, in microseconds.
    pub fn add_duration(&self, duration: Duration) {
        self.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far.
    pub fn distribution(&self) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        Distribution {
            buckets: bounds.zip(counts).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// What a [`Histogram`] has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// How many values were above the bound before and not above this one; the last has none.
    pub buckets: Vec<(Option<u64>, u64)>,
    /// All values together.
    pub sum: u64,
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// What the writer has done since the store was opened.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Whether writes are taken: false while the file cannot be written.
    pub writable: bool,
    /// Writes that wait now.
    pub queued: usize,
    /// Batches that were committed.
    pub commits: u64,
    /// Batches that could not be committed.
    pub failures: u64,
    /// Writes of each batch.
    pub writes: Distribution,
    /// Microseconds that each batch took, its commit included.
    pub microseconds: Distribution,
    /// Microseconds that each write waited in the queue for its batch.
    pub waits: Distribution,
}

/// Counts of the writer.
#[derive(Debug)]
pub(crate) struct Counts {
    commits: AtomicU64,
    failures: AtomicU64,
    writes: Histogram,
    microseconds: Histogram,
    waits: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            commits: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            writes: Histogram::new(BATCH_WRITES),
            microseconds: Histogram::new(BATCH_MICROSECONDS),
            waits: Histogram::new(WAIT_MICROSECONDS),
        }
    }
}

impl Counts {
    /// A batch of so many writes is over.
    pub(crate) fn batch(&self, writes: usize, took: Duration, committed: bool) {
        let outcome = if committed { &self.commits } else { &self.failures };
        outcome.fetch_add(1, Ordering::Relaxed);
        self.writes.add(u64::try_from(writes).unwrap_or(u64::MAX));
        self.microseconds.add_duration(took);
    }

    /// A write is taken out of the queue after so long.
    pub(crate) fn waited(&self, wait: Duration) {
        self.waits.add_duration(wait);
    }

    /// What was counted so far, while so many writes wait.
    pub(crate) fn figures(&self, queued: usize, writable: bool) -> Figures {
        Figures {
            writable,
            queued,
            commits: self.commits.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            writes: self.writes.distribution(),
            microseconds: self.microseconds.distribution(),
            waits: self.waits.distribution(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_under_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1_000] {
            histogram.add(value);
        }
        let distribution = histogram.distribution();
        assert_eq!(distribution.buckets, [(Some(10), 2), (Some(20), 2), (None, 2)]);
        assert_eq!((distribution.count(), distribution.sum), (6, 1_062));
    }
}
