//! Events and entries of the audit log are kept for a while, and then no longer.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use wharf_storage::Store;

use crate::clock::now_ms;

/// How many rows go at once: between two steps the writer serves others.
const STEP: usize = 500;
/// The longest pause between two sweeps.
const PAUSE: Duration = Duration::from_mins(10);

/// Removes what is older than it shall be kept, for as long as it is polled. A log in which nothing has expired is only
/// read.
pub(crate) async fn sweep(store: &Store, events_kept: Duration, audit_kept: Duration) {
    tokio::join!(
        keep("events", events_kept, async |before| store.sweep_events(before, STEP).await),
        keep("audit entries", audit_kept, async |before| store.sweep_audit(before, STEP).await),
    );
}

/// Removes rows in steps; `remove` takes those from before a time, and says how many there were.
async fn keep(
    what: &str,
    kept: Duration,
    mut remove: impl AsyncFnMut(i64) -> wharf_storage::Result<usize>,
) {
    let mut rhythm = tokio::time::interval(PAUSE.min(kept / 10).max(Duration::from_millis(100)));
    rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    loop {
        rhythm.tick().await;
        loop {
            match remove(now_ms().saturating_sub(kept)).await {
                Ok(0) => break,
                Ok(count) => tracing::debug!("{count} {what} have expired"),
                Err(wharf_storage::Error::Closed) => return std::future::pending().await,
                Err(error) => {
                    tracing::error!("expired {what} could not be removed: {error}");
                    break;
                }
            }
        }
    }
}
