//! How often an account may ask: a limit that a test sets for everybody.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use wacore_binary::Node;

use crate::stanza;
use crate::state::{AccountId, State};

/// The longest time that a limit is for: a day.
const WINDOW_MAX: Duration = Duration::from_hours(24);

/// Nanoseconds.
const SECOND: u128 = 1_000_000_000;

/// So many requests of an account within so long a time: all of them at once, and then one by one as the time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    requests: NonZeroU32,
    window: Duration,
}

impl RateLimit {
    /// A limit; `None` without a request, or if the time is not 1 second to a day.
    pub fn new(requests: u32, window: Duration) -> Option<Self> {
        let requests = NonZeroU32::new(requests)?;
        (Duration::from_secs(1)..=WINDOW_MAX).contains(&window).then_some(Self { requests, window })
    }

    /// How many requests.
    pub fn requests(self) -> u32 {
        self.requests.get()
    }

    /// Within how long a time.
    pub fn window(self) -> Duration {
        self.window
    }

    /// From one request to the next when all are used up.
    fn step(self) -> Duration {
        self.window / self.requests.get()
    }
}

impl FromStr for RateLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (requests, seconds) = text.split_once('/').unwrap_or_default();
        requests
            .parse()
            .ok()
            .zip(seconds.parse().ok())
            .and_then(|(requests, seconds)| Self::new(requests, Duration::from_secs(seconds)))
            .ok_or("must be requests and seconds, such as `20/60`: at least 1, and 1 to 86400")
    }
}

/// The limit, and what of it is used up.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    limit: Option<RateLimit>,
    /// When an account that has asked may ask again as often as in the beginning; since the epoch.
    used: HashMap<AccountId, Duration>,
}

impl Limits {
    pub(crate) fn limit(&self) -> Option<RateLimit> {
        self.limit
    }

    /// Sets another limit, of which nothing is used up.
    pub(crate) fn set(&mut self, limit: Option<RateLimit>) {
        *self = Self { limit, used: HashMap::new() };
    }

    /// Takes a request of an account, or says after how many seconds one would be taken.
    fn take(&mut self, account: AccountId, now: Duration) -> Result<(), u32> {
        let Some(limit) = self.limit else { return Ok(()) };
        let used = self.used.entry(account).or_default();
        let full = now.max(*used);
        let room = now + limit.step() * (limit.requests() - 1);
        let wait = full.saturating_sub(room).as_nanos().div_ceil(SECOND);
        if wait > 0 {
            return Err(u32::try_from(wait).unwrap_or(u32::MAX));
        }
        *used = full + limit.step();
        Ok(())
    }
}

/// The refusal of a request that comes too soon. A keepalive ping never does, and neither does the word that a device takes
/// stanzas: clients say it once in a connection (whatsapp-rust `client/node_io.rs`), and would hear nothing until the next.
pub(crate) fn refusal(state: &mut State, account: AccountId, iq: &Node) -> Option<Node> {
    state.limits.limit()?;
    if matches!(stanza::attr(iq, "xmlns").as_deref(), Some("w:p" | "passive")) {
        return None;
    }
    let now = Duration::from_millis(state.clock.now_ms().unsigned_abs());
    let backoff = state.limits.take(account, now).err()?;
    Some(stanza::refusal(iq, 429, "rate-overlimit", Some(backoff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: AccountId = AccountId(0);

    fn limits(requests: u32, seconds: u64) -> Limits {
        let limit = RateLimit::new(requests, Duration::from_secs(seconds));
        assert!(limit.is_some());
        Limits { limit, ..Limits::default() }
    }

    #[test]
    fn all_requests_may_come_at_once_and_then_one_by_one() {
        let mut limits = limits(3, 60);
        let mut at = |ms: u64| limits.take(SHOP, Duration::from_millis(1_000_000 + ms));
        assert_eq!([at(0), at(0), at(0)], [Ok(()); 3]);
        assert_eq!([at(0), at(1), at(19_000), at(19_001)], [Err(20), Err(20), Err(1), Err(1)]);
        assert_eq!([at(20_000), at(20_000)], [Ok(()), Err(20)]);
        assert_eq!(
            [at(100_000), at(100_000), at(100_000), at(100_000)],
            [Ok(()), Ok(()), Ok(()), Err(20)]
        );
    }

    #[test]
    fn accounts_do_not_concern_each_other_and_another_limit_begins_anew() {
        let mut limits = limits(1, 10);
        let now = Duration::from_secs(1000);
        assert_eq!([limits.take(SHOP, now), limits.take(SHOP, now)], [Ok(()), Err(10)]);
        assert_eq!(limits.take(AccountId(1), now), Ok(()));
        limits.set(limits.limit());
        assert_eq!(limits.take(SHOP, now), Ok(()));
        limits.set(RateLimit::new(5000, Duration::from_secs(1)));
        assert!((0..5000).all(|_| limits.take(SHOP, now).is_ok()));
        assert_eq!(limits.take(SHOP, now), Err(1));
        limits.set(None);
        assert!((0..1000).all(|_| limits.take(SHOP, now).is_ok()) && limits.used.is_empty());
    }

    #[test]
    fn a_limit_is_written_as_requests_and_seconds() {
        assert_eq!("20/60".parse(), Ok(limits(20, 60).limit.expect("a limit")));
        for wrong in ["", "20", "20/", "/60", "0/60", "20/0", "20/86401", "-1/60", "20/60s"] {
            assert!(wrong.parse::<RateLimit>().is_err(), "{wrong}");
        }
    }
}
