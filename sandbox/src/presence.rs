//! Who is online, who is typing, and who hears of it.
//!
//! Nothing here is kept for long: a presence goes to those who have subscribed to it and listen, what somebody types
//! waits for a device that is away only as long as it can still be true.

mod board;
mod levers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tracing::warn;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, Server};

pub(crate) use board::{Board, CHAT_STATE_TTL};
pub use levers::ChatState;
pub(crate) use levers::{appear, show};

use crate::relay::{Addresses, Addressing};
use crate::stanza::{attr, jid};
use crate::state::{AccountId, DeviceAddr, State, visible};
use crate::tokens::{self, Shown};

/// A device says that it is in use or not, or whose presence it wants to hear of.
pub(crate) fn presence(state: &mut State, from: DeviceAddr, node: &Node) {
    let kind = attr(node, "type");
    let target = jid(node, "to");
    match (kind.as_deref(), target) {
        (None | Some("available"), None) => {
            name(state, from.account, attr(node, "name"));
            turn(state, from, true);
        }
        (Some("unavailable"), None) => turn(state, from, false),
        (Some("subscribe"), Some(target)) => {
            subscribe(state, from, &target, Shown::in_query(node));
        }
        (Some("unsubscribe"), Some(target)) => {
            if let Some(account) = state.accounts.by_jid(&target).map(|account| account.id) {
                state.board.unsubscribe(from, account);
            }
        }
        (kind, _) => warn!(kind, "a presence that makes no sense"),
    }
}

/// The name that others see comes with every presence.
fn name(state: &mut State, account: AccountId, name: Option<String>) {
    if let Some(name) = name.filter(|name| !name.is_empty())
        && let Some(account) = state.accounts.get_mut(account)
    {
        visible(&name).clone_into(&mut account.push_name);
    }
}

/// A device is in use, or not any more; the last one of an account takes it offline.
pub(crate) fn turn(state: &mut State, device: DeviceAddr, on: bool) {
    let before = state.board.is_online(device.account);
    state.board.turn(device, on, state.clock.now());
    if before == state.board.is_online(device.account) || hides(state, device.account) {
        return;
    }
    for (watcher, way) in state.board.watchers(device.account) {
        if state.blocks(device.account, watcher.account) {
            continue;
        }
        if let Some(node) = shown(state, device.account, way) {
            state.tell(watcher, node);
        }
    }
}

/// The device's connection is gone, and with it what it wanted to hear.
pub(crate) fn gone(state: &mut State, device: DeviceAddr) {
    turn(state, device, false);
    state.board.forget(device);
}

/// The device is linked no more: it is not in use, and nothing waits for it.
pub(crate) fn removed(state: &mut State, device: DeviceAddr) {
    turn(state, device, false);
    state.board.remove(device);
}

/// The answer to a subscription is the presence as it is; who lacks the token that the account demands hears nothing.
fn subscribe(state: &mut State, from: DeviceAddr, target: &Jid, shown_tokens: Shown<'_>) {
    let Some(way) = Addressing::of(target) else { return };
    let Some(account) = state.accounts.by_jid(target) else { return };
    if account.privacy.blocks(from.account) {
        return;
    }
    let account = account.id;
    if !tokens::passes(state, from.account, account, shown_tokens) {
        return;
    }
    state.board.subscribe(from, account, way);
    if let Some(node) = shown(state, account, way) {
        state.tell(from, node);
    }
}

/// Whether nobody is to see that an account is online: it hides when it was last seen, and this along with it.
fn hides(state: &State, account: AccountId) -> bool {
    state.accounts.get(account).is_some_and(|account| {
        let value = |category| account.privacy.value(category);
        value("last") == "none" && value("online") == "match_last_seen"
    })
}

/// An account's presence: when it was last seen is told of those who are not online.
fn shown(state: &State, account: AccountId, way: Addressing) -> Option<Arc<Node>> {
    let from = way.person(state.accounts.get(account)?);
    let node = NodeBuilder::new("presence").attr("from", from);
    if state.board.is_online(account) && !hides(state, account) {
        return Some(node.attr("type", "available").build().into());
    }
    let node = node.attr("type", "unavailable");
    let shows = state.accounts.get(account)?.privacy.value("last") != "none";
    Some(match state.board.last_seen(account).filter(|_| shows) {
        Some(at) => node.attr("last", at).build().into(),
        None => node.attr("last", "deny").build().into(),
    })
}

/// Somebody is typing or recording, or has stopped: the others in the chat hear of it.
pub(crate) fn chat_state(state: &mut State, from: DeviceAddr, node: &Node) {
    let Some(to) = jid(node, "to") else { return };
    let Some(what) = node.children().and_then(<[Node]>::first) else { return };
    let Some((addresses, accounts)) = audience(state, from.account, &to) else { return };
    let told = NodeBuilder::new("chatstate").attrs(addresses).children([what.clone()]);
    let told: Arc<Node> = told.build().into();
    for account in accounts {
        let Some(account) = state.accounts.get(account) else { continue };
        let devices: Vec<DeviceAddr> = account.linked().collect();
        for device in devices {
            let listens = state.accounts.device(device).is_some_and(|it| it.listening().is_some());
            if listens {
                state.tell(device, Arc::clone(&told));
            } else {
                state.board.wait(device, Arc::clone(&told), state.clock.now_ms());
            }
        }
    }
}

/// As whose the others see it, and which accounts they are.
fn audience(state: &State, me: AccountId, to: &Jid) -> Option<(Addresses, Vec<AccountId>)> {
    let account = state.accounts.get(me)?;
    if to.server == Server::Group {
        let group = state.groups.find(to).ok()?;
        group.member(&account.name)?;
        let way = group.addressing;
        let addresses =
            vec![("from", to.clone().into()), ("participant", way.person(account).into())];
        let members = state.members(group).map(|member| member.id);
        return Some((addresses, members.filter(|id| *id != me).collect()));
    }
    let way = Addressing::of(to)?;
    let other = state.accounts.by_jid(to).filter(|other| !other.privacy.blocks(me))?.id;
    Some((vec![("from", way.person(account).into())], vec![other]))
}

/// What was typed while a device was away and may still be true.
pub(crate) fn catch_up(state: &mut State, device: DeviceAddr) {
    for node in state.board.waited(device, state.clock.now_ms()) {
        state.tell(device, node);
    }
}
