//! Groups a session's account is in, and their members.
//!
//! What is stored is a copy: WhatsApp holds the truth. A full listing corrects it, notifications keep it current in
//! between, and after a gap the copy is marked stale until the next listing.

mod change;
mod record;
mod rows;
mod sync;
#[cfg(test)]
mod tests;

pub use record::{
    Description, Group, GroupChange, GroupDiff, GroupSnapshot, Member, MemberChange,
    MemberSnapshot, Role,
};
pub(crate) use rows::remove;

use std::ops::Bound;

use crate::{
    GroupJid, Result, SessionId, Store,
    tables::{ABOVE_ALL, GROUPS, MEMBERS},
};

impl Store {
    /// A group; `None` when it is not stored or was left.
    pub fn group(&self, session: SessionId, jid: &GroupJid) -> Result<Option<Group>> {
        self.read(|txn| {
            let groups = txn.open_table(GROUPS)?;
            let key = (session.bytes(), jid.as_ref());
            let Some(value) = groups.get(key)? else { return Ok(None) };
            let group: Group = txn.vault().decode(&GROUPS, &key, value.value())?;
            Ok((!group.left).then_some(group))
        })
    }

    /// Up to `limit` groups above `after` in the order of their addresses, without those left.
    pub async fn groups(
        &self,
        session: SessionId,
        after: Option<&GroupJid>,
        limit: usize,
    ) -> Result<Vec<Group>> {
        let after = after.cloned();
        self.read_many(move |txn| {
            let groups = txn.open_table(GROUPS)?;
            let start = (session.bytes(), after.as_ref().map_or("", AsRef::as_ref));
            let range = (Bound::Excluded(start), Bound::Excluded((session.bytes(), ABOVE_ALL)));
            groups
                .range(range)?
                .map(|row| {
                    let (key, value) = row?;
                    txn.vault().decode(&GROUPS, &key.value(), value.value())
                })
                .filter(|group: &Result<Group>| group.as_ref().map_or(true, |group| !group.left))
                .take(limit)
                .collect()
        })
        .await
    }

    /// Up to `limit` present members of a group above the LID `after`, in the order of their LIDs. Empty for a group
    /// that is not stored or was left.
    pub async fn members(
        &self,
        session: SessionId,
        jid: &GroupJid,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Member>> {
        let (jid, after) = (jid.clone(), after.map(str::to_owned));
        self.read_many(move |txn| {
            let members = txn.open_table(MEMBERS)?;
            let start = (session.bytes(), jid.as_ref(), after.as_deref().unwrap_or(""));
            let range = (
                Bound::Excluded(start),
                Bound::Excluded((session.bytes(), jid.as_ref(), ABOVE_ALL)),
            );
            members
                .range(range)?
                .take(limit)
                .map(|row| {
                    let (key, value) = row?;
                    txn.vault().decode(&MEMBERS, &key.value(), value.value())
                })
                .collect()
        })
        .await
    }
}
