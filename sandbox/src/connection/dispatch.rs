//! What a client's stanzas do.

use tracing::debug;
use wacore_binary::Node;

use super::requests::{self, Later};
use crate::state::{DeviceAddr, LinkId, Shared, State, lock};
use crate::{calls, pairing, phone, presence, relay, stanza};

/// Acts on one stanza of this connection; says no if it has to wait, because the connection hangs.
pub(super) fn stanza(shared: &Shared, link: LinkId, node: &Node) -> bool {
    let later = {
        let mut state = lock(shared);
        let node = state.links.understood(link, node);
        // Every client says it all the time, and nothing of what is kept changes.
        let state = if is_ping(&node) { state.unmarked() } else { &mut *state };
        act(state, link, &node)
    };
    let Some(later) = later else { return false };
    for later in later {
        match later {
            // Whether or not the connection lasts as long: it happens once in the life of a device.
            Later::Share(device) => {
                let shared = shared.clone();
                tokio::spawn(async move { phone::welcome(&shared, device).await });
            }
            Later::Restart(link) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pairing::RESTART).await;
                    pairing::restart(&mut lock(&shared), link);
                });
            }
            Later::Answer { after, reply, last } => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let mut state = lock(&shared);
                    state.links.send(link, reply);
                    if last {
                        super::end_removed(&mut state, link);
                    }
                });
            }
        }
    }
    true
}

/// Whether a stanza only keeps the connection alive.
fn is_ping(node: &Node) -> bool {
    node.tag == "iq" && stanza::attr(node, "xmlns").as_deref() == Some("w:p")
}

/// The connection's task has ended.
pub(super) fn gone(state: &mut State, link: LinkId) {
    if let Some(addr) = state.links.gone(link)
        && state.accounts.device_mut(addr).is_none_or(|device| device.log_out(link))
    {
        presence::gone(state, addr);
    }
    state.pairings.forget(link);
}

fn act(state: &mut State, link: LinkId, node: &Node) -> Option<Vec<Later>> {
    if state.links.hangs(link) {
        return None;
    }
    if !state.links.is_open(link) {
        return Some(Vec::new());
    }
    let Some(from) = state.links.addr(link) else {
        return Some(unlinked(state, link, node));
    };
    match node.tag.as_ref() {
        "iq" => return Some(requests::act(state, link, Some(from), node)),
        "message" => return Some(requests::message(state, link, from, node)),
        "receipt" => {
            let ack = relay::receipt(state, from, node);
            state.links.send(link, ack);
        }
        "call" => {
            let ack = calls::call(state, from, node);
            state.links.send(link, ack);
        }
        "ack" => state.acknowledge(from, node),
        "ib" => information(state, from, node),
        "presence" => presence::presence(state, from, node),
        "chatstate" => presence::chat_state(state, from, node),
        _ => {
            let word = state.strictness.unknown_stanza(&mut state.oddities, node);
            if let Some(word) = word {
                state.links.send(link, word);
            }
        }
    }
    Some(Vec::new())
}

/// A client that is not linked only answers the server and keeps its connection alive. One that is linked no more,
/// and has not been told so, hears nothing else.
fn unlinked(state: &mut State, link: LinkId, node: &Node) -> Vec<Later> {
    let kind = stanza::attr(node, "type").unwrap_or_default();
    match (node.tag.as_ref(), kind.as_str()) {
        ("iq", "result" | "error") => {
            if pairing::settle(state, link, node) {
                return vec![Later::Restart(link)];
            }
        }
        ("iq", _) if is_ping(node) => {
            state.links.send(link, stanza::result(node));
        }
        _ if state.links.is_orphaned(link) => {}
        ("iq", _) => return requests::act(state, link, None, node),
        (tag, _) => debug!(tag, "stanza `{tag}` before the login"),
    }
    Vec::new()
}

/// What a client says without an answer: most of it is for statistics.
fn information(state: &mut State, from: DeviceAddr, node: &Node) {
    let count = node
        .get_optional_child("offline_batch")
        .and_then(|batch| stanza::attr(batch, "count")?.parse().ok());
    if let Some(count) = count {
        state.more(from, count);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wacore_binary::builder::NodeBuilder;

    use super::*;
    use crate::key_nodes;
    use crate::phone::Keys;
    use crate::random::Stream;
    use crate::stanza::leaf;
    use crate::state::{Device, DeviceAddr, Opened};

    /// A device of `shop` on an open connection, and its keys.
    fn logged_in() -> (Shared, DeviceAddr, Opened, Keys) {
        let keys = Keys::generate(&mut Stream::default());
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        let opened = state.links.open(false);
        let mut device = Device::new(1, 1, keys.registration);
        device.identity = keys.public();
        device.log_in(opened.link);
        state.accounts.get_mut(account).expect("just made").devices.push(device);
        let addr = DeviceAddr { account, device: 1 };
        state.links.log_in(opened.link, addr);
        (Arc::new(std::sync::Mutex::new(state)), addr, opened, keys)
    }

    fn iq(namespace: &'static str, kind: &'static str, children: Vec<Node>) -> Node {
        let iq = NodeBuilder::new("iq").attr("id", "1").attr("xmlns", namespace).attr("type", kind);
        iq.children(children).build()
    }

    fn upload(keys: &Keys) -> Node {
        iq(
            "encrypt",
            "set",
            vec![
                leaf("registration", keys.registration.to_be_bytes()),
                leaf("type", [5]),
                leaf("identity", keys.public()),
                NodeBuilder::new("list").build(),
                key_nodes::signed(&keys.signed_key),
            ],
        )
    }

    #[tokio::test]
    async fn a_device_is_welcomed_though_its_connection_breaks_while_the_phone_is_held() {
        let (shared, addr, opened, keys) = logged_in();
        let signal = {
            let mut state = lock(&shared);
            state.handset(addr.account).expect("a phone");
            state.signals().map(|(_, signal)| Arc::clone(signal)).next().expect("its sessions")
        };
        let held = signal.lock_owned().await;
        assert!(stanza(&shared, opened.link, &upload(&keys)));
        gone(&mut lock(&shared), opened.link);
        drop(held);
        let waits = || {
            let state = lock(&shared);
            state.accounts.device(addr).expect("linked").queue.missed().messages
        };
        let welcomed = async {
            while waits() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), welcomed).await.expect("a key");
    }

    #[tokio::test]
    async fn a_keepalive_ping_changes_nothing_that_is_kept() {
        let (shared, _, mut opened, _) = logged_in();
        lock(&shared).has_changed();
        assert!(stanza(&shared, opened.link, &iq("w:p", "get", Vec::new())));
        assert!(opened.queue.try_recv().is_ok(), "it is answered");
        assert!(!lock(&shared).has_changed());
        assert!(stanza(&shared, opened.link, &iq("privacy", "get", Vec::new())));
        assert!(lock(&shared).has_changed());
    }
}
