//! Who connects next: one budget for every session of the process, decided with the time as an argument.
//!
//! What a budget allows goes first to what a caller waits for, then to sessions that have not failed, then to the others;
//! within each of these to one organization after the other, and within an organization to whoever was heard from last.
//! Nobody waits for ever: after [`PATIENCE`] connections that went before, it is the turn of those who were passed over.

mod pace;
#[cfg(test)]
mod properties;
mod queue;

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use tokio::time::Instant;

use pace::Pace;
use queue::{Queue, Rank};

/// How many may go before those whose turn is later, while they wait.
const PATIENCE: u32 = 8;

/// What all sessions of a process may do together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Connections that may be begun in a second.
    pub(crate) rate: NonZeroU32,
    /// Connections that may be on their way at once.
    pub(crate) places: usize,
}

/// When a session has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    /// Somebody waits for it.
    Caller,
    /// It shall run, and has not failed since it last worked.
    Fleet,
    /// Its last attempts came to nothing.
    Failing,
}

impl Turn {
    /// Every turn, the earliest first.
    pub(crate) const ALL: [Self; 3] = [Self::Caller, Self::Fleet, Self::Failing];

    /// The turn of a session whose last `failures` attempts came to nothing. `hurried`: somebody waits for it, which
    /// counts for as long as it may yet succeed.
    pub(crate) fn of(hurried: bool, failures: u32) -> Self {
        match (hurried, failures) {
            (true, 0 | 1) => Self::Caller,
            (false, 0) => Self::Fleet,
            _ => Self::Failing,
        }
    }

    /// Its name for whoever reads figures.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Fleet => "fleet",
            Self::Failing => "failing",
        }
    }
}

/// What decides where a session stands among those who wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Whose session it is.
    pub(crate) organization: Arc<str>,
    /// When its turn is.
    pub(crate) turn: Turn,
    /// How many attempts came to nothing since it last worked.
    pub(crate) failures: u32,
    /// When anything was last heard from WhatsApp, epoch milliseconds; 0 for never.
    pub(crate) heard_at: i64,
}

/// The order of all that wait, and what the budget has left.
#[derive(Debug)]
pub(crate) struct Schedule {
    places: usize,
    pace: Pace,
    /// By turn.
    waiting: [Queue; Turn::ALL.len()],
    /// Places taken, by turn.
    taken: [usize; Turn::ALL.len()],
    /// How many went before each turn since its own last one, while somebody waited there.
    passed_over: [u32; Turn::ALL.len()],
    /// Where each ticket waits.
    tickets: HashMap<u64, (Turn, Arc<str>, Rank)>,
}

impl Schedule {
    /// Nobody waits, and nothing is on its way.
    pub(crate) fn new(budget: Budget, now: Instant) -> Self {
        Self {
            places: budget.places.max(1),
            pace: Pace::new(budget.rate, now),
            waiting: Default::default(),
            taken: [0; Turn::ALL.len()],
            passed_over: [0; Turn::ALL.len()],
            tickets: HashMap::new(),
        }
    }

    /// Puts a session in line under a ticket, which nobody had before; of two that are alike the smaller one goes first.
    pub(crate) fn join(&mut self, ticket: u64, claim: &Claim) {
        let queue = &mut self.waiting[claim.turn as usize];
        if queue.is_empty() {
            self.passed_over[claim.turn as usize] = 0;
        }
        let rank = Rank::new(claim.failures, claim.heard_at, ticket);
        queue.push(&claim.organization, rank);
        self.tickets.insert(ticket, (claim.turn, Arc::clone(&claim.organization), rank));
    }

    /// Takes one out that waits no more; nothing happens when it does not wait.
    pub(crate) fn leave(&mut self, ticket: u64) {
        if let Some((turn, organization, rank)) = self.tickets.remove(&ticket) {
            self.waiting[turn as usize].remove(&organization, rank);
        }
    }

    /// The next that may connect now, if there is one: it has a place until [`Self::free`].
    pub(crate) fn admit(&mut self, now: Instant) -> Option<(u64, Turn)> {
        let turn = self.next_turn()?;
        if !self.pace.is_ready(now) {
            return None;
        }
        let ticket = self.waiting[turn as usize].pop()?;
        self.tickets.remove(&ticket);
        self.pace.take(now);
        self.taken[turn as usize] += 1;
        self.passed_over[turn as usize] = 0;
        for later in &Turn::ALL[turn as usize + 1..] {
            if !self.waiting[*later as usize].is_empty() {
                self.passed_over[*later as usize] += 1;
            }
        }
        Some((ticket, turn))
    }

    /// A place of this turn is free again.
    pub(crate) fn free(&mut self, turn: Turn) {
        let taken = &mut self.taken[turn as usize];
        *taken = taken.saturating_sub(1);
    }

    /// When [`Self::admit`] gives somebody, if nothing happens before; absent while that needs a place or an applicant.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.next_turn().map(|_| self.pace.ready_at(now))
    }

    /// How many wait for this turn.
    pub(crate) fn waiting(&self, turn: Turn) -> usize {
        self.waiting[turn as usize].len()
    }

    /// How many have a place.
    pub(crate) fn under_way(&self) -> usize {
        self.taken.iter().sum()
    }

    /// Whose turn it is among those who wait and for whom there is a place.
    fn next_turn(&self) -> Option<Turn> {
        if self.under_way() >= self.places {
            return None;
        }
        // What fails takes its time to: a quarter of the places is never taken by it.
        let most_failing = self.places - self.places / 4;
        let may = |turn: &Turn| {
            !self.waiting[*turn as usize].is_empty()
                && (*turn != Turn::Failing || self.taken[*turn as usize] < most_failing)
        };
        let passed_over = |turn: &Turn| self.passed_over[*turn as usize] >= PATIENCE;
        let mut turns = Turn::ALL.into_iter().filter(may);
        turns.clone().find(passed_over).or_else(|| turns.next())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn schedule(places: usize) -> (Schedule, Instant) {
        let now = Instant::now();
        let rate = NonZeroU32::new(1_000_000).unwrap();
        (Schedule::new(Budget { rate, places }, now), now)
    }

    fn claim(organization: &str, turn: Turn, failures: u32, heard_at: i64) -> Claim {
        Claim { organization: organization.into(), turn, failures, heard_at }
    }

    /// Admits while there are places.
    fn admitted(schedule: &mut Schedule, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| schedule.admit(now).map(|(ticket, _)| ticket)).collect()
    }

    /// Admits all that wait, one after the other.
    fn order(schedule: &mut Schedule, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| {
            let (ticket, turn) = schedule.admit(now)?;
            schedule.free(turn);
            Some(ticket)
        })
        .collect()
    }

    #[test]
    fn a_small_organization_does_not_wait_for_a_large_one() {
        let (mut schedule, now) = schedule(1);
        for ticket in 0..5_000 {
            schedule.join(ticket, &claim("large", Turn::Fleet, 0, 100));
        }
        for ticket in 5_000..5_003 {
            schedule.join(ticket, &claim("small", Turn::Fleet, 0, 1));
        }
        let order = order(&mut schedule, now);
        assert_eq!(&order[..7], [0, 5_000, 1, 5_001, 2, 5_002, 3]);
        assert_eq!(order.len(), 5_003);
    }

    #[test]
    fn who_was_heard_from_last_goes_first_within_an_organization() {
        let (mut schedule, now) = schedule(1);
        for (ticket, heard_at) in [(1, 10), (2, 30), (3, 0), (4, 20), (5, 30)] {
            schedule.join(ticket, &claim("acme", Turn::Fleet, 0, heard_at));
        }
        assert_eq!(order(&mut schedule, now), [2, 5, 4, 1, 3]);
    }

    #[test]
    fn a_caller_goes_before_the_fleet_and_the_fleet_before_what_fails() {
        let (mut schedule, now) = schedule(1);
        schedule.join(1, &claim("acme", Turn::Failing, 3, 90));
        schedule.join(2, &claim("acme", Turn::Failing, 1, 10));
        schedule.join(3, &claim("acme", Turn::Fleet, 0, 50));
        schedule.join(4, &claim("acme", Turn::Caller, 0, 0));
        assert_eq!(order(&mut schedule, now), [4, 3, 2, 1]);
    }

    #[test]
    fn the_turn_of_a_session_follows_from_who_waits_and_what_failed() {
        assert_eq!(Turn::of(false, 0), Turn::Fleet);
        assert_eq!((Turn::of(true, 0), Turn::of(true, 1)), (Turn::Caller, Turn::Caller));
        assert_eq!((Turn::of(false, 1), Turn::of(true, 2)), (Turn::Failing, Turn::Failing));
        for (place, turn) in Turn::ALL.into_iter().enumerate() {
            assert_eq!(turn as usize, place);
        }
    }

    #[test]
    fn those_who_are_passed_over_have_their_turn_all_the_same() {
        let (mut schedule, now) = schedule(1);
        for ticket in 0..100 {
            schedule.join(ticket, &claim("acme", Turn::Caller, 0, 0));
        }
        schedule.join(100, &claim("acme", Turn::Failing, 9, 0));
        let order = order(&mut schedule, now);
        assert_eq!(order.iter().position(|ticket| *ticket == 100), Some(PATIENCE as usize));
    }

    #[test]
    fn there_is_no_more_on_its_way_than_there_are_places() {
        let (mut schedule, now) = schedule(4);
        for ticket in 0..10 {
            schedule.join(ticket, &claim("acme", Turn::Fleet, 0, 0));
        }
        assert_eq!(admitted(&mut schedule, now).len(), 4);
        assert_eq!((schedule.under_way(), schedule.waiting(Turn::Fleet)), (4, 6));
        assert_eq!(schedule.next_at(now), None);
        schedule.free(Turn::Fleet);
        assert_eq!(admitted(&mut schedule, now).len(), 1);
    }

    #[test]
    fn what_fails_leaves_a_quarter_of_the_places_to_the_others() {
        let (mut schedule, now) = schedule(8);
        for ticket in 0..20 {
            schedule.join(ticket, &claim("acme", Turn::Failing, 1, 0));
        }
        assert_eq!(admitted(&mut schedule, now).len(), 6);
        schedule.join(20, &claim("acme", Turn::Fleet, 0, 0));
        schedule.join(21, &claim("acme", Turn::Caller, 0, 0));
        assert_eq!(admitted(&mut schedule, now), [21, 20]);
    }

    #[test]
    fn who_leaves_the_line_is_not_called_and_its_organization_has_one_turn_as_before() {
        let (mut schedule, now) = schedule(1);
        schedule.join(1, &claim("acme", Turn::Fleet, 0, 0));
        schedule.leave(1);
        schedule.leave(1);
        for ticket in 2..4 {
            schedule.join(ticket, &claim("acme", Turn::Fleet, 0, 0));
            schedule.join(ticket + 10, &claim("other", Turn::Fleet, 0, 0));
        }
        assert_eq!(order(&mut schedule, now), [2, 12, 3, 13]);
    }

    #[test]
    fn connections_begin_at_the_rate_and_not_faster() {
        let now = Instant::now();
        let rate = NonZeroU32::new(10).unwrap();
        let mut schedule = Schedule::new(Budget { rate, places: 100 }, now);
        for ticket in 0..30 {
            schedule.join(ticket, &claim("acme", Turn::Fleet, 0, 0));
        }
        let first = admitted(&mut schedule, now).len();
        assert_eq!(first, 2, "one, and a tenth of a second's worth");
        let next = schedule.next_at(now).unwrap();
        assert_eq!(next - now, Duration::from_millis(100));
        assert!(schedule.admit(next - Duration::from_millis(1)).is_none());
        assert_eq!(admitted(&mut schedule, next).len(), 1);
        assert_eq!(admitted(&mut schedule, now + Duration::from_secs(1)).len(), 2);
    }
}
