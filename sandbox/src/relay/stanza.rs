//! What recipients get: the sender's stanza with other addresses, and of its ciphertexts those that are for them.

use serde::{Deserialize, Serialize};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeValue, SERVER_JID, Server};

use super::sent::{Sent, is_first};
use crate::state::{Account, DeviceAddr};

/// Attributes of a message that its recipients get as they are.
const KEPT: [&str; 6] = ["id", "type", "category", "edit", "push_priority", "privacy_sensitive"];

/// Attributes of a receipt that its recipients get as they are.
const KEPT_OF_RECEIPTS: [&str; 5] = ["id", "type", "category", "context", "edit"];

/// Attributes, in the order in which they are written.
pub(crate) type Addresses = Vec<(&'static str, NodeValue)>;

/// The addresses of what a device says in a chat of many.
pub(super) fn in_chat(chat: &Jid, me: &Account, from: DeviceAddr, way: Addressing) -> Addresses {
    vec![
        ("from", chat.clone().into()),
        ("participant", way.device(me, from.device).into()),
        (way.other_name("participant_pn", "participant_lid"), way.other(me).into()),
    ]
}

/// A message on its way; one for all who know its sender and its chat by the same addresses.
pub(super) struct Letter<'a> {
    sent: &'a Sent<'a>,
    addresses: Addresses,
    push_name: &'a str,
    at: i64,
}

impl<'a> Letter<'a> {
    pub(super) fn new(
        sent: &'a Sent<'a>,
        push_name: &'a str,
        addresses: Addresses,
        at: i64,
    ) -> Self {
        Self { sent, addresses, push_name, at }
    }

    /// The stanza for whoever can read these ciphertexts, in this order.
    pub(super) fn with(&self, ciphertexts: &[&Node]) -> Node {
        let node = NodeBuilder::new("message").attrs(self.addresses.iter().cloned());
        let mut node = keep(node, self.sent.node, &KEPT).attr("t", self.at);
        if !self.push_name.is_empty() {
            node = node.attr("notify", self.push_name);
        }
        let vouched = ciphertexts.iter().any(|ciphertext| is_first(ciphertext));
        let identity = self.sent.identity.filter(|_| vouched);
        let children = ciphertexts.iter().copied().chain(identity).chain(self.sent.passed_on());
        node.children(children.cloned()).build()
    }
}

/// A receipt for whom it concerns.
pub(super) fn receipt(receipt: &Node, addresses: Addresses, at: i64) -> Node {
    let node = NodeBuilder::new("receipt").attrs(addresses);
    let node = keep(node, receipt, &KEPT_OF_RECEIPTS).attr("t", at);
    match receipt.children() {
        Some(children) => node.children(children.iter().cloned()).build(),
        None => node.build(),
    }
}

fn keep(mut node: NodeBuilder, from: &Node, names: &[&'static str]) -> NodeBuilder {
    for name in names {
        if let Some(value) = from.attrs.get(name) {
            node = node.attr(name, value.clone());
        }
    }
    node
}

/// The word of the server that it has a stanza; `error` if it does not take it.
pub(crate) fn ack(class: impl Into<NodeValue>, of: &Node) -> NodeBuilder {
    let from = of.attrs.get("to").cloned().unwrap_or_else(|| NodeValue::from(SERVER_JID));
    let ack = NodeBuilder::new("ack").attr("class", class).attr("from", from);
    match of.attrs.get("id") {
        Some(id) => ack.attr("id", id.clone()),
        None => ack,
    }
}

/// How somebody is addressed: by LID or by phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Addressing {
    Lid,
    Phone,
}

impl Addressing {
    /// How this address does it; groups and servers do neither.
    pub(crate) fn of(jid: &Jid) -> Option<Self> {
        match jid.server {
            Server::Lid => Some(Self::Lid),
            Server::Pn => Some(Self::Phone),
            _ => None,
        }
    }

    /// The address of an account's device.
    pub(crate) fn device(self, account: &Account, device: u16) -> Jid {
        self.person(account).with_device(device)
    }

    /// The address of an account.
    pub(crate) fn person(self, account: &Account) -> Jid {
        match self {
            Self::Lid => account.lid(),
            Self::Phone => account.pn(),
        }
    }

    /// The address of an account that this way does not use.
    pub(super) fn other(self, account: &Account) -> Jid {
        match self {
            Self::Lid => account.pn(),
            Self::Phone => account.lid(),
        }
    }

    /// Of two names, the one for the other address of somebody: `…_pn` beside a LID, `…_lid` beside a phone number.
    pub(super) fn other_name(self, pn: &'static str, lid: &'static str) -> &'static str {
        match self {
            Self::Lid => pn,
            Self::Phone => lid,
        }
    }

    /// The value of `addressing_mode`.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Lid => "lid",
            Self::Phone => "pn",
        }
    }
}
