//! What the server applied, in order: the record a test or a developer reads instead of guessing.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

/// Entries kept; the oldest go first. Sequence numbers go on, so a reader notices a gap.
const KEPT: usize = 100_000;

/// One change that the server accepted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Position in the journal: 1 for the first entry, then one more each time.
    pub sequence: u64,
    /// When it was applied, in epoch milliseconds.
    pub at_ms: i64,
    /// Name of the account that made the change.
    pub account: String,
    /// What was done, as `area.verb`: `group.subject`, `group.promote`, ...
    pub operation: String,
    /// What it was done to: the JID of a group, for instance.
    pub object: String,
    /// The operation's own values.
    pub detail: Value,
}

/// The list of entries, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Journal {
    /// Adds an entry and returns its sequence number.
    pub(crate) fn record(
        &mut self,
        at_ms: i64,
        account: &str,
        operation: &str,
        object: &str,
        detail: Value,
    ) -> u64 {
        self.last += 1;
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            sequence: self.last,
            at_ms,
            account: account.to_owned(),
            operation: operation.to_owned(),
            object: object.to_owned(),
            detail,
        });
        self.last
    }

    /// Up to `limit` entries with a sequence number above `after`, oldest first.
    pub(crate) fn after(&self, after: u64, limit: usize) -> Vec<Entry> {
        let start = self.entries.partition_point(|entry| entry.sequence <= after);
        self.entries.range(start..).take(limit).cloned().collect()
    }

    /// Everything that is kept.
    pub(crate) fn all(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn journal_of(count: usize) -> Journal {
        let mut journal = Journal::default();
        for number in 0..count {
            journal.record(7, "shop", "group.subject", "1@g.us", json!({ "number": number }));
        }
        journal
    }

    #[test]
    fn entries_are_numbered_from_one_in_order() {
        let sequences: Vec<u64> = journal_of(3).all().iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, [1, 2, 3]);
    }

    #[test]
    fn a_page_starts_after_the_given_entry_and_stops_at_the_limit() {
        let page = journal_of(5).after(2, 2);
        assert_eq!(page.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [3, 4]);
        assert!(journal_of(5).after(5, 2).is_empty());
    }

    #[test]
    fn the_oldest_entries_go_when_the_journal_is_full() {
        let journal = journal_of(KEPT + 2);
        assert_eq!(journal.all().len(), KEPT);
        assert_eq!(journal.after(0, 1)[0].sequence, 3);
    }
}
