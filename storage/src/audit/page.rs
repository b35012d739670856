//! The audit log of an organization, page by page.

use std::ops::Bound;

use super::{AuditEntry, AuditId, AuditRecord, load};
use crate::{
    Result, Store,
    tables::{AUDIT, FIRST_ID, LAST_ID},
};

/// How many rows of the log one page looks at, those that the filter leaves out included.
const MOST_ROWS: usize = 5_000;

/// Which entries are wanted: those that fit everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Done to this session, or to something of it.
    pub session: Option<String>,
    /// Done by this key or person.
    pub actor: Option<String>,
}

impl AuditFilter {
    fn fits(&self, record: &AuditRecord) -> bool {
        self.session.as_ref().is_none_or(|session| record.object.get("session") == Some(session))
            && self.actor.as_ref().is_none_or(|actor| record.actor.to_string() == *actor)
    }
}

/// A part of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// Below which entry the next page begins; absent at the end of the log.
    pub next: Option<AuditId>,
}

impl Store {
    /// Up to `limit` entries of an organization below `before`, or from the newest one on. A page may be empty and yet
    /// not the last one.
    pub async fn audit_page(
        &self,
        organization: &str,
        before: Option<AuditId>,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<AuditPage> {
        let organization = organization.to_owned();
        self.read_many(move |txn| {
            let organization = organization.as_str();
            let end = before.map_or(Bound::Included((organization, LAST_ID)), |id| {
                Bound::Excluded((organization, id.bytes()))
            });
            let audit = txn.open_table(AUDIT)?;
            let rows =
                audit.range::<(&str, _)>((Bound::Included((organization, FIRST_ID)), end))?;
            let (mut entries, mut last) = (Vec::new(), None);
            for (seen, row) in rows.rev().enumerate() {
                if entries.len() == limit || seen == MOST_ROWS {
                    return Ok(AuditPage { entries, next: last });
                }
                let (key, value) = row?;
                let entry = load(txn.vault(), key.value(), value.value())?;
                last = Some(entry.id);
                if filter.fits(&entry.record) {
                    entries.push(entry);
                }
            }
            Ok(AuditPage { entries, next: None })
        })
        .await
    }
}
