//! The audit log of an organization: who did what to which object, from where, and what came of it.
//!
//! Entries stay when the session or the key that they tell of is removed.

mod id;
mod page;

pub use id::AuditId;
pub use page::{AuditFilter, AuditPage};

use std::{collections::BTreeMap, fmt, net::IpAddr};

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use crate::{
    KeyId, Result, Store,
    encryption::Vault,
    retention,
    tables::{AUDIT, COUNTERS, Id},
};

/// The counter of entries.
pub(crate) const LAST_ENTRY: &str = "last_audit";

/// Whoever did something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A program, by its API key.
    Key(KeyId),
    /// A person, by the subject of the login.
    Person(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::Person(subject) => subject.fmt(f),
        }
    }
}

/// What is noted of one request. Never a secret, never a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When it was answered, in epoch milliseconds.
    pub at: i64,
    /// Who asked for it.
    pub actor: Actor,
    /// What was asked for: the operation's id.
    pub operation: String,
    /// Ids of what it was done to, by their names, such as `session`.
    pub object: BTreeMap<String, String>,
    /// Where it came from, where that is known.
    pub address: Option<IpAddr>,
    /// The status of the answer; absent when the caller hung up before there was one.
    pub status: Option<u16>,
    /// The code of the error, for an answer that is one.
    pub code: Option<String>,
    /// The id of the request, which the log has too.
    pub request: String,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id, above that of every entry before it.
    pub id: AuditId,
    /// What it says.
    pub record: AuditRecord,
}

impl Store {
    /// Stores what was noted, each with the organization on whose behalf it was done, in this order.
    pub async fn record_audit(&self, records: Vec<(String, AuditRecord)>) -> Result<()> {
        self.write(move |txn| {
            let mut counters = txn.open_table(COUNTERS)?;
            let mut audit = txn.open_table(AUDIT)?;
            let mut last = counters.get(LAST_ENTRY)?.map_or(0, |last| last.value());
            for (organization, record) in &records {
                let id = AuditId::generate_above(last, record.at);
                last = id.number();
                let key = (organization.as_str(), id.bytes());
                audit.insert(key, txn.vault().encode(&AUDIT, &key, record).as_slice())?;
            }
            counters.insert(LAST_ENTRY, last)?;
            Ok(())
        })
        .await
    }

    /// Removes up to `limit` entries from before `before_ms` (epoch milliseconds), the oldest of each organization first;
    /// says how many. Writes nothing when there is none.
    pub async fn sweep_audit(&self, before_ms: i64, limit: usize) -> Result<usize> {
        let bound = AuditId::earliest(before_ms).bytes();
        let expired = self
            .read_many(move |txn| retention::oldest(&txn.open_table(AUDIT)?, bound, limit, |_| ()))
            .await?;
        if expired.is_empty() {
            return Ok(0);
        }
        self.write(move |txn| {
            let mut audit = txn.open_table(AUDIT)?;
            for (organization, id, ()) in &expired {
                audit.remove((organization.as_str(), *id))?;
            }
            Ok(expired.len())
        })
        .await
    }
}

fn load(vault: &Vault, key: (&str, Id), value: &[u8]) -> Result<AuditEntry> {
    let record = vault.decode(&AUDIT, &key, value)?;
    Ok(AuditEntry { id: AuditId::from_bytes(key.1), record })
}

#[cfg(test)]
mod tests;
