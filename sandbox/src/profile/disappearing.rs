//! How long new chats with an account keep messages, unless the chat itself says so.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wacore_binary::{Node, NodeValue};

use super::{stanza as node, told};
use crate::profile;
use crate::stanza::{self, Answer, Push};
use crate::state::{Account, AccountId, DeviceAddr, State};

/// A time in seconds, 0 for ever, and when it was set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timer {
    /// How long messages are kept.
    pub(crate) seconds: u32,
    /// Epoch seconds; 0 if it never was.
    pub(crate) at: i64,
}

/// Answers an IQ in `disappearing_mode`; `None` for what this server does not know (wacore `iq/privacy.rs`,
/// `SetDefaultDisappearingModeSpec`).
pub(crate) fn timer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Answer> {
    if stanza::attr(iq, "type")? != "set" {
        return None;
    }
    let mode = iq.get_optional_child("disappearing_mode");
    let seconds = mode.and_then(|mode| mode.attrs.get("duration")).map(NodeValue::as_str);
    let Some(seconds) = seconds.and_then(|text| text.parse().ok()) else {
        return Some(stanza::error(iq, 400, "bad-request").into());
    };
    let pushes = profile::change::timer(state, from.account, Some(from), seconds);
    Some(Answer { reply: stanza::result(iq), pushes })
}

/// Sets the timer of an account, and says who is to hear of it: the account's other devices, and who knows the account.
pub(crate) fn set(
    state: &mut State,
    account: AccountId,
    acting: Option<DeviceAddr>,
    seconds: u32,
) -> Vec<Push> {
    let (own, others) = (state.stamp(), state.stamp());
    let Some(changed) = state.accounts.get_mut(account) else { return Vec::new() };
    changed.profile.timer = Timer { seconds, at: own.at };
    let synced = node::timer_synced(changed, &own);
    let node = node::timer_changed(changed, &others);
    let (name, pn) = (changed.name.clone(), changed.pn().to_string());
    let detail = json!({ "seconds": seconds });
    state.journal.record(state.clock.now_ms(), &name, "account.disappearing_mode", &pn, detail);
    let own = Push { account, except: acting, node: synced.into() };
    std::iter::once(own).chain(told(state, account, None, node)).collect()
}

impl Timer {
    /// What a usync query tells of it. An account that has set none has one of 0 seconds, set at 0.
    pub(crate) fn of(account: &Account) -> Node {
        node::timer(account.profile.timer)
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;
    use crate::devices;

    #[test]
    fn the_accounts_other_devices_hear_of_it_and_so_does_who_knows_it() {
        let mut state = State::default();
        let mut add = |name| state.accounts.add(name).expect("a free name");
        let (shop, mia, _) = (add("shop"), add("mia"), add("stranger"));
        devices::knows(&mut state, mia, shop);
        let acting = DeviceAddr { account: shop, device: 1 };
        let pushes = set(&mut state, shop, Some(acting), 60);
        let told: Vec<_> = pushes.iter().map(|push| (push.account, push.except)).collect();
        assert_eq!(told, [(shop, Some(acting)), (mia, None)]);
        let kinds: Vec<_> =
            pushes.iter().filter_map(|push| stanza::attr(&push.node, "type")).collect();
        assert_eq!(kinds, ["account_sync", "disappearing_mode"]);
        let mode = pushes[0].node.get_optional_child("disappearing_mode").expect("the timer");
        assert_eq!(stanza::attr(mode, "duration").as_deref(), Some("60"));
    }

    #[test]
    fn a_timer_is_a_number_of_seconds() {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        let from = DeviceAddr { account, device: 1 };
        let mut set = |kind: &'static str, mode: NodeBuilder| {
            let iq = NodeBuilder::new("iq").attr("type", kind).children([mode.build()]).build();
            let kind = timer(&mut state, from, &iq)?.reply;
            let at = state.accounts.get(account).expect("known").profile.timer;
            Some((stanza::attr(&kind, "type").expect("a type"), at.seconds))
        };
        let mode = || NodeBuilder::new("disappearing_mode");
        let kind = |kind: &str| kind.to_owned();
        assert_eq!(set("set", mode().attr("duration", 86_400)), Some((kind("result"), 86_400)));
        assert_eq!(set("set", mode()), Some((kind("error"), 86_400)));
        assert_eq!(set("set", mode().attr("duration", "-1")), Some((kind("error"), 86_400)));
        assert_eq!(set("set", NodeBuilder::new("mode")), Some((kind("error"), 86_400)));
        assert_eq!(set("set", mode().attr("duration", 0)), Some((kind("result"), 0)));
        assert_eq!(set("get", mode()), None);
    }
}
