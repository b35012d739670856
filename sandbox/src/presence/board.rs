//! The board on which it stands who is online, who watches whom, and what was typed lately.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wacore_binary::{Node, NodeValue};

use crate::clock::milliseconds;
use crate::relay::Addressing;
use crate::state::{AccountId, DeviceAddr};

/// Accounts that one device may watch; beyond that it hears of the first ones only.
const WATCHED: usize = 5000;

/// Chats whose latest state waits for a device.
const CHATS: usize = 64;

/// How long what somebody types waits for a device that is away, unless configured otherwise: clients show it for about
/// as long.
pub(crate) const CHAT_STATE_TTL: Duration = Duration::from_secs(30);

/// All of it; what an account or a device does not use costs nothing.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Board {
    /// Devices that are in use, by account.
    #[serde(skip)]
    online: HashMap<AccountId, BTreeSet<u16>>,
    /// Epoch seconds.
    seen: HashMap<AccountId, i64>,
    /// Who hears of an account, and by which address they know it.
    #[serde(skip)]
    watchers: HashMap<AccountId, BTreeMap<DeviceAddr, Addressing>>,
    /// Of whom a device hears.
    #[serde(skip)]
    watched: HashMap<DeviceAddr, BTreeSet<AccountId>>,
    #[serde(skip)]
    waiting: HashMap<DeviceAddr, Vec<Waiting>>,
    /// How long what somebody types waits for a device that is away.
    #[serde(skip)]
    pub(crate) chat_state_ttl: Duration,
}

/// The latest state of one person in one chat.
struct Waiting {
    node: Arc<Node>,
    until_ms: i64,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            online: HashMap::new(),
            seen: HashMap::new(),
            watchers: HashMap::new(),
            watched: HashMap::new(),
            waiting: HashMap::new(),
            chat_state_ttl: CHAT_STATE_TTL,
        }
    }
}

impl Board {
    /// Whether any device of the account is in use.
    pub(crate) fn is_online(&self, account: AccountId) -> bool {
        self.online.contains_key(&account)
    }

    /// When the account was last online, in epoch seconds; `None` if it never was.
    pub(crate) fn last_seen(&self, account: AccountId) -> Option<i64> {
        self.seen.get(&account).copied()
    }

    /// A device is in use, or not any more.
    pub(crate) fn turn(&mut self, device: DeviceAddr, on: bool, now: i64) {
        if on {
            self.online.entry(device.account).or_default().insert(device.device);
        } else if let Some(devices) = self.online.get_mut(&device.account) {
            devices.remove(&device.device);
            if devices.is_empty() {
                self.online.remove(&device.account);
                self.seen.insert(device.account, now);
            }
        }
    }

    /// A device wants to hear of an account.
    pub(crate) fn subscribe(&mut self, device: DeviceAddr, account: AccountId, way: Addressing) {
        let watched = self.watched.entry(device).or_default();
        if watched.len() < WATCHED || watched.contains(&account) {
            watched.insert(account);
            self.watchers.entry(account).or_default().insert(device, way);
        }
    }

    /// A device does not want to hear of an account any more.
    pub(crate) fn unsubscribe(&mut self, device: DeviceAddr, account: AccountId) {
        if let Some(watched) = self.watched.get_mut(&device) {
            watched.remove(&account);
        }
        self.unwatch(device, account);
    }

    /// A device hears of nobody any more.
    pub(crate) fn forget(&mut self, device: DeviceAddr) {
        for account in self.watched.remove(&device).unwrap_or_default() {
            self.unwatch(device, account);
        }
    }

    /// A device is linked no more; the next one of its number begins anew.
    pub(crate) fn remove(&mut self, device: DeviceAddr) {
        self.forget(device);
        self.waiting.remove(&device);
    }

    fn unwatch(&mut self, device: DeviceAddr, account: AccountId) {
        if let Some(watchers) = self.watchers.get_mut(&account) {
            watchers.remove(&device);
            if watchers.is_empty() {
                self.watchers.remove(&account);
            }
        }
    }

    /// Who hears of an account.
    pub(crate) fn watchers(&self, account: AccountId) -> Vec<(DeviceAddr, Addressing)> {
        let watchers = self.watchers.get(&account).into_iter().flatten();
        watchers.map(|(device, way)| (*device, *way)).collect()
    }

    /// Keeps what somebody types for a device that is away: of each person in each chat the latest.
    pub(crate) fn wait(&mut self, device: DeviceAddr, node: Arc<Node>, now_ms: i64) {
        let until_ms = now_ms.saturating_add(milliseconds(self.chat_state_ttl));
        let waiting = self.waiting.entry(device).or_default();
        waiting.retain(|other| !same(&other.node, &node));
        if waiting.len() == CHATS {
            waiting.remove(0);
        }
        waiting.push(Waiting { node, until_ms });
    }

    /// What waited for a device and is not too old.
    pub(crate) fn waited(&mut self, device: DeviceAddr, now_ms: i64) -> Vec<Arc<Node>> {
        let waiting = self.waiting.remove(&device).unwrap_or_default();
        waiting.into_iter().filter(|one| one.until_ms > now_ms).map(|one| one.node).collect()
    }
}

/// Whether two states are of the same person in the same chat.
fn same(one: &Node, other: &Node) -> bool {
    ["from", "participant"].iter().all(|name| {
        let value =
            |node: &Node| node.attrs.get(name).map(|value| NodeValue::as_str(value).into_owned());
        value(one) == value(other)
    })
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    const ME: DeviceAddr = DeviceAddr { account: AccountId(0), device: 1 };
    const YOU: AccountId = AccountId(1);

    #[test]
    fn an_account_is_online_while_any_device_is_in_use() {
        let mut board = Board::default();
        let [one, two] = [1, 2].map(|device| DeviceAddr { account: YOU, device });
        board.turn(one, true, 5);
        board.turn(two, true, 6);
        board.turn(one, false, 7);
        assert!(board.is_online(YOU) && board.last_seen(YOU).is_none());
        board.turn(two, false, 8);
        assert!(!board.is_online(YOU));
        assert_eq!(board.last_seen(YOU), Some(8));
    }

    #[test]
    fn nothing_stays_of_a_device_that_is_gone() {
        let mut board = Board::default();
        board.subscribe(ME, YOU, Addressing::Lid);
        assert_eq!(board.watchers(YOU), [(ME, Addressing::Lid)]);
        board.forget(ME);
        assert!(board.watchers(YOU).is_empty() && board.watched.is_empty());
        board.subscribe(ME, YOU, Addressing::Lid);
        board.unsubscribe(ME, YOU);
        assert!(board.watchers(YOU).is_empty());
    }

    #[test]
    fn the_latest_of_each_chat_waits_until_it_is_too_old() {
        let mut board = Board::default();
        let node = |from: &'static str, tag: &'static str| -> Arc<Node> {
            let what = NodeBuilder::new(tag).build();
            NodeBuilder::new("chatstate").attr("from", from).children([what]).build().into()
        };
        board.wait(ME, node("1@lid", "composing"), 10_000);
        board.wait(ME, node("2@lid", "composing"), 0);
        board.wait(ME, node("1@lid", "paused"), 12_000);
        let waited = board.waited(ME, 30_000);
        assert_eq!(waited.len(), 1);
        assert!(waited[0].get_optional_child("paused").is_some());
        assert!(board.waited(ME, 30_000).is_empty());
    }
}
