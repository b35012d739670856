//! Replies and other nodes that every part of the server writes.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent, NodeValue, SERVER_JID};

/// What a request did: the reply, and what others are to hear of it.
pub(crate) struct Answer {
    /// The whole `iq` of type `result` or `error`.
    pub(crate) reply: Node,
    /// Delivered after the reply, in order.
    pub(crate) pushes: Vec<Push>,
}

/// A stanza for every device of an account.
pub(crate) struct Push {
    /// Whose devices.
    pub(crate) account: crate::state::AccountId,
    /// The device that caused it and has its reply already.
    pub(crate) except: Option<crate::state::DeviceAddr>,
    /// The stanza, one for all of them; without an `id` it does not wait for who is away.
    pub(crate) node: Arc<Node>,
}

impl From<Node> for Answer {
    fn from(reply: Node) -> Self {
        Self { reply, pushes: Vec::new() }
    }
}

/// The reply that says yes and nothing else.
pub(crate) fn result(iq: &Node) -> Node {
    reply(iq, "result").build()
}

/// The reply that carries one node.
pub(crate) fn result_with(iq: &Node, child: Node) -> Node {
    reply(iq, "result").children([child]).build()
}

/// The reply that says no: a numeric code, and a word for it such as `item-not-found`.
pub(crate) fn error(iq: &Node, code: u16, text: &str) -> Node {
    refusal(iq, code, text, None)
}

/// An [`error`] that may say after how many seconds the client is to try again.
pub(crate) fn refusal(iq: &Node, code: u16, text: &str, backoff: Option<u32>) -> Node {
    let mut error = NodeBuilder::new("error").attr("code", code).attr("text", text);
    if let Some(seconds) = backoff {
        error = error.attr("backoff", seconds);
    }
    reply(iq, "error").children([error.build()]).build()
}

fn reply(iq: &Node, kind: &'static str) -> NodeBuilder {
    let from = iq.attrs.get("to").cloned().unwrap_or_else(|| NodeValue::from(SERVER_JID));
    let mut node = NodeBuilder::new("iq").attr("from", from).attr("type", kind);
    if let Some(id) = iq.attrs.get("id") {
        node = node.attr("id", id.clone());
    }
    node
}

/// Id and time of a stanza that the server begins.
#[derive(Debug)]
pub(crate) struct Stamp {
    pub(crate) id: String,
    /// Epoch seconds.
    pub(crate) at: i64,
}

/// A `notification` of the given type; the clients acknowledge it by its id.
pub(crate) fn notification(from: impl Into<NodeValue>, kind: &str, stamp: &Stamp) -> NodeBuilder {
    NodeBuilder::new("notification")
        .attr("from", from)
        .attr("type", kind)
        .attr("id", stamp.id.as_str())
        .attr("t", stamp.at)
}

/// An attribute as text, whatever form it came in.
pub(crate) fn attr(node: &Node, name: &str) -> Option<String> {
    node.attrs.get(name).map(|value| value.as_str().into_owned())
}

/// An attribute as an address. One with a device whose number has more than a byte is none: it could be read from a text,
/// and could not be sent on (wacore-binary `encoder.rs`).
pub(crate) fn jid(node: &Node, name: &str) -> Option<Jid> {
    let jid = node.attrs.get(name).and_then(NodeValue::to_jid);
    jid.filter(|jid| u8::try_from(jid.device).is_ok())
}

/// Whether a stanza can be acknowledged: by its id.
pub(crate) fn has_id(node: &Node) -> bool {
    node.attrs.get("id").is_some_and(|id| !id.as_str().is_empty())
}

/// The messages that a receipt or an `ack` is for: that of its id, and those of its list.
pub(crate) fn ids(node: &Node) -> impl Iterator<Item = &NodeValue> {
    let listed = node.get_optional_child("list").and_then(Node::children).unwrap_or_default();
    std::iter::once(node).chain(listed).filter_map(|node| node.attrs.get("id"))
}

/// The node's content as bytes; text counts as its UTF-8 bytes.
pub(crate) fn bytes(node: &Node) -> Option<&[u8]> {
    match node.content.as_ref()? {
        NodeContent::Bytes(bytes) => Some(bytes),
        NodeContent::String(text) => Some(text.as_bytes()),
        NodeContent::Nodes(_) => None,
    }
}

/// The bytes of a child node.
pub(crate) fn child_bytes<'a>(node: &'a Node, tag: &str) -> Option<&'a [u8]> {
    bytes(node.get_optional_child(tag)?)
}

/// A node with bytes in it.
pub(crate) fn leaf(tag: &'static str, content: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(tag).bytes(content).build()
}

/// The first child, by which an IQ says what it wants.
pub(crate) fn first_child(node: &Node) -> Option<&Node> {
    node.children()?.first()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_comes_from_where_the_request_went_and_keeps_its_id() {
        let iq = NodeBuilder::new("iq").attr("id", "7").attr("to", "g.us").build();
        let reply = error(&iq, 404, "item-not-found");
        assert_eq!(attr(&reply, "id").as_deref(), Some("7"));
        assert_eq!(attr(&reply, "from").as_deref(), Some("g.us"));
        assert_eq!(attr(first_child(&reply).expect("an error"), "code").as_deref(), Some("404"));
    }

    #[test]
    fn the_number_of_a_device_has_one_byte() {
        let device = |to: &'static str| {
            jid(&NodeBuilder::new("receipt").attr("to", to).build(), "to").map(|jid| jid.device)
        };
        assert_eq!(device("15550000001:255@s.whatsapp.net"), Some(255));
        assert_eq!(device("15550000001:256@s.whatsapp.net"), None);
        assert_eq!(device("100000000000001:65535@lid"), None);
    }

    #[test]
    fn a_reply_to_a_request_without_an_address_comes_from_the_server() {
        let reply = result(&NodeBuilder::new("iq").build());
        assert_eq!(attr(&reply, "from").as_deref(), Some(SERVER_JID));
        assert!(reply.content.is_none());
    }
}
