//! The levers of the clock.

use std::time::Duration;

use crate::{Sandbox, state};

impl Sandbox {
    /// The server's time in epoch milliseconds, as in the journal.
    pub fn clock_ms(&self) -> i64 {
        state::lock(self.state()).clock.now_ms()
    }

    /// Moves the server's clock on: what expires within this time has expired, and every time that clients are told from
    /// now on is later. It is the clock of this server alone, and never goes back; it ends
    /// with the year 9999.
    pub fn advances_clock(&self, span: Duration) {
        state::lock(self.state()).clock.advance(span);
    }

    /// Sets whether the server's clock stands still; it goes on from where it stands, and is moved on while it does.
    pub fn freezes_clock(&self, on: bool) {
        state::lock(self.state()).clock.freeze(on);
    }
}
