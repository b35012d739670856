//! A snapshot for reading, which knows where a reader was when the file turned out to be broken.

use std::{cell::RefCell, io::ErrorKind, sync::Arc};

use redb::{Key, ReadOnlyTable, ReadTransaction, TableDefinition, TableError, TableHandle, Value};

use crate::{Error, Result, encryption::Vault, panics, tables};

/// All tables as they were at one commit, with what their values are encrypted with.
pub(crate) struct Snapshot {
    txn: ReadTransaction,
    vault: Arc<Vault>,
    /// The table that was opened last.
    table: RefCell<String>,
}

impl Snapshot {
    pub(super) fn new(txn: ReadTransaction, vault: Arc<Vault>) -> Self {
        Self { txn, vault, table: RefCell::default() }
    }

    /// What values are encrypted with, if anything.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A table.
    pub(crate) fn open_table<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, TableError> {
        let mut table = self.table.borrow_mut();
        table.clear();
        table.push_str(definition.name());
        drop(table);
        self.txn.open_table(definition)
    }

    /// The names of all tables in the file.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        Ok(self.txn.list_tables()?.map(|table| table.name().to_owned()).collect())
    }

    /// Reads. A page that is not what it was when it was written, which redb finds out or panics about, is an error that
    /// names the table.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        match panics::caught(|| work(self)) {
            Ok(Err(Error::Database(error))) => match damage(&error) {
                Some(reason) => Err(self.corrupt(reason)),
                None => Err(Error::Database(error)),
            },
            Ok(outcome) => outcome,
            Err(words) => Err(self.corrupt(words)),
        }
    }

    fn corrupt(&self, reason: String) -> Error {
        Error::Corrupt { table: tables::known_name(&self.table.borrow()), reason }
    }
}

/// What is wrong with the file, for an error that says so: a reference to what is beyond its end, for one.
pub(super) fn damage(error: &redb::Error) -> Option<String> {
    match error {
        redb::Error::Corrupted(reason) => Some(reason.clone()),
        // Every table is there from the start, and of one type.
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_) => Some(error.to_string()),
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Some(error.to_string()),
            _ => None,
        },
        _ => None,
    }
}
