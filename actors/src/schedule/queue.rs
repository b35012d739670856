//! Those who wait for one turn: organizations take theirs one after the other.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

/// The place of a session within its organization: fewer failures first, then whoever was heard from last, then whoever
/// came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    failures: u32,
    heard_at: Reverse<i64>,
    ticket: u64,
}

impl Rank {
    pub(super) fn new(failures: u32, heard_at: i64, ticket: u64) -> Self {
        Self { failures, heard_at: Reverse(heard_at), ticket }
    }
}

/// A line of lines.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The organizations of which somebody waits, each once, the next one first.
    organizations: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, BTreeSet<Rank>>,
    len: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, organization: &Arc<str>, rank: Rank) {
        let line = self.waiting.entry(Arc::clone(organization)).or_default();
        if line.is_empty() {
            self.organizations.push_back(Arc::clone(organization));
        }
        self.len += usize::from(line.insert(rank));
    }

    /// Takes out the next; its organization goes to the end.
    pub(super) fn pop(&mut self) -> Option<u64> {
        let organization = self.organizations.pop_front()?;
        let line = self.waiting.get_mut(&organization)?;
        let next = line.pop_first()?;
        self.len -= 1;
        if line.is_empty() {
            self.waiting.remove(&organization);
        } else {
            self.organizations.push_back(organization);
        }
        Some(next.ticket)
    }

    pub(super) fn remove(&mut self, organization: &Arc<str>, rank: Rank) {
        let Some(line) = self.waiting.get_mut(organization) else { return };
        self.len -= usize::from(line.remove(&rank));
        if line.is_empty() {
            self.waiting.remove(organization);
            self.organizations.retain(|other| other != organization);
        }
    }
}
