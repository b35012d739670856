//! The one place that reads the clocks.
//!
//! There are two. The wall clock says what time it is, and may be set forth and back: what is told and stored is dated
//! by it. The steady clock only runs on, at its own pace: whatever is waited for is measured by it.

#[cfg(feature = "sandbox")]
use std::sync::atomic::{AtomicI64, Ordering};
use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// When the steady clock read zero.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How far ahead of the system's wall clock ours is, in milliseconds.
#[cfg(feature = "sandbox")]
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// The wall clock: milliseconds since the Unix epoch, zero for a clock set before it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everything else takes its time from"
)]
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).saturating_add(ahead()).max(0)
}

/// The steady clock: milliseconds since it was first read, by which no two processes can agree.
pub(crate) fn steady_ms() -> i64 {
    i64::try_from(BEGINNING.elapsed().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(not(feature = "sandbox"))]
fn ahead() -> i64 {
    0
}

#[cfg(feature = "sandbox")]
fn ahead() -> i64 {
    AHEAD.load(Ordering::Relaxed)
}

/// Sets the wall clock of this process so far ahead of the system's, or back, as an operator or a time server would.
#[cfg(feature = "sandbox")]
pub fn set_clock_ahead(milliseconds: i64) {
    AHEAD.store(milliseconds, Ordering::Relaxed);
}
