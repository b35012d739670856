//! Dirty bits: the server tells a device that something it keeps is out of date, again at each login, until the device
//! says that it has read it anew.

use serde::{Deserialize, Serialize};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::stanza;
use crate::state::{AccountId, DeviceAddr, State};

/// What is out of date (wacore `iq/dirty.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dirty {
    /// Something of the account itself.
    AccountSync,
    /// The groups.
    Groups,
    /// The shared settings: a client reads all of them again.
    AppState,
    /// The newsletters.
    Newsletters,
}

impl Dirty {
    /// All of them.
    pub(crate) const ALL: [Self; 4] =
        [Self::AccountSync, Self::Groups, Self::AppState, Self::Newsletters];

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AccountSync => "account_sync",
            Self::Groups => "groups",
            Self::AppState => "syncd_app_state",
            Self::Newsletters => "newsletter_metadata",
        }
    }
}

/// A bit, and since when it is set, in epoch seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) what: Dirty,
    pub(crate) since: i64,
}

/// Sets a bit for every device of an account, and tells those that are logged in; says how many devices there are.
pub(crate) fn mark(state: &mut State, account: AccountId, what: Dirty) -> usize {
    let mark = Mark { what, since: state.clock.now() };
    let Some(account) = state.accounts.get_mut(account) else { return 0 };
    for device in &mut account.devices {
        device.dirty.retain(|known| known.what != what);
        device.dirty.push(mark);
        if let Some(link) = device.link {
            state.links.send(link, stanza(mark));
        }
    }
    account.devices.len()
}

/// What a device is told when it logs in.
pub(crate) fn of_device(state: &State, addr: DeviceAddr) -> Vec<Node> {
    let marks = state.accounts.device(addr).map(|device| &device.dirty);
    marks.into_iter().flatten().copied().map(stanza).collect()
}

/// A device has read something anew. A bit that was set later than the device says stays: it does not mean that one.
/// Baileys names the time of the bit before (`messages-recv.ts`), so its bits stay until the next.
pub(crate) fn clean(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let cleans: Vec<&Node> = iq.get_children_by_tag("clean").collect();
    let kinds: Option<Vec<String>> =
        cleans.iter().map(|clean| stanza::attr(clean, "type")).collect();
    let Some(kinds) = kinds.filter(|kinds| !kinds.is_empty()) else {
        return Some(stanza::error(iq, 400, "bad-request"));
    };
    let device = state.accounts.device_mut(from)?;
    for (clean, kind) in cleans.into_iter().zip(kinds) {
        let at = stanza::attr(clean, "timestamp").and_then(|time| time.parse::<i64>().ok());
        let covers = |since: i64| at.is_none_or(|at| at >= since);
        device.dirty.retain(|mark| mark.what.name() != kind || !covers(mark.since));
    }
    Some(stanza::result(iq))
}

fn stanza(mark: Mark) -> Node {
    let dirty =
        NodeBuilder::new("dirty").attr("type", mark.what.name()).attr("timestamp", mark.since);
    NodeBuilder::new("ib").children([dirty.build()]).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Device;

    fn iq(clean: NodeBuilder) -> Node {
        NodeBuilder::new("iq").attr("id", "1").children([clean.build()]).build()
    }

    #[test]
    fn a_bit_stays_until_it_is_cleaned() {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        state.accounts.get_mut(account).expect("just made").devices.push(Device::new(1, 1, 7));
        let addr = DeviceAddr { account, device: 1 };
        assert_eq!(mark(&mut state, account, Dirty::Groups), 1);
        mark(&mut state, account, Dirty::Groups);
        mark(&mut state, account, Dirty::AccountSync);
        let cleaned = |state: &mut State, clean: NodeBuilder| {
            let reply = clean_reply(state, addr, clean);
            (reply, of_device(state, addr).len())
        };
        let clean = || NodeBuilder::new("clean");
        assert_eq!(cleaned(&mut state, clean()), ("error".to_owned(), 2));
        let early = clean().attr("type", "groups").attr("timestamp", 1);
        assert_eq!(cleaned(&mut state, early), ("result".to_owned(), 2));
        assert_eq!(cleaned(&mut state, clean().attr("type", "groups")), ("result".to_owned(), 1));
        let late = clean().attr("type", "account_sync").attr("timestamp", i64::MAX);
        assert_eq!(cleaned(&mut state, late), ("result".to_owned(), 0));
    }

    fn clean_reply(state: &mut State, addr: DeviceAddr, clean: NodeBuilder) -> String {
        let reply = super::clean(state, addr, &iq(clean)).expect("an answer");
        stanza::attr(&reply, "type").expect("a type")
    }
}
