//! A snapshot for reading.

use std::{ops::Deref, sync::Arc};

use redb::ReadTransaction;

use crate::encryption::Vault;

/// All tables as they were at one commit, with what their values are encrypted with.
pub(crate) struct Snapshot {
    txn: ReadTransaction,
    vault: Arc<Vault>,
}

impl Snapshot {
    pub(super) fn new(txn: ReadTransaction, vault: Arc<Vault>) -> Self {
        Self { txn, vault }
    }

    /// What values are encrypted with, if anything.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }
}

impl Deref for Snapshot {
    type Target = ReadTransaction;

    fn deref(&self) -> &ReadTransaction {
        &self.txn
    }
}
