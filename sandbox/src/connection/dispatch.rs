//! What a client's stanzas do.

use tracing::debug;
use wacore_binary::Node;

use super::requests::{self, Later};
use crate::state::{DeviceAddr, LinkId, Shared, State, lock};
use crate::{calls, pairing, phone, presence, relay, stanza};

/// Acts on one stanza of this connection; says no if it has to wait, because the connection hangs.
pub(super) async fn stanza(shared: &Shared, link: LinkId, node: &Node) -> bool {
    let later = {
        let mut state = lock(shared);
        let node = state.links.understood(link, node);
        act(&mut state, link, &node)
    };
    let Some(later) = later else { return false };
    for later in later {
        match later {
            // Boxed, as every connection would have room for it as long as it lives.
            Later::Share(device) => Box::pin(phone::welcome(shared, device)).await,
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
        ("iq", _) if stanza::attr(node, "xmlns").as_deref() == Some("w:p") => {
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
