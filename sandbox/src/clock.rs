//! The server's time: the system's, moved on by tests.
//!
//! It is part of the state, so each server has its own. Whatever expires, and every time that a client is told, is read
//! here; how long the server itself waits for somebody (handshakes, faults, levers) is not.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The last millisecond of the year 9999: later times are no dates to many, and microseconds of them no numbers.
const END_MS: i64 = 253_402_300_799_999;

/// More than anybody waits: a time so far ahead is still one.
pub(crate) const WAIT_MAX: Duration = Duration::from_hours(24 * 365);

/// The time of one server. It never goes back: where the system's does, it waits for it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// How far it is ahead of the system's in milliseconds; less than nothing after it has stood still.
    ahead_ms: i64,
    /// The time at which it stands still, in epoch milliseconds.
    stands_ms: Option<i64>,
    /// The latest time that it has told, in epoch milliseconds.
    #[serde(default)]
    latest: AtomicI64,
}

impl Clock {
    /// Epoch milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.at(system_ms())
    }

    /// Epoch seconds: the unit of every `t` attribute.
    pub(crate) fn now(&self) -> i64 {
        self.now_ms() / 1000
    }

    /// How far it is ahead of the system's, in milliseconds.
    pub(crate) fn ahead_ms(&self) -> i64 {
        let system = system_ms();
        self.at(system).saturating_sub(system)
    }

    /// Whether it stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        self.stands_ms.is_some()
    }

    /// Moves it on, standing or not; at the end of the year 9999 it stays.
    pub(crate) fn advance(&mut self, span: Duration) {
        let span = milliseconds(span);
        if let Some(stands) = &mut self.stands_ms {
            *stands = stands.saturating_add(span).min(END_MS);
        } else {
            let system = system_ms();
            self.ahead_ms = self.at(system).saturating_add(span).min(END_MS) - system;
        }
    }

    /// Stops it, or lets it go on from where it stands.
    pub(crate) fn freeze(&mut self, on: bool) {
        match (on, self.stands_ms) {
            (true, None) => self.stands_ms = Some(self.now_ms()),
            (false, Some(_)) => {
                self.ahead_ms = self.ahead_ms();
                self.stands_ms = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Its time when the system's is this.
    fn at(&self, system: i64) -> i64 {
        let now =
            self.stands_ms.unwrap_or_else(|| system.saturating_add(self.ahead_ms).min(END_MS));
        self.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

/// A span in milliseconds, the longest there is if it is longer.
pub(crate) fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_ms() -> i64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_clock_goes_with_the_systems_and_is_moved_on() {
        let mut clock = Clock::default();
        let before = clock.now_ms();
        assert!(before >= system_ms() - 1000 && clock.ahead_ms() == 0);
        clock.advance(DAY);
        assert!(clock.now_ms() >= before + milliseconds(DAY));
        assert_eq!((clock.ahead_ms(), clock.now()), (milliseconds(DAY), clock.now_ms() / 1000));
        assert!(Clock::default().ahead_ms() == 0, "another one stays");
    }

    #[test]
    fn a_clock_waits_for_a_systems_that_was_set_back() {
        // Of a version that did not know what it had told.
        let mut clock: Clock =
            serde_json::from_str(r#"{"ahead_ms": 7, "stands_ms": null}"#).expect("a clock");
        assert_eq!(clock.ahead_ms(), 7);
        let told = clock.at(system_ms() + milliseconds(DAY));
        assert_eq!((clock.at(system_ms()), clock.now_ms()), (told, told));
        let written = serde_json::to_string(&clock).expect("a clock");
        let again: Clock = serde_json::from_str(&written).expect("a clock");
        assert_eq!(again.now_ms(), told);
        let ahead = clock.ahead_ms();
        assert!(ahead <= milliseconds(DAY) + 7 && ahead > milliseconds(DAY) - 60_000, "{ahead}");
        clock.freeze(true);
        assert_eq!(clock.now_ms(), told);
        clock.freeze(false);
        clock.advance(DAY);
        let now = clock.now_ms();
        assert!(now >= told + milliseconds(DAY) && now < told + milliseconds(DAY) + 60_000);
    }

    #[test]
    fn a_clock_goes_no_further_than_dates_do() {
        for frozen in [false, true] {
            let mut clock = Clock::default();
            clock.freeze(frozen);
            for span in [Duration::MAX, DAY, Duration::MAX] {
                clock.advance(span);
                assert_eq!(clock.now_ms(), END_MS);
            }
            assert!(clock.ahead_ms() < END_MS);
            clock.freeze(!frozen);
            assert_eq!(clock.now_ms(), END_MS);
        }
    }

    #[test]
    fn a_clock_that_stands_is_moved_on_and_goes_on_from_there() {
        let mut clock = Clock::default();
        clock.freeze(true);
        let stood = clock.now_ms();
        clock.freeze(true);
        clock.advance(DAY);
        assert!(clock.is_frozen() && clock.now_ms() == stood + milliseconds(DAY));
        clock.freeze(false);
        clock.freeze(false);
        let now = clock.now_ms();
        assert!(!clock.is_frozen() && now >= stood + milliseconds(DAY));
        assert!(now < stood + milliseconds(DAY) + 60_000);
    }
}
