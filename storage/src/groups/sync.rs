//! Bringing the stored groups in line with what WhatsApp lists.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{Group, GroupDiff, GroupSnapshot, Member, MemberSnapshot, rows::GroupRows};
use crate::{
    GroupJid, NewEvent, Result, SessionId, Store,
    events::append,
    store::{FEW_ROWS, Snapshot},
    tables::{ABOVE_ALL, GROUPS, MEMBERS},
};

impl Store {
    /// Takes over the full list of the groups the account is in. Groups that are not in it become left. A group in `except`
    /// stays as it is stored, if it is, whatever the list says. `events` is asked once for every group that
    /// really changed; it may be asked again should the write be repeated.
    pub async fn sync_groups<F>(
        &self,
        session: SessionId,
        snapshots: Vec<GroupSnapshot>,
        except: HashSet<GroupJid>,
        at: i64,
        events: F,
    ) -> Result<()>
    where
        F: Fn(&GroupDiff) -> Vec<NewEvent> + Send + 'static,
    {
        // Most lists say what is stored, and a fleet that returns asks for all of them at once: the writer has no part
        // in that.
        let (snapshots, except) = (Arc::new(snapshots), Arc::new(except));
        let (listed, left_out) = (Arc::clone(&snapshots), Arc::clone(&except));
        let compare = move |txn: &Snapshot| is_as_listed(txn, session, &listed, &left_out);
        let members: usize = snapshots.iter().map(|snapshot| 1 + snapshot.members.len()).sum();
        let same =
            if members > FEW_ROWS { self.read_many(compare).await? } else { self.read(compare)? };
        if same {
            return Ok(());
        }
        self.write(move |txn| {
            let mut new = Vec::new();
            let mut rows = GroupRows::open(txn, session)?;
            for snapshot in snapshots.iter() {
                if except.contains(&snapshot.jid) && rows.group(&snapshot.jid)?.is_some() {
                    continue;
                }
                if let (_, Some(diff)) = take_over(&mut rows, snapshot, at)? {
                    new.extend(events(&diff));
                }
            }
            let listed: BTreeSet<&GroupJid> =
                snapshots.iter().map(|snapshot| &snapshot.jid).collect();
            let gone = |group: &Group| !listed.contains(&group.jid) && !except.contains(&group.jid);
            for before in rows.present()?.into_iter().filter(gone) {
                let after = rows.leave(&before, at)?;
                new.extend(events(&Members::default().into_diff(Some(before), after)));
            }
            drop(rows);
            append(txn, &new);
            Ok(())
        })
        .await
    }

    /// Takes over one group as WhatsApp describes it, and gives it as it is stored now. `events` as in
    /// [`Store::sync_groups`].
    pub async fn put_group<F>(
        &self,
        session: SessionId,
        snapshot: GroupSnapshot,
        at: i64,
        events: F,
    ) -> Result<Group>
    where
        F: Fn(&GroupDiff) -> Vec<NewEvent> + Send + 'static,
    {
        self.write(move |txn| {
            let (group, diff) = take_over(&mut GroupRows::open(txn, session)?, &snapshot, at)?;
            append(txn, &diff.map_or_else(Vec::new, |diff| events(&diff)));
            Ok(group)
        })
        .await
    }
}

/// Whether the stored groups, but for those in `except`, are what the list says, so that [`Store::sync_groups`] would write
/// nothing.
fn is_as_listed(
    txn: &Snapshot,
    session: SessionId,
    listed: &[GroupSnapshot],
    except: &HashSet<GroupJid>,
) -> Result<bool> {
    let id = session.bytes();
    let mut unseen: HashMap<&GroupJid, &GroupSnapshot> =
        listed.iter().map(|snapshot| (&snapshot.jid, snapshot)).collect();
    for row in txn.open_table(GROUPS)?.range((id, "")..(id, ABOVE_ALL))? {
        let (key, value) = row?;
        let group: Group = txn.vault().decode(&GROUPS, &key.value(), value.value())?;
        let same = match unseen.remove(&group.jid) {
            _ if except.contains(&group.jid) => true,
            Some(snapshot) => group == listed_group(snapshot, &group) && !group.left,
            None => group.left,
        };
        if !same {
            return Ok(false);
        }
    }
    if !unseen.is_empty() {
        return Ok(false);
    }
    let (mut members, mut stored) = (HashMap::new(), 0);
    let except: HashSet<&str> = except.iter().map(AsRef::as_ref).collect();
    for snapshot in listed.iter().filter(|snapshot| !except.contains(snapshot.jid.as_ref())) {
        for member in &snapshot.members {
            members.entry((snapshot.jid.as_ref(), member.lid.as_str())).or_insert(member);
        }
    }
    for row in txn.open_table(MEMBERS)?.range((id, "", "")..(id, ABOVE_ALL, ""))? {
        let (key, value) = row?;
        let member: Member = txn.vault().decode(&MEMBERS, &key.value(), value.value())?;
        let (_, jid, lid) = key.value();
        if except.contains(jid) {
            continue;
        }
        // Looked up, not taken out: what is taken out would have to outlive this row.
        let same =
            members.get(&(jid, lid)).is_some_and(|listed| listed_member(listed, &member) == member);
        stored += 1;
        if !same {
            return Ok(false);
        }
    }
    Ok(stored == members.len())
}

/// What happened to the members of a group.
#[derive(Default)]
struct Members {
    count: u32,
    joined: Vec<String>,
    left: Vec<String>,
    promoted: Vec<String>,
    demoted: Vec<String>,
}

impl Members {
    fn changed(&self) -> bool {
        [&self.joined, &self.left, &self.promoted, &self.demoted]
            .iter()
            .any(|list| !list.is_empty())
    }

    fn into_diff(self, before: Option<Group>, after: Group) -> GroupDiff {
        let Self { joined, left, promoted, demoted, .. } = self;
        GroupDiff { before, after, joined, left, promoted, demoted }
    }
}

/// Stores the snapshot where it differs from what is stored.
fn take_over(
    rows: &mut GroupRows<'_>,
    snapshot: &GroupSnapshot,
    at: i64,
) -> Result<(Group, Option<GroupDiff>)> {
    let before = rows.group(&snapshot.jid)?;
    let members = take_over_members(rows, snapshot, at)?;
    let mut after = match &before {
        Some(before) => listed_group(snapshot, before),
        None => new_group(rows.next_id()?, snapshot, at),
    };
    after.participant_count = members.count;
    let same =
        before.as_ref().is_some_and(|before| after == Group { stale: false, ..before.clone() });
    let was_stale = before.as_ref().is_some_and(|before| before.stale);
    let changed = !same || members.changed();
    if changed {
        after.updated_at = at;
    }
    if changed || was_stale {
        rows.put_group(&after)?;
    }
    let diff = changed.then(|| members.into_diff(before, after.clone()));
    Ok((after, diff))
}

/// A group that was not stored, as the list has it; its members are to be counted.
fn new_group(id: i64, snapshot: &GroupSnapshot, at: i64) -> Group {
    Group {
        id,
        jid: snapshot.jid.clone(),
        subject: snapshot.subject.clone(),
        description: snapshot.description.clone(),
        description_id: snapshot.description_id.clone(),
        announce: snapshot.announce,
        locked: snapshot.locked,
        owner: snapshot.owner.clone(),
        created_at: snapshot.created_at,
        participant_count: 0,
        lid_addressing: snapshot.lid_addressing,
        first_seen_at: at,
        updated_at: at,
        left: false,
        stale: false,
    }
}

/// A stored group with what the list says of it, but for the number of its members.
fn listed_group(snapshot: &GroupSnapshot, before: &Group) -> Group {
    Group {
        created_at: snapshot.created_at.or(before.created_at),
        participant_count: before.participant_count,
        first_seen_at: before.first_seen_at,
        updated_at: before.updated_at,
        ..new_group(before.id, snapshot, before.first_seen_at)
    }
}

fn take_over_members(
    rows: &mut GroupRows<'_>,
    snapshot: &GroupSnapshot,
    at: i64,
) -> Result<Members> {
    let mut stored: HashMap<String, Member> = rows
        .members(&snapshot.jid)?
        .into_iter()
        .map(|member| (member.lid.clone(), member))
        .collect();
    let mut lid_of: HashMap<String, String> = stored
        .values()
        .filter_map(|member| Some((member.phone.clone()?, member.lid.clone())))
        .collect();
    let mut changes = Members::default();
    let mut seen = BTreeSet::new();
    for listed in snapshot.members.iter().filter(|listed| seen.insert(listed.lid.as_str())) {
        changes.count += 1;
        // A member stored under the phone number before the LID was known is the same member.
        let known = stored.remove(&listed.lid).or_else(|| {
            let phone = listed.phone.as_ref()?;
            stored.remove(phone).or_else(|| stored.remove(&lid_of.remove(phone)?))
        });
        let Some(known) = known else {
            let id = rows.next_id()?;
            rows.put_member(&snapshot.jid, &new_member(id, listed, at))?;
            changes.joined.push(listed.lid.clone());
            continue;
        };
        if listed.role > known.role {
            changes.promoted.push(listed.lid.clone());
        } else if listed.role < known.role {
            changes.demoted.push(listed.lid.clone());
        }
        update_member(rows, &snapshot.jid, &known, listed, at)?;
    }
    let mut gone: Vec<String> = stored.into_keys().collect();
    gone.sort_unstable();
    for lid in &gone {
        rows.remove_member(&snapshot.jid, lid)?;
    }
    changes.left = gone;
    Ok(changes)
}

pub(super) fn new_member(id: i64, listed: &MemberSnapshot, at: i64) -> Member {
    Member {
        id,
        lid: listed.lid.clone(),
        phone: listed.phone.clone(),
        role: listed.role,
        first_seen_at: at,
        last_seen_at: at,
        tag: None,
    }
}

/// A stored member with what the list says of it.
fn listed_member(listed: &MemberSnapshot, known: &Member) -> Member {
    Member {
        lid: listed.lid.clone(),
        phone: listed.phone.clone().or_else(|| known.phone.clone()),
        role: listed.role,
        ..known.clone()
    }
}

/// Stores what the listing says of a known member; false when nothing of it is new.
pub(super) fn update_member(
    rows: &mut GroupRows<'_>,
    jid: &GroupJid,
    known: &Member,
    listed: &MemberSnapshot,
    at: i64,
) -> Result<bool> {
    let mut member = listed_member(listed, known);
    if member == *known {
        return Ok(false);
    }
    if member.lid != known.lid {
        rows.remove_member(jid, &known.lid)?;
    }
    member.last_seen_at = at;
    rows.put_member(jid, &member)?;
    Ok(true)
}
