//! The rows of a session's groups inside the writer's transaction.

use redb::{ReadableTable, Table, WriteTransaction};

use super::{Group, Member};
use crate::{
    Error, GroupJid, Result, SessionId, codec,
    tables::{COUNTERS, GROUPS, Id, MEMBERS},
};

pub(super) const GROUPS_NAME: &str = "groups";
pub(super) const MEMBERS_NAME: &str = "members";
/// Above every address: those are ASCII.
pub(super) const ABOVE_ALL: &str = "\u{10ffff}";
const LAST_ROW: &str = "last_row";

/// The tables of groups, open for one session. Close them before events are appended.
pub(super) struct GroupRows<'t> {
    session: Id,
    groups: Table<'t, (Id, &'static str), &'static [u8]>,
    members: Table<'t, (Id, &'static str, &'static str), &'static [u8]>,
    counters: Table<'t, &'static str, u128>,
}

impl<'t> GroupRows<'t> {
    pub(super) fn open(txn: &'t WriteTransaction, session: SessionId) -> Result<Self> {
        Ok(Self {
            session: session.bytes(),
            groups: txn.open_table(GROUPS)?,
            members: txn.open_table(MEMBERS)?,
            counters: txn.open_table(COUNTERS)?,
        })
    }

    /// A number no row of this file has had.
    pub(super) fn next_id(&mut self) -> Result<i64> {
        let next = self.counters.get(LAST_ROW)?.map_or(0, |last| last.value()) + 1;
        self.counters.insert(LAST_ROW, next)?;
        i64::try_from(next).map_err(|_| Error::Corrupt {
            table: "counters",
            reason: "row numbers are used up".to_owned(),
        })
    }

    /// A group, left or not.
    pub(super) fn group(&self, jid: &GroupJid) -> Result<Option<Group>> {
        let value = self.groups.get((self.session, jid.as_ref()))?;
        value.map(|value| codec::decode(GROUPS_NAME, value.value())).transpose()
    }

    /// Every group that was not left.
    pub(super) fn present(&self) -> Result<Vec<Group>> {
        self.groups
            .range((self.session, "")..(self.session, ABOVE_ALL))?
            .map(|row| codec::decode(GROUPS_NAME, row?.1.value()))
            .filter(|group: &Result<Group>| group.as_ref().map_or(true, |group| !group.left))
            .collect()
    }

    pub(super) fn put_group(&mut self, group: &Group) -> Result<()> {
        self.groups.insert((self.session, group.jid.as_ref()), codec::encode(group).as_slice())?;
        Ok(())
    }

    pub(super) fn members(&self, jid: &GroupJid) -> Result<Vec<Member>> {
        self.members
            .range((self.session, jid.as_ref(), "")..(self.session, jid.as_ref(), ABOVE_ALL))?
            .map(|row| codec::decode(MEMBERS_NAME, row?.1.value()))
            .collect()
    }

    pub(super) fn put_member(&mut self, jid: &GroupJid, member: &Member) -> Result<()> {
        let key = (self.session, jid.as_ref(), member.lid.as_str());
        self.members.insert(key, codec::encode(member).as_slice())?;
        Ok(())
    }

    pub(super) fn remove_member(&mut self, jid: &GroupJid, lid: &str) -> Result<()> {
        self.members.remove((self.session, jid.as_ref(), lid))?;
        Ok(())
    }

    /// Notes that the account is no longer in the group: the group stays, its members go.
    pub(super) fn leave(&mut self, before: &Group, at: i64) -> Result<Group> {
        let range =
            (self.session, before.jid.as_ref(), "")..(self.session, before.jid.as_ref(), ABOVE_ALL);
        self.members.retain_in(range, |_, _| false)?;
        let after = Group {
            left: true,
            stale: false,
            participant_count: 0,
            updated_at: at,
            ..before.clone()
        };
        self.put_group(&after)?;
        Ok(after)
    }
}

/// Removes every group of a session.
pub(crate) fn remove(txn: &WriteTransaction, session: SessionId) -> Result<()> {
    let id = session.bytes();
    txn.open_table(GROUPS)?.retain_in((id, "")..(id, ABOVE_ALL), |_, _| false)?;
    txn.open_table(MEMBERS)?.retain_in((id, "", "")..(id, ABOVE_ALL, ""), |_, _| false)?;
    Ok(())
}
