//! Counts of what the sessions do at WhatsApp, for whoever watches the process.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use wharf_storage::{Distribution, Histogram, Reason, Status};

use crate::whatsapp::{DialFailure, Failure};

/// Bounds of the duration of an operation, in microseconds.
const MICROSECONDS: &[u64] = &[
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 20_000_000,
];

/// What the sessions have done since the process started, and how they are.
#[derive(Debug, Clone)]
pub struct Figures {
    /// How many sessions have each status, with its reason.
    pub sessions: BTreeMap<(&'static str, Option<&'static str>), usize>,
    /// Clients of the protocol library that are there: one for each session that runs, and those that are ending.
    pub clients: usize,
    /// How many dials had each outcome: `connected`, or what failed.
    pub dials: Vec<(&'static str, u64)>,
    /// Connections that ended and were begun anew without anybody asking for it.
    pub reconnects: u64,
    /// Operations at WhatsApp, those that happened.
    pub operations: Vec<OperationFigures>,
}

/// Operations of one kind that ended in one way.
#[derive(Debug, Clone)]
pub struct OperationFigures {
    /// What was asked, such as `set_subject`.
    pub kind: &'static str,
    /// How it ended: `ok`, `refused`, `timeout`, `disconnected` or `broken`.
    pub outcome: &'static str,
    /// Microseconds from the question to the answer.
    pub microseconds: Distribution,
}

/// What is asked of WhatsApp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    SetSubject,
    SetDescription,
    SetAnnounce,
    SetLocked,
    GetInvite,
    RevokeInvite,
    GetGroup,
    ListGroups,
    Unlink,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::SetSubject,
        Self::SetDescription,
        Self::SetAnnounce,
        Self::SetLocked,
        Self::GetInvite,
        Self::RevokeInvite,
        Self::GetGroup,
        Self::ListGroups,
        Self::Unlink,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::SetSubject => "set_subject",
            Self::SetDescription => "set_description",
            Self::SetAnnounce => "set_announce",
            Self::SetLocked => "set_locked",
            Self::GetInvite => "get_invite",
            Self::RevokeInvite => "revoke_invite",
            Self::GetGroup => "get_group",
            Self::ListGroups => "list_groups",
            Self::Unlink => "unlink",
        }
    }
}

/// How an operation ended, or a dial: the names, in the order of their counts.
const OUTCOMES: [&str; 5] = ["ok", "refused", "timeout", "disconnected", "broken"];
const DIALS: [&str; 5] = ["connected", "dns", "connect", "tls", "fenced"];

fn place_of<T>(outcome: &Result<T, Failure>) -> usize {
    match outcome {
        Ok(_) => 0,
        Err(Failure::Refused(_)) => 1,
        Err(Failure::Timeout) => 2,
        Err(Failure::Disconnected) => 3,
        Err(Failure::Broken(_)) => 4,
    }
}

/// The place of an operation whose caller stopped waiting for it.
const GIVEN_UP: usize = 2;

/// The counts themselves, shared by all sessions of a process.
#[derive(Debug)]
pub(crate) struct Counts {
    clients: AtomicUsize,
    dials: [AtomicU64; DIALS.len()],
    reconnects: AtomicU64,
    operations: [[Histogram; OUTCOMES.len()]; Kind::ALL.len()],
}

impl Default for Counts {
    fn default() -> Self {
        let histogram = |_| Histogram::new(MICROSECONDS);
        Self {
            clients: AtomicUsize::new(0),
            dials: Default::default(),
            reconnects: AtomicU64::new(0),
            operations: std::array::from_fn(|_| std::array::from_fn(histogram)),
        }
    }
}

impl Counts {
    /// A client of the library is made.
    pub(crate) fn client_made(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    /// A client of the library is gone, with all that it held.
    pub(crate) fn client_gone(&self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// A dial is over.
    pub(crate) fn dialled(&self, failure: Option<DialFailure>) {
        let place = match failure {
            None => 0,
            Some(DialFailure::Dns) => 1,
            Some(DialFailure::Connect) => 2,
            Some(DialFailure::Tls) => 3,
            Some(DialFailure::Fenced) => 4,
        };
        self.dials[place].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended and another will be tried.
    pub(crate) fn reconnects(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// An operation begins.
    pub(crate) fn begin(&self, kind: Kind) -> Asked<'_> {
        Asked { outcomes: &self.operations[kind as usize], begun: Instant::now(), place: GIVEN_UP }
    }

    /// What was counted so far; the sessions are for the caller to add.
    pub(crate) fn figures(&self) -> Figures {
        let dials = DIALS.iter().zip(&self.dials);
        let operations = Kind::ALL.iter().zip(&self.operations).flat_map(|(kind, outcomes)| {
            OUTCOMES.iter().zip(outcomes).map(|(outcome, histogram)| OperationFigures {
                kind: kind.as_str(),
                outcome,
                microseconds: histogram.distribution(),
            })
        });
        Figures {
            sessions: BTreeMap::new(),
            clients: self.clients.load(Ordering::Relaxed),
            dials: dials.map(|(name, count)| (*name, count.load(Ordering::Relaxed))).collect(),
            reconnects: self.reconnects.load(Ordering::Relaxed),
            operations: operations.filter(|one| one.microseconds.count() > 0).collect(),
        }
    }
}

impl Figures {
    /// Counts a session.
    pub(crate) fn add_session(&mut self, status: Status, reason: Option<Reason>) {
        let key = (status.as_str(), reason.map(Reason::as_str));
        *self.sessions.entry(key).or_default() += 1;
    }
}

/// An operation under way. One that is dropped before its end was given up by whoever waited.
#[must_use]
pub(crate) struct Asked<'a> {
    outcomes: &'a [Histogram; OUTCOMES.len()],
    begun: Instant,
    place: usize,
}

impl Asked<'_> {
    /// The operation is over; gives its outcome back.
    pub(crate) fn ended<T>(mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        self.place = place_of(&outcome);
        outcome
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.outcomes[self.place].add_duration(self.begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_counted_once_by_kind_and_outcome() {
        let counts = Counts::default();
        counts.begin(Kind::SetSubject).ended(Ok(())).unwrap();
        drop(counts.begin(Kind::Unlink).ended::<()>(Err(Failure::Disconnected)));
        drop(counts.begin(Kind::GetGroup));
        let seen: Vec<_> = counts
            .figures()
            .operations
            .into_iter()
            .map(|one| (one.kind, one.outcome, one.microseconds.count()))
            .collect();
        assert_eq!(
            seen,
            [("set_subject", "ok", 1), ("get_group", "timeout", 1), ("unlink", "disconnected", 1)]
        );
    }

    #[test]
    fn kinds_are_counted_in_the_order_of_their_names() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }
}
