//! How fast connections begin.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// What was not used for so long may be used at once.
const SLACK: Duration = Duration::from_millis(100);

/// A steady rate: each connection moves the time from which the next one is regular.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next one is regular; it may come [`SLACK`] earlier.
    due: Instant,
}

impl Pace {
    pub(super) fn new(rate: NonZeroU32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / rate.get(), due: now }
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.due <= now + SLACK
    }

    /// One begins.
    pub(super) fn take(&mut self, now: Instant) {
        self.due = self.due.max(now) + self.interval;
    }

    /// When the next may begin.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        now + self.due.saturating_duration_since(now + SLACK)
    }
}
