//! What the server applied, in order: the record a test or a developer reads instead of guessing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::state::{Shared, lock};

/// Entries kept; the oldest go first. Sequence numbers go on, so a reader notices a gap.
const KEPT: usize = 100_000;

/// Entries that outlive the process.
const SAVED: usize = 10_000;

/// One change that the server accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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

/// Which entries of the journal are wanted; by default all of them.
#[derive(Debug, Clone, Default)]
pub struct JournalFilter {
    after: u64,
    account: Option<String>,
    operation: Option<String>,
    object: Option<String>,
}

impl JournalFilter {
    /// Those with a sequence number above this one.
    #[must_use]
    pub fn after(self, sequence: u64) -> Self {
        Self { after: sequence, ..self }
    }

    /// Those of this account.
    #[must_use]
    pub fn account(self, name: impl Into<String>) -> Self {
        Self { account: Some(name.into()), ..self }
    }

    /// Those of this operation, or of a whole area if it ends with a dot: `group.`.
    #[must_use]
    pub fn operation(self, operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..self }
    }

    /// Those that were done to this.
    #[must_use]
    pub fn object(self, object: impl Into<String>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    fn takes(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        let operation = self.operation.as_deref().is_none_or(|wanted| {
            wanted == entry.operation
                || wanted.ends_with('.') && entry.operation.starts_with(wanted)
        });
        operation && is(&self.account, &entry.account) && is(&self.object, &entry.object)
    }
}

/// Waits for entries that are wanted; says after which number the others come.
pub(crate) async fn wait(
    shared: &Shared,
    wanted: &JournalFilter,
    limit: usize,
) -> (Vec<Entry>, u64) {
    loop {
        let mut changes = {
            let journal = &lock(shared).journal;
            let (entries, next) = journal.page(wanted, limit);
            if !entries.is_empty() {
                return (entries, next);
            }
            journal.changes()
        };
        // The journal lives as long as the state, and so does its sender.
        let _ = changes.changed().await;
    }
}

/// Writes the newest of the entries.
fn newest<S: Serializer>(entries: &VecDeque<Entry>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entries.range(entries.len().saturating_sub(SAVED)..))
}

/// The list of entries, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    #[serde(serialize_with = "newest")]
    entries: VecDeque<Entry>,
    last: u64,
    #[serde(skip)]
    changed: watch::Sender<()>,
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
        self.changed.send_replace(());
        self.last
    }

    /// Up to `limit` of the entries that are wanted, oldest first, and the number after which the others come.
    pub(crate) fn page(&self, wanted: &JournalFilter, limit: usize) -> (Vec<Entry>, u64) {
        let start = self.entries.partition_point(|entry| entry.sequence <= wanted.after);
        let entries = self.entries.range(start..).filter(|entry| wanted.takes(entry));
        let entries: Vec<Entry> = entries.take(limit).cloned().collect();
        let next = match entries.last() {
            Some(last) if entries.len() == limit => last.sequence,
            _ => self.last.max(wanted.after),
        };
        (entries, next)
    }

    /// Whether an account has sent a message with this id to an object that is as wanted.
    pub(crate) fn has_message(
        &self,
        account: &str,
        id: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> bool {
        // What is sent again was sent a short while ago.
        self.entries.iter().rev().any(|entry| {
            entry.operation == "message"
                && entry.account == account
                && entry.detail["id"] == id
                && wanted(&entry.object)
        })
    }

    /// Follows the changes.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
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
        let after = |number| JournalFilter::default().after(number);
        let (page, next) = journal_of(5).page(&after(2), 2);
        assert_eq!(page.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(next, 4);
        for (number, next) in [(5, 5), (9, 9)] {
            assert_eq!(journal_of(5).page(&after(number), 2), (vec![], next));
        }
    }

    #[test]
    fn a_filter_takes_an_account_an_object_an_operation_and_an_area() {
        let mut journal = journal_of(1);
        journal.record(7, "boss", "group.subject_like", "2@g.us", json!({}));
        journal.record(7, "boss", "message", "1@g.us", json!({}));
        let all = JournalFilter::default;
        for (filter, wanted) in [
            (all(), vec![1, 2, 3]),
            (all().account("boss"), vec![2, 3]),
            (all().object("1@g.us"), vec![1, 3]),
            (all().operation("group."), vec![1, 2]),
            (all().operation("group.subject"), vec![1]),
            (all().operation("group"), vec![]),
            (all().account("boss").object("1@g.us"), vec![3]),
            (all().operation("group.").after(1), vec![2]),
        ] {
            let (entries, next) = journal.page(&filter, 10);
            let numbers: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
            assert_eq!((numbers, next), (wanted, 3), "{filter:?}");
        }
    }

    #[test]
    fn the_oldest_entries_go_when_the_journal_is_full() {
        let journal = journal_of(KEPT + 2);
        assert_eq!(journal.all().len(), KEPT);
        assert_eq!(journal.page(&JournalFilter::default(), 1).0[0].sequence, 3);
    }
}
