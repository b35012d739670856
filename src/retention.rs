//! Events and entries of the audit log are kept for a while, and then no longer.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use wharf_storage::Store;

use crate::clock::now_ms;

/// How many rows go at once: between two steps the writer serves others.
const STEP: usize = 500;
/// The longest pause between two sweeps.
const PAUSE: Duration = Duration::from_mins(10);

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
    let mut rhythm = tokio::time::interval(PAUSE.min(kept / 10).max(Duration::from_millis(100)));
    rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    let rows = log.rows();
    loop {
        rhythm.tick().await;
        loop {
            match log.shorten(store, now_ms().saturating_sub(kept)).await {
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
