//! Newsletters, which apps call channels: one writes, everybody may follow, nothing is encrypted.
//!
//! `channel` is the data, `change` the rules; `graph` is the GraphQL channel on which they are managed, `request` the
//! IQs that read them, `relay` the messages and receipts to them, `stanza` how they look on the wire.

pub(crate) mod change;
mod channel;
pub(crate) mod graph;
mod levers;
pub(crate) mod relay;
pub(crate) mod request;
mod stanza;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wacore_binary::Jid;

use crate::groups::Refusal;

pub(crate) use channel::Channel;
pub use levers::NewsletterLever;
pub(crate) use levers::{act, post_text};
pub(crate) use relay::{Draft, Edit};

/// All newsletters, by the digits of their id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Newsletters {
    by_id: BTreeMap<String, Channel>,
    made: u64,
}

impl Newsletters {
    /// The newsletter at this address.
    pub(crate) fn find(&self, jid: &Jid) -> Result<&Channel, Refusal> {
        let found = self.by_id.get(jid.user.as_str());
        found.filter(|channel| channel.jid() == *jid).ok_or(Refusal::NotFound)
    }

    /// The newsletter at this address, to change it.
    pub(crate) fn find_mut(&mut self, jid: &Jid) -> Result<&mut Channel, Refusal> {
        let found = self.by_id.get_mut(jid.user.as_str());
        found.filter(|channel| channel.jid() == *jid).ok_or(Refusal::NotFound)
    }

    /// The newsletter that an invitation leads to.
    pub(crate) fn by_invite(&self, code: &str) -> Result<&Channel, Refusal> {
        self.by_id.values().find(|channel| channel.invite == code).ok_or(Refusal::NotFound)
    }

    /// Every newsletter, in the order in which they were made.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Channel> {
        self.by_id.values()
    }

    /// The newsletters that somebody owns or follows.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Channel> {
        self.by_id.values().filter(move |channel| channel.for_reader(name).is_ok())
    }

    fn next_id(&mut self) -> String {
        self.made += 1;
        format!("120363{:012}", 900_000_000_000 + self.made)
    }

    fn add(&mut self, channel: Channel) {
        self.by_id.insert(channel.id.clone(), channel);
    }

    fn remove(&mut self, jid: &Jid) {
        self.by_id.remove(jid.user.as_str());
    }
}
