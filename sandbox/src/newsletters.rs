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

#[cfg(test)]
mod tests {
    use super::change::{self, LIVE};
    use crate::Fault;
    use crate::faults::{Operation, Rule};
    use crate::newsletters::levers::post_text;
    use crate::state::{Device, DeviceAddr, State};

    #[test]
    fn devices_that_listen_hear_of_a_change_in_the_same_order_each_time() {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        let addrs: Vec<DeviceAddr> = (1..=8).map(|device| DeviceAddr { account, device }).collect();
        let new = change::Update { name: Some("Paper".to_owned()), ..Default::default() };
        let jid = change::create(&mut state, "shop", new).expect("a newsletter");
        let number = post_text(&mut state, &jid, None, Some("news")).expect("a message");
        let now = state.clock.now();
        let mut heard = Vec::new();
        for addr in &addrs {
            let opened = state.links.open(false);
            let mut device = Device::new(addr.device, 1, 7);
            device.log_in(opened.link);
            device.queue.start();
            state.accounts.get_mut(account).expect("known").devices.push(device);
            state.links.log_in(opened.link, *addr);
            state.newsletters.find_mut(&jid).expect("known").live.insert(*addr, now + LIVE);
            heard.push(opened.queue);
        }
        // The first four are told nothing.
        let operation = Operation::named("deliver.notification").expect("known");
        state.faults.order(Rule::next(operation, 4, Fault::silence_before()));
        change::react(&mut state, "shop", &jid, number, Some("👍".to_owned())).expect("taken");
        let heard: Vec<bool> = heard.iter_mut().map(|queue| queue.try_recv().is_ok()).collect();
        assert_eq!(heard, [false, false, false, false, true, true, true, true]);
    }
}
