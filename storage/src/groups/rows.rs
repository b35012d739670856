//! The rows of a session's groups inside the writer's transaction.

use redb::{ReadableTable, Table};

use super::{Group, Member};
use crate::{
    Error, GroupJid, Result, SessionId,
    store::Txn,
    tables::{ABOVE_ALL, COUNTERS, GROUPS, Id, MEMBERS},
};

const LAST_ROW: &str = "last_row";

type Members<'t> = Table<'t, (Id, &'static str, &'static str), &'static [u8]>;

/// The tables of groups for one session. Those that most changes do not need are opened once they are.
pub(super) struct GroupRows<'t> {
    txn: &'t Txn,
    session: Id,
    groups: Table<'t, (Id, &'static str), &'static [u8]>,
    members: Option<Members<'t>>,
}

impl<'t> GroupRows<'t> {
    pub(super) fn open(txn: &'t Txn, session: SessionId) -> Result<Self> {
        let groups = txn.open_table(GROUPS)?;
        Ok(Self { txn, session: session.bytes(), groups, members: None })
    }

    fn member_rows(&mut self) -> Result<&mut Members<'t>> {
        let members = match self.members.take() {
            Some(open) => open,
            None => self.txn.open_table(MEMBERS)?,
        };
        Ok(self.members.insert(members))
    }

    /// A number no row of this file has had.
    pub(super) fn next_id(&mut self) -> Result<i64> {
        let mut counters = self.txn.open_table(COUNTERS)?;
        let next = counters.get(LAST_ROW)?.map_or(0, |last| last.value()) + 1;
        counters.insert(LAST_ROW, next)?;
        i64::try_from(next).map_err(|_| Error::Corrupt {
            table: "counters",
            reason: "row numbers are used up".to_owned(),
        })
    }

    /// A group, left or not.
    pub(super) fn group(&self, jid: &GroupJid) -> Result<Option<Group>> {
        let key = (self.session, jid.as_ref());
        let value = self.groups.get(key)?;
        value.map(|value| self.txn.vault().decode(&GROUPS, &key, value.value())).transpose()
    }

    /// Every group that was not left.
    pub(super) fn present(&self) -> Result<Vec<Group>> {
        self.groups
            .range((self.session, "")..(self.session, ABOVE_ALL))?
            .map(|row| {
                let (key, value) = row?;
                self.txn.vault().decode(&GROUPS, &key.value(), value.value())
            })
            .filter(|group: &Result<Group>| group.as_ref().map_or(true, |group| !group.left))
            .collect()
    }

    pub(super) fn put_group(&mut self, group: &Group) -> Result<()> {
        let key = (self.session, group.jid.as_ref());
        let value = self.txn.vault().encode(&GROUPS, &key, group);
        self.groups.insert(key, value.as_slice())?;
        Ok(())
    }

    pub(super) fn members(&mut self, jid: &GroupJid) -> Result<Vec<Member>> {
        let (session, vault) = (self.session, self.txn.vault());
        self.member_rows()?
            .range((session, jid.as_ref(), "")..(session, jid.as_ref(), ABOVE_ALL))?
            .map(|row| {
                let (key, value) = row?;
                vault.decode(&MEMBERS, &key.value(), value.value())
            })
            .collect()
    }

    pub(super) fn put_member(&mut self, jid: &GroupJid, member: &Member) -> Result<()> {
        let key = (self.session, jid.as_ref(), member.lid.as_str());
        let value = self.txn.vault().encode(&MEMBERS, &key, member);
        self.member_rows()?.insert(key, value.as_slice())?;
        Ok(())
    }

    pub(super) fn remove_member(&mut self, jid: &GroupJid, lid: &str) -> Result<()> {
        let session = self.session;
        self.member_rows()?.remove((session, jid.as_ref(), lid))?;
        Ok(())
    }

    /// Notes that the account is no longer in the group: the group stays, its members go.
    pub(super) fn leave(&mut self, before: &Group, at: i64) -> Result<Group> {
        let range =
            (self.session, before.jid.as_ref(), "")..(self.session, before.jid.as_ref(), ABOVE_ALL);
        self.member_rows()?.retain_in(range, |_, _| false)?;
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
pub(crate) fn remove(txn: &Txn, session: SessionId) -> Result<()> {
    let id = session.bytes();
    txn.open_table(GROUPS)?.retain_in((id, "")..(id, ABOVE_ALL), |_, _| false)?;
    txn.open_table(MEMBERS)?.retain_in((id, "", "")..(id, ABOVE_ALL, ""), |_, _| false)?;
    Ok(())
}
