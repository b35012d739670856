//! The levers of what every client meets: latency, and a limit of its requests.

use std::time::Duration;

use crate::{RateLimit, Sandbox, state};

impl Sandbox {
    /// Sets how long each stanza to a client is held back, on open connections too and for what is held already. Their
    /// order stays, and none waits for another. With zero nothing is held back any more. More than a year is a year.
    pub fn delays_stanzas(&self, latency: Duration) {
        state::lock(self.state()).network.latency.set(latency);
    }

    /// Sets how often each account may ask; beyond it a request is refused with 429 and the seconds after which the next
    /// would pass. Keepalive pings do not count, and neither do the word that a device takes stanzas and anybody who is to be
    /// linked. With `None` there is no limit. What was asked before is forgotten.
    pub fn limits_requests(&self, limit: Option<RateLimit>) {
        state::lock(self.state()).limits.set(limit);
    }
}
