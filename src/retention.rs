//! Events and entries of the audit log are kept for a while, and then no longer.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use wharf_storage::Store;

use crate::clock::now_ms;

/// How many rows go at once: between two steps the writer serves others.
const STEP: usize = 500;
/// The longest pause between two sweeps.
const PAUSE: Duration = Duration::from_mins(10);

/// How far the clock may run ahead of the time that has passed and be believed at once.
const DRIFT: i64 = 60_000;

/// What time it is, for whoever removes what cannot be brought back: a clock that is set forth by mistake shall not cost a
/// log. One that jumps ahead of the time that has passed is believed once it has stayed so.
#[derive(Debug)]
struct Cautious {
    /// How long it has to stay so.
    proof: Duration,
    /// The last time that was believed, in epoch milliseconds.
    known: i64,
    /// When that was.
    known_at: Instant,
    /// Since when the clock is ahead.
    ahead_since: Option<Instant>,
}

impl Cautious {
    fn new(proof: Duration, now_ms: i64, at: Instant) -> Self {
        Self { proof, known: now_ms, known_at: at, ahead_since: None }
    }

    /// The time to go by when the clock reads `now_ms`.
    fn believes(&mut self, now_ms: i64, at: Instant) -> i64 {
        let passed = at.saturating_duration_since(self.known_at).as_millis();
        let expected = self.known.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
        if now_ms > expected.saturating_add(DRIFT) {
            let since = *self.ahead_since.get_or_insert(at);
            if at.saturating_duration_since(since) < self.proof {
                return expected;
            }
        }
        self.ahead_since = None;
        (self.known, self.known_at) = (now_ms, at);
        now_ms
    }
}

/// Something whose old rows go.
#[derive(Debug, Clone, Copy)]
enum Log {
    Events,
    Audit,
}

impl Log {
    fn rows(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Audit => "entries of the audit log",
        }
    }

    /// Removes a step of what is from before a time; says how many rows it was.
    async fn shorten(self, store: &Store, before_ms: i64) -> wharf_storage::Result<usize> {
        match self {
            Self::Events => store.sweep_events(before_ms, STEP).await,
            Self::Audit => store.sweep_audit(before_ms, STEP).await,
        }
    }
}

/// Removes what is older than it shall be kept, for as long as it is polled. A log in which nothing has expired is only
/// read.
pub(crate) async fn sweep(store: &Store, events_kept: Duration, audit_kept: Duration) {
    tokio::join!(keep(store, Log::Events, events_kept), keep(store, Log::Audit, audit_kept));
}

async fn keep(store: &Store, log: Log, kept: Duration) {
    let pause = PAUSE.min(kept / 10).max(Duration::from_millis(100));
    let mut rhythm = tokio::time::interval(pause);
    rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock = Cautious::new(pause, now_ms(), Instant::now());
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    let rows = log.rows();
    loop {
        rhythm.tick().await;
        let now = clock.believes(now_ms(), Instant::now());
        loop {
            match log.shorten(store, now.saturating_sub(kept)).await {
                Ok(0) => break,
                Ok(count) => tracing::debug!("{count} {rows} have expired"),
                Err(wharf_storage::Error::Closed) => return std::future::pending().await,
                Err(error) => {
                    tracing::error!("expired {rows} could not be removed: {error}");
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_YEAR: i64 = 365 * 86_400_000;

    /// A clock, and what is believed of it.
    struct Clocks {
        cautious: Cautious,
        at: Instant,
        now: i64,
    }

    impl Clocks {
        fn pass(&mut self, minutes: u64) -> i64 {
            self.at += Duration::from_mins(minutes);
            self.now += i64::try_from(minutes).unwrap() * 60_000;
            self.cautious.believes(self.now, self.at)
        }
    }

    fn clocks() -> Clocks {
        let (at, now) = (Instant::now(), 2 * A_YEAR);
        Clocks { cautious: Cautious::new(Duration::from_mins(10), now, at), at, now }
    }

    #[test]
    fn a_clock_that_is_set_forth_is_not_believed_before_it_has_stayed_so() {
        let mut clocks = clocks();
        let right = clocks.now;
        clocks.now += A_YEAR;
        assert_eq!((clocks.pass(0), clocks.pass(9)), (right, right + 9 * 60_000));
        // Put right in time: nothing of it is left.
        clocks.now -= A_YEAR;
        assert_eq!(clocks.pass(5), clocks.now);
        clocks.now += A_YEAR;
        assert_eq!(clocks.pass(6), clocks.now - A_YEAR);
        assert_eq!(clocks.pass(10), clocks.now, "it never goes on");
    }

    #[test]
    fn a_clock_that_is_set_back_removes_less_and_is_believed_at_once() {
        let mut clocks = clocks();
        clocks.now -= A_YEAR;
        assert_eq!(clocks.pass(1), clocks.now);
    }

    #[test]
    fn a_clock_that_drifts_is_believed_all_the_while() {
        let mut clocks = clocks();
        for _ in 0..1_000 {
            clocks.now += 30_000;
            assert_eq!(clocks.pass(10), clocks.now);
        }
    }
}
