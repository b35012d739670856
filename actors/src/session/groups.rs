//! The stored groups follow WhatsApp: a whole sync on connect, notifications after it.

use std::{collections::HashSet, time::Duration};

use serde_json::{Map, Value, json};
use wharf_storage::{GroupJid, GroupSnapshot, MemberChange};

use super::{SessionMessage, SessionState, operations::Lane, settings::event_fields};
use crate::{
    clock::now_ms,
    error::{Refusal, Result},
    whatsapp::{Failure, GroupNews, NewsOf},
};

/// How long a group that could not be read waits for the next attempt.
const READ_AGAIN: Duration = Duration::from_secs(10);
/// How long it waits when WhatsApp asks for fewer questions and does not say how long.
const RATE_LIMITED: Duration = Duration::from_mins(1);
/// How long it waits while the store takes no writes, which is a question to nobody.
const STORE_AGAIN: Duration = Duration::from_secs(1);

impl SessionState {
    /// Replaces the stored groups by the list that WhatsApp gave, but for those that were `touched` while it was on its
    /// way: they are read one by one.
    pub(super) async fn store_groups(
        &self,
        groups: Vec<GroupSnapshot>,
        touched: HashSet<GroupJid>,
    ) -> Result<()> {
        let at = now_ms();
        let events = self.events.clone();
        self.store
            .sync_groups(self.id, groups, touched, at, move |diff| events.group_diff(diff, at))
            .await?;
        Ok(())
    }

    /// Somebody changed a group.
    pub(super) async fn group_changed(&mut self, news: GroupNews) -> Result<()> {
        let GroupNews { group, sender, change } = news;
        let at = now_ms();
        // What WhatsApp tells now is newer than what is on its way from it.
        if let Some(touched) = &mut self.syncing {
            touched.insert(group.clone());
        }
        if let Some(touched) = self.reading.get_mut(&group) {
            *touched = true;
        } else if self.lanes.is_busy(&Lane::Group(group.clone())) {
            // A change of ours is under way: its answer may be stored after this, though WhatsApp made it before.
            self.disturbed.insert(group.clone());
        }
        let known = match change {
            NewsOf::Settings(change) => {
                let event = self.events.group(&group, event_fields(&change), sender.as_deref(), at);
                self.store.change_group(self.id, &group, change, at, vec![event]).await?
            }
            NewsOf::Members { change, leavers } => {
                let own = self.own_addresses();
                if leavers.iter().any(|leaver| own.contains(leaver)) {
                    let reason = Map::from_iter([("reason".to_owned(), json!("left"))]);
                    let event = self.events.group(&group, reason, sender.as_deref(), at);
                    self.store.leave_group(self.id, &group, at, vec![event]).await?;
                    return Ok(());
                }
                let event =
                    self.events.participants(&group, member_fields(&change), sender.as_deref(), at);
                self.store.change_members(self.id, &group, change, at, vec![event]).await?
            }
            NewsOf::Unknown => false,
        };
        if !known {
            self.read_group(group);
        }
        Ok(())
    }

    /// A group was read back. A refusal says that this account is not in it. When it changed meanwhile, what was read may be
    /// older than what is stored, and it is read once more.
    pub(super) async fn group_read(
        &mut self,
        group: &GroupJid,
        outcome: Result<GroupSnapshot, Failure>,
    ) -> Result<()> {
        let at = now_ms();
        // Of one that nobody asked for since the connection began, the sync knows more.
        let Some(touched) = self.reading.remove(group) else { return Ok(()) };
        if touched {
            self.read_group(group.clone());
            return Ok(());
        }
        let stored = match outcome {
            Ok(found) => {
                let events = self.events.clone();
                let put = self
                    .store
                    .put_group(self.id, found, at, move |diff| events.group_diff(diff, at));
                put.await.map(drop)
            }
            Err(Failure::Refused(Refusal::Forbidden { .. } | Refusal::NotFound { .. })) => {
                let reason = Map::from_iter([("reason".to_owned(), json!("left"))]);
                let event = self.events.group(group, reason, None, at);
                self.store.leave_group(self.id, group, at, vec![event]).await.map(drop)
            }
            // The sync after the reconnect reads it.
            Err(Failure::Disconnected) => Ok(()),
            Err(Failure::Refused(Refusal::RateLimited { retry_after, .. })) => {
                self.postpone(group.clone(), retry_after.unwrap_or(RATE_LIMITED).max(READ_AGAIN));
                Ok(())
            }
            Err(_) => {
                tracing::debug!(session.id = %self.id, "a group was not read back, and is asked for again");
                self.read_later(group.clone());
                Ok(())
            }
        };
        match stored {
            Err(wharf_storage::Error::Unavailable { .. }) => self.read_once_writable(group.clone()),
            stored => stored?,
        }
        Ok(())
    }
}

impl SessionState {
    /// Reads a group for the store after a while.
    pub(super) fn read_later(&mut self, group: GroupJid) {
        self.postpone(group, READ_AGAIN);
    }

    /// The same for one that the store does not take now.
    pub(super) fn read_once_writable(&mut self, group: GroupJid) {
        self.postpone(group, STORE_AGAIN);
    }

    fn postpone(&mut self, group: GroupJid, delay: Duration) {
        if self.postponed.insert(group.clone()) {
            self.myself.send_after(delay, move || SessionMessage::ReadPostponed { group });
        }
    }

    /// The while is over.
    pub(super) fn read_postponed(&mut self, group: GroupJid) {
        self.postponed.remove(&group);
        self.read_group(group);
    }
}

fn member_fields(change: &MemberChange) -> Map<String, Value> {
    let joined: Vec<&str> = change.add.iter().map(|member| member.lid.as_str()).collect();
    let mut fields = Map::new();
    if !joined.is_empty() {
        fields.insert("join".to_owned(), json!(joined));
    }
    for (name, who) in
        [("leave", &change.remove), ("promote", &change.promote), ("demote", &change.demote)]
    {
        if !who.is_empty() {
            fields.insert(name.to_owned(), json!(who));
        }
    }
    fields
}
