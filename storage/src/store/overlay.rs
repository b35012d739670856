//! Relaxed writes that are queued and not yet committed, so that their writer reads them back.

use std::collections::BTreeMap;

use super::Txn;
use crate::{
    Result,
    tables::{Rows, end_of},
};

/// One change of one protocol row.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    /// The table.
    pub(crate) table: Rows,
    /// The whole key, session first.
    pub(crate) key: Vec<u8>,
    /// The new value, or `None` to remove the row.
    pub(crate) value: Option<Vec<u8>>,
}

/// Applies `ops` in order.
pub(super) fn apply(ops: &[Op], txn: &Txn) -> Result<()> {
    ops.iter().try_for_each(|op| op.table.put(txn, &op.key, op.value.as_deref()))
}

/// Queued rows of a key range: the value, or `None` for a queued removal.
pub(super) type QueuedRows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What a queued write makes of a row: the value, or `None` for a removal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueuedValue(pub(super) Option<Vec<u8>>);

#[derive(Default)]
pub(super) struct Overlay {
    rows: BTreeMap<(Rows, Vec<u8>), Queued>,
}

struct Queued {
    /// The place in the queue of the write that set it.
    place: u64,
    value: Option<Vec<u8>>,
}

impl Overlay {
    pub(super) fn put(&mut self, ops: &[Op], place: u64) {
        for op in ops {
            self.rows.insert((op.table, op.key.clone()), Queued { place, value: op.value.clone() });
        }
    }

    /// Forgets what `ops` put in at `place`; a later write of the same row stays.
    pub(super) fn forget(&mut self, ops: &[Op], place: u64) {
        for op in ops {
            if let std::collections::btree_map::Entry::Occupied(row) =
                self.rows.entry((op.table, op.key.clone()))
                && row.get().place <= place
            {
                row.remove();
            }
        }
    }

    pub(super) fn get(&self, table: Rows, key: &[u8]) -> Option<QueuedValue> {
        if self.rows.is_empty() {
            return None;
        }
        self.rows.get(&(table, key.to_vec())).map(|queued| QueuedValue(queued.value.clone()))
    }

    pub(super) fn rows(&self, table: Rows, prefix: &[u8]) -> QueuedRows {
        let end = end_of(prefix);
        self.rows
            .range((table, prefix.to_vec())..)
            .take_while(|((of, key), _)| *of == table && end.as_ref().is_none_or(|end| key < end))
            .map(|((_, key), queued)| (key.clone(), queued.value.clone()))
            .collect()
    }
}

/// Stored rows as they will be once what is queued is committed, in key order.
pub(super) fn merge(
    stored: Vec<(Vec<u8>, Vec<u8>)>,
    queued: QueuedRows,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    if queued.is_empty() {
        return stored;
    }
    let mut rows: BTreeMap<_, _> = stored.into_iter().collect();
    for (key, value) in queued {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
    rows.into_iter().collect()
}
