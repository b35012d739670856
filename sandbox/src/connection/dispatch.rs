//! What a client's stanzas do.

use tracing::{debug, warn};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, SERVER_JID};

use super::requests::{self, Later};
use crate::phone::KeyShare;
use crate::state::{DeviceAddr, LinkId, Shared, State, lock};
use crate::{clock, pairing, stanza};

/// Acts on one stanza of this connection; says no if it has to wait, because the connection hangs.
pub(super) async fn stanza(shared: &Shared, link: LinkId, node: &Node) -> bool {
    // A statement of its own, so that the lock is gone before the await.
    let Some(later) = act(&mut lock(shared), link, node) else { return false };
    for later in later {
        match later {
            Later::Share(addr, share) => share_keys(shared, addr, *share).await,
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
        && let Some(device) = state.accounts.device_mut(addr)
    {
        device.log_out(link);
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
        "message" => state.links.send(link, message_ack(node)),
        "receipt" => {
            acknowledge(state, from, node);
            state.links.send(link, receipt_ack(node));
        }
        "ack" => acknowledge(state, from, node),
        "presence" | "chatstate" | "ib" => {}
        other => warn!(tag = other, "unknown stanza `{other}`"),
    }
    Some(Vec::new())
}

/// A client that is not linked only answers the server and keeps its connection alive. One that is linked no more,
/// and has not been told so, hears nothing else.
fn unlinked(state: &mut State, link: LinkId, node: &Node) -> Vec<Later> {
    let kind = stanza::attr(node, "type").unwrap_or_default();
    match (node.tag.as_ref(), kind.as_str()) {
        ("iq", "result" | "error") => pairing::settle(state, link, node),
        ("iq", _) if stanza::attr(node, "xmlns").as_deref() == Some("w:p") => {
            state.links.send(link, stanza::result(node));
        }
        _ if state.links.is_orphaned(link) => {}
        ("iq", _) => return requests::act(state, link, None, node),
        (tag, _) => debug!(tag, "stanza `{tag}` before the login"),
    }
    Vec::new()
}

async fn share_keys(shared: &Shared, addr: DeviceAddr, share: KeyShare) {
    match share.seal().await {
        Ok(sealed) => deliver_keys(&mut lock(shared), addr, sealed),
        Err(error) => warn!(%error, "the phone could not share its keys"),
    }
}

fn deliver_keys(state: &mut State, addr: DeviceAddr, sealed: Vec<u8>) {
    let id = state.next_id();
    let Some(account) = state.accounts.get(addr.account) else { return };
    let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", "pkmsg").bytes(sealed).build();
    let node = NodeBuilder::new("message")
        .attr("from", account.pn())
        .attr("id", id)
        .attr("type", "text")
        .attr("category", "peer")
        .attr("push_priority", "high_force")
        .attr("t", clock::now())
        .children([enc])
        .build();
    state.deliver(addr, node.into());
}

fn acknowledge(state: &mut State, from: DeviceAddr, node: &Node) {
    let Some(device) = state.accounts.device_mut(from) else { return };
    let listed = node.get_optional_child("list").and_then(Node::children).unwrap_or_default();
    for id in std::iter::once(node).chain(listed).filter_map(|node| stanza::attr(node, "id")) {
        device.acknowledge(&id);
    }
}

/// The server has the message; one that the real server would call badly formed is refused with 479.
fn message_ack(node: &Node) -> Node {
    let ack = ack("message", node).attr("t", clock::now());
    if well_formed(node) { ack.build() } else { ack.attr("error", 479).build() }
}

fn receipt_ack(node: &Node) -> Node {
    let ack = ack("receipt", node);
    match node.attrs.get("type") {
        Some(kind) => ack.attr("type", kind.clone()).build(),
        None => ack.build(),
    }
}

fn ack(class: &'static str, node: &Node) -> NodeBuilder {
    let from = node.attrs.get("to").cloned().unwrap_or_else(|| SERVER_JID.into());
    let ack = NodeBuilder::new("ack").attr("class", class).attr("from", from);
    match node.attrs.get("id") {
        Some(id) => ack.attr("id", id.clone()),
        None => ack,
    }
}

/// Whether every ciphertext in the message says `v=2`, and there is one.
fn well_formed(node: &Node) -> bool {
    fn ciphertexts<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
        for child in node.children().unwrap_or_default() {
            if child.tag == "enc" {
                found.push(child);
            } else {
                ciphertexts(child, found);
            }
        }
    }
    let mut found = Vec::new();
    ciphertexts(node, &mut found);
    !found.is_empty() && found.iter().all(|enc| stanza::attr(enc, "v").as_deref() == Some("2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(version: &'static str) -> Node {
        let enc = NodeBuilder::new("enc").attr("v", version).bytes([1]).build();
        let to = NodeBuilder::new("to").children([enc]).build();
        NodeBuilder::new("message")
            .attr("id", "M1")
            .attr("to", "1@s.whatsapp.net")
            .children([NodeBuilder::new("participants").children([to]).build()])
            .build()
    }

    #[test]
    fn a_message_is_acknowledged_and_a_badly_formed_one_refused() {
        let good = message_ack(&message("2"));
        assert_eq!(stanza::attr(&good, "class").as_deref(), Some("message"));
        assert_eq!(stanza::attr(&good, "id").as_deref(), Some("M1"));
        assert_eq!(stanza::attr(&good, "error"), None);
        assert_eq!(stanza::attr(&message_ack(&message("1")), "error").as_deref(), Some("479"));
        let empty = NodeBuilder::new("message").attr("id", "M2").build();
        assert_eq!(stanza::attr(&message_ack(&empty), "error").as_deref(), Some("479"));
    }
}
