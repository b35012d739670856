//! Events are kept for a while, and then no longer.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use wharf_storage::Store;

use crate::clock::now_ms;

/// How many events go at once: between two steps the writer serves others.
const STEP: usize = 500;
/// The longest pause between two sweeps.
const PAUSE: Duration = Duration::from_mins(10);

/// Removes events once they are older than `kept`, for as long as it is polled. A log in which nothing has expired is
/// only read.
pub(crate) async fn sweep(store: &Store, kept: Duration) {
    let mut rhythm = tokio::time::interval(PAUSE.min(kept / 10).max(Duration::from_millis(100)));
    rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    loop {
        rhythm.tick().await;
        loop {
            match store.sweep_events(now_ms().saturating_sub(kept), STEP).await {
                Ok(0) => break,
                Ok(count) => tracing::debug!("{count} events have expired"),
                Err(wharf_storage::Error::Closed) => return std::future::pending().await,
                Err(error) => {
                    tracing::error!("expired events could not be removed: {error}");
                    break;
                }
            }
        }
    }
}
