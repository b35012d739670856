//! The server's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Epoch milliseconds.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Epoch seconds: the unit of every `t` attribute.
pub(crate) fn now() -> i64 {
    now_ms() / 1000
}
