//! Changes of one stored group, from a notification or from a command that WhatsApp accepted.
//!
//! A change that says what is stored already writes nothing and records no event: the notification of a change of our
//! own comes after the command has stored it.

use super::{
    Group, GroupChange, Member, MemberChange, Role,
    rows::GroupRows,
    sync::{new_member, update_member},
};
use crate::{GroupJid, NewEvent, Result, SessionId, Store, events::append};

impl Store {
    /// Changes settings of a group. False, with nothing written and no event, when it is not stored or was left.
    pub async fn change_group(
        &self,
        session: SessionId,
        jid: &GroupJid,
        change: GroupChange,
        at: i64,
        events: Vec<NewEvent>,
    ) -> Result<bool> {
        self.change_present(session, jid, at, events, move |_, group| {
            let before = group.clone();
            if let Some(subject) = &change.subject {
                group.subject = Some(subject.clone());
            }
            if let Some(description) = &change.description {
                group.description.clone_from(&description.text);
                group.description_id.clone_from(&description.id);
            }
            group.announce = change.announce.unwrap_or(group.announce);
            group.locked = change.locked.unwrap_or(group.locked);
            Ok(*group != before)
        })
        .await
    }

    /// Changes members of a group. False, with nothing written and no event, when it is not stored or was left.
    pub async fn change_members(
        &self,
        session: SessionId,
        jid: &GroupJid,
        change: MemberChange,
        at: i64,
        events: Vec<NewEvent>,
    ) -> Result<bool> {
        self.change_present(session, jid, at, events, move |rows, group| {
            change_members(rows, group, &change, at)
        })
        .await
    }

    /// Notes that the account is no longer in a group. False, with nothing written and no event, when it is not
    /// stored or was left before.
    pub async fn leave_group(
        &self,
        session: SessionId,
        jid: &GroupJid,
        at: i64,
        events: Vec<NewEvent>,
    ) -> Result<bool> {
        let jid = jid.clone();
        self.write(move |txn| {
            let mut rows = GroupRows::open(txn, session)?;
            let Some(group) = rows.group(&jid)?.filter(|group| !group.left) else {
                return Ok(false);
            };
            rows.leave(&group, at)?;
            drop(rows);
            append(txn, &events);
            Ok(true)
        })
        .await
    }

    /// Notes that notifications may have been missed: every group is stale until a listing has it.
    pub async fn mark_groups_stale(&self, session: SessionId, at: i64) -> Result<()> {
        self.write(move |txn| {
            let mut rows = GroupRows::open(txn, session)?;
            for group in rows.present()?.into_iter().filter(|group| !group.stale) {
                rows.put_group(&Group { stale: true, updated_at: at, ..group })?;
            }
            Ok(())
        })
        .await
    }

    async fn change_present<F>(
        &self,
        session: SessionId,
        jid: &GroupJid,
        at: i64,
        events: Vec<NewEvent>,
        mut change: F,
    ) -> Result<bool>
    where
        F: FnMut(&mut GroupRows<'_>, &mut Group) -> Result<bool> + Send + 'static,
    {
        let jid = jid.clone();
        self.write(move |txn| {
            let mut rows = GroupRows::open(txn, session)?;
            let Some(mut group) = rows.group(&jid)?.filter(|group| !group.left) else {
                return Ok(false);
            };
            if change(&mut rows, &mut group)? {
                group.updated_at = at;
                rows.put_group(&group)?;
                drop(rows);
                append(txn, &events);
            }
            Ok(true)
        })
        .await
    }
}

fn change_members(
    rows: &mut GroupRows<'_>,
    group: &mut Group,
    change: &MemberChange,
    at: i64,
) -> Result<bool> {
    let jid = &group.jid;
    let mut changed = false;
    for listed in &change.add {
        let members = rows.members(jid)?;
        let known =
            find(&members, &listed.lid).or_else(|| find(&members, listed.phone.as_deref()?));
        changed |= if let Some(known) = known {
            update_member(rows, jid, known, listed, at)?
        } else {
            let id = rows.next_id()?;
            rows.put_member(jid, &new_member(id, listed, at))?;
            true
        };
    }
    let members = rows.members(jid)?;
    for member in change.remove.iter().filter_map(|address| find(&members, address)) {
        rows.remove_member(jid, &member.lid)?;
        changed = true;
    }
    let members = rows.members(jid)?;
    let promoted = change.promote.iter().map(|address| (address, Role::Admin, Role::Member));
    let demoted = change.demote.iter().map(|address| (address, Role::Member, Role::Admin));
    for (address, to, from) in promoted.chain(demoted) {
        if let Some(member) = find(&members, address).filter(|member| member.role == from) {
            rows.put_member(jid, &Member { role: to, last_seen_at: at, ..member.clone() })?;
            changed = true;
        }
    }
    group.participant_count = u32::try_from(rows.members(jid)?.len()).unwrap_or(u32::MAX);
    Ok(changed)
}

fn find<'m>(members: &'m [Member], address: &str) -> Option<&'m Member> {
    members.iter().find(|member| member.lid == address || member.phone.as_deref() == Some(address))
}
