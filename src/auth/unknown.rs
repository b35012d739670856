//! Names of keys that callers gave and the key set does not have.
//!
//! Anybody can make up names, so they buy no more than one fetch in a while. A name that a fetch has shown to be absent
//! buys none: whoever repeats it does not use up the fetch that a real new key needs.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

/// How many names are remembered; the oldest go first.
const REMEMBERED: usize = 1024;

/// How long a name is remembered: an issuer may sign with a key before it lists it.
const MEMORY: Duration = Duration::from_mins(10);

/// What becomes of a name that the set does not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A fetch has shown that there is no such key.
    Absent,
    /// A fetch is due on its account.
    Due,
    /// A fetch will be made on its account, but not yet.
    Later,
}

/// The names, and when the set may be fetched on their account.
#[derive(Debug)]
pub(super) struct Unknown {
    /// Least time between two fetches on account of names.
    pause: Duration,
    /// From when the next such fetch may be made.
    allowed: Instant,
    /// Whether any name that came since the last fetch began asks for one.
    wanted: bool,
    /// When the last fetch that succeeded began: what was asked for earlier is absent.
    shown: Option<Instant>,
    first_asked: HashMap<String, Instant>,
    /// The same names, oldest first.
    order: VecDeque<String>,
}

impl Unknown {
    pub(super) fn new(pause: Duration, now: Instant) -> Self {
        Self {
            pause,
            allowed: now,
            wanted: false,
            shown: None,
            first_asked: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Notes that a caller named this key.
    pub(super) fn ask(&mut self, kid: &str, now: Instant) -> Verdict {
        let first = self.first_asked(kid, now);
        if self.shown.is_some_and(|shown| first < shown) {
            return Verdict::Absent;
        }
        self.wanted = true;
        if now < self.allowed { Verdict::Later } else { Verdict::Due }
    }

    /// When the fetch that names ask for may be made, if they ask for any.
    pub(super) fn wanted(&self) -> Option<Instant> {
        self.wanted.then_some(self.allowed)
    }

    /// Notes that a fetch is made on account of names.
    pub(super) fn spend(&mut self, now: Instant) {
        self.allowed = now + self.pause;
    }

    /// Notes that a fetch begins, for whatever reason: it serves every name that has come.
    pub(super) fn fetch_begins(&mut self) {
        self.wanted = false;
    }

    /// Notes that the fetch that began then brought a set.
    pub(super) fn fetch_succeeded(&mut self, began: Instant) {
        self.shown = Some(began);
    }

    fn first_asked(&mut self, kid: &str, now: Instant) -> Instant {
        if let Some(first) = self.first_asked.get_mut(kid) {
            if now.duration_since(*first) > MEMORY {
                *first = now;
            }
            return *first;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.first_asked.remove(&oldest);
        }
        self.order.push_back(kid.to_owned());
        self.first_asked.insert(kid.to_owned(), now);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const SECOND: Duration = Duration::from_secs(1);

    /// A fetch on account of names, which succeeds.
    fn fetch(unknown: &mut Unknown, at: Instant) {
        unknown.spend(at);
        unknown.fetch_begins();
        unknown.fetch_succeeded(at);
    }

    #[test]
    fn a_name_buys_one_fetch_and_then_none() {
        let start = Instant::now();
        let mut unknown = Unknown::new(MINUTE, start);
        assert_eq!(unknown.ask("a", start), Verdict::Due);
        assert_eq!(unknown.wanted(), Some(start));
        fetch(&mut unknown, start + SECOND);
        for after in [2 * SECOND, MINUTE, 5 * MINUTE] {
            assert_eq!(unknown.ask("a", start + after), Verdict::Absent);
        }
        assert_eq!(unknown.wanted(), None);
    }

    #[test]
    fn a_name_that_no_longer_buys_anything_leaves_the_fetch_to_a_new_one() {
        let start = Instant::now();
        let mut unknown = Unknown::new(MINUTE, start);
        unknown.ask("bad", start);
        fetch(&mut unknown, start + SECOND);
        unknown.ask("bad", start + 2 * MINUTE);
        assert_eq!(unknown.ask("new", start + 2 * MINUTE), Verdict::Due);
    }

    #[test]
    fn names_that_come_within_the_pause_share_the_next_fetch() {
        let start = Instant::now();
        let mut unknown = Unknown::new(MINUTE, start);
        unknown.ask("a", start);
        fetch(&mut unknown, start + SECOND);
        for number in 0..10_000 {
            let name = number.to_string();
            assert_eq!(unknown.ask(&name, start + 2 * SECOND), Verdict::Later);
        }
        assert_eq!(unknown.wanted(), Some(start + SECOND + MINUTE));
        assert!(unknown.order.len() == REMEMBERED && unknown.first_asked.len() == REMEMBERED);
    }

    #[test]
    fn a_name_is_not_absent_because_a_fetch_failed_or_began_before_it_came() {
        let start = Instant::now();
        let mut unknown = Unknown::new(MINUTE, start);
        unknown.ask("a", start);
        unknown.spend(start);
        unknown.fetch_begins();
        assert_eq!(unknown.ask("a", start + MINUTE), Verdict::Due);
        unknown.fetch_begins();
        let began = start + MINUTE + SECOND;
        assert_eq!(unknown.ask("b", began + SECOND), Verdict::Due);
        unknown.fetch_succeeded(began);
        assert_eq!(unknown.ask("a", began + 2 * SECOND), Verdict::Absent);
        assert_eq!(unknown.ask("b", began + 2 * SECOND), Verdict::Due);
    }

    #[test]
    fn an_absent_name_is_forgotten_in_the_end() {
        let start = Instant::now();
        let mut unknown = Unknown::new(MINUTE, start);
        unknown.ask("a", start);
        fetch(&mut unknown, start + SECOND);
        assert_eq!(unknown.ask("a", start + MEMORY + SECOND), Verdict::Due);
    }
}
