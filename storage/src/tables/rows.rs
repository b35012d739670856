//! A table of the protocol library's records: bytes to bytes.

use std::ops::Bound;

use redb::{Range, ReadableTable, TableDefinition, TableError, WriteTransaction};

use crate::{
    Result,
    encryption::Vault,
    store::{Snapshot, Txn},
};

/// The name of a protocol table, and what can be done with it inside a transaction. The bytes that go in and come out
/// are the library's: how a value is stored is the vault's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rows {
    name: &'static str,
}

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

impl Rows {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The table's name.
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    /// The redb table behind it.
    pub(crate) fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name)
    }

    /// The value of a key as this transaction sees it.
    pub(crate) fn get(self, txn: &Txn, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let table = txn.open_table(self.definition())?;
        let value = table.get(key)?;
        value.map(|value| txn.vault().unwrap(self.name, key, value.value())).transpose()
    }

    /// Sets the value of a key, or removes it with `None`.
    pub(crate) fn put(self, txn: &Txn, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let mut table = txn.open_table(self.definition())?;
        match value {
            Some(value) => table.insert(key, txn.vault().wrap(self.name, key, value).as_slice())?,
            None => table.remove(key)?,
        };
        Ok(())
    }

    /// Every row whose key starts with `prefix`, in key order, as this transaction sees it.
    pub(crate) fn scan(self, txn: &Txn, prefix: &[u8]) -> Result<Vec<Row>> {
        self.collect(txn.vault(), &txn.open_table(self.definition())?, prefix)
    }

    /// Removes every row whose key starts with `prefix`.
    pub(crate) fn remove_all(self, txn: &Txn, prefix: &[u8]) -> Result<()> {
        let end = end_of(prefix);
        let mut table = txn.open_table(self.definition())?;
        Ok(table.retain_in::<&[u8], _>(bounds(prefix, end.as_deref()), |_, _| false)?)
    }

    /// The value of a key in a snapshot.
    pub(crate) fn get_in(self, txn: &Snapshot, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let table = txn.open_table(self.definition())?;
        let value = table.get(key)?;
        value.map(|value| txn.vault().unwrap(self.name, key, value.value())).transpose()
    }

    /// Every row whose key starts with `prefix`, in key order, in a snapshot.
    pub(crate) fn scan_in(self, txn: &Snapshot, prefix: &[u8]) -> Result<Vec<Row>> {
        self.collect(txn.vault(), &txn.open_table(self.definition())?, prefix)
    }

    /// Whether more than `limit` rows have keys that start with `prefix`, in a snapshot.
    pub(crate) fn is_longer_in(self, txn: &Snapshot, prefix: &[u8], limit: usize) -> Result<bool> {
        Ok(self.range_in(txn, prefix)?.nth(limit).transpose()?.is_some())
    }

    /// What was put under `key`, of a value as it is in the file.
    pub(crate) fn value_of(self, txn: &Snapshot, key: &[u8], stored: &[u8]) -> Result<Vec<u8>> {
        txn.vault().unwrap(self.name, key, stored)
    }

    /// Every row whose key starts with `prefix` as it is in the file, in a snapshot.
    pub(crate) fn range_in(
        self,
        txn: &Snapshot,
        prefix: &[u8],
    ) -> Result<Range<'static, &'static [u8], &'static [u8]>> {
        let end = end_of(prefix);
        let table = txn.open_table(self.definition())?;
        Ok(table.range::<&[u8]>(bounds(prefix, end.as_deref()))?)
    }

    /// Creates the table where it does not exist.
    pub(crate) fn create(self, txn: &WriteTransaction) -> Result<(), TableError> {
        txn.open_table(self.definition()).map(drop)
    }

    fn collect(
        self,
        vault: &Vault,
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
        prefix: &[u8],
    ) -> Result<Vec<Row>> {
        let end = end_of(prefix);
        table
            .range::<&[u8]>(bounds(prefix, end.as_deref()))?
            .map(|row| {
                let (key, value) = row?;
                let bytes = vault.unwrap(self.name, key.value(), value.value())?;
                Ok((key.value().to_vec(), bytes))
            })
            .collect()
    }
}

fn bounds<'p>(prefix: &'p [u8], end: Option<&'p [u8]>) -> (Bound<&'p [u8]>, Bound<&'p [u8]>) {
    (Bound::Included(prefix), end.map_or(Bound::Unbounded, Bound::Excluded))
}

/// The first key above every key that starts with `prefix`; `None` when there is none.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_skips_trailing_maximal_bytes() {
        assert_eq!(end_of(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(end_of(&[1, 0xff]), Some(vec![2]));
        assert_eq!(end_of(&[0xff, 0xff]), None);
        assert_eq!(end_of(&[]), None);
    }
}
