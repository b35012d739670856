//! What stands on a message outside of its ciphertext, and the receipts that answer it.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::recipient::Recipient;
use crate::relay::Addressing;
use crate::stanza;
use crate::state::{AccountId, DeviceAddr, State};

/// The outside of a message that has reached a phone.
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) from: Jid,
    pub(super) participant: Option<Jid>,
    pub(super) sender: DeviceAddr,
    /// Sent by another device of the phone's own account.
    pub(super) own: bool,
    /// Only between devices of one account: nothing that anybody said.
    pub(super) peer: bool,
    /// What its sender key is for: a group, or the status of everybody.
    pub(super) group: Option<String>,
    /// To whom an own device has sent it.
    pub(super) recipient: Option<Jid>,
    pub(super) timestamp: i64,
    pub(super) push_name: Option<String>,
    /// How often the sender has sent it again.
    pub(super) resent: u8,
}

impl Envelope {
    /// Reads the outside of a message; `None` if it lacks something, or its sender has no account here.
    pub(super) fn read(state: &State, reader: AccountId, node: &Node) -> Option<Self> {
        let jid = |name| stanza::jid(node, name);
        let from = jid("from")?;
        let shared = from.is_group() || from.is_status_broadcast();
        let participant = jid("participant").filter(|_| shared);
        let sender = participant.as_ref().unwrap_or(&from);
        let account = state.accounts.by_jid(sender)?.id;
        let sender = DeviceAddr { account, device: sender.device };
        let resent = node.get_children_by_tag("enc").filter_map(|enc| stanza::attr(enc, "count"));
        Some(Self {
            id: stanza::attr(node, "id")?,
            participant,
            sender,
            own: account == reader,
            peer: stanza::attr(node, "category").as_deref() == Some("peer"),
            group: shared.then(|| from.to_string()),
            recipient: jid("recipient"),
            timestamp: stanza::attr(node, "t").and_then(|text| text.parse().ok()).unwrap_or(0),
            push_name: stanza::attr(node, "notify"),
            resent: resent.filter_map(|count| count.parse().ok()).max().unwrap_or(0),
            from,
        })
    }

    /// The chat that it belongs to. What an own device has sent belongs to the chat with whom it was sent to.
    pub(super) fn place(&self, state: &State) -> Recipient {
        if self.group.is_some() {
            return Recipient::Group(self.from.clone());
        }
        let sent_to = self.recipient.as_ref().filter(|_| self.own);
        let other = sent_to.unwrap_or(&self.from);
        let account = state.accounts.by_jid(other).map_or(self.sender.account, |found| found.id);
        let way = Addressing::of(other).unwrap_or(Addressing::Phone);
        Recipient::Person { account, way }
    }

    /// The receipt that says that the phone has it, as clients send it (whatsapp-rust `receipt.rs`); what an own device
    /// has sent gets one of type `sender`, and none if it went to a group or to nobody else.
    pub(super) fn receipt(&self) -> Option<Node> {
        let node = self.answer();
        if self.peer {
            return Some(node.attr("type", "peer_msg").build());
        }
        if !self.own {
            return Some(node.build());
        }
        let recipient = self.recipient.as_ref().filter(|_| self.group.is_none())?;
        Some(node.attr("type", "sender").attr("recipient", recipient.to_non_ad()).build())
    }

    /// The receipt that asks for it once more (whatsapp-rust `retry.rs`).
    pub(super) fn retry(&self, children: Vec<Node>) -> Node {
        let mut node = self.answer().attr("type", "retry");
        if self.own && self.group.is_none() {
            node = match &self.recipient {
                _ if self.peer => node.attr("category", "peer"),
                Some(recipient) => node.attr("recipient", recipient),
                None => node.attr("recipient", self.from.to_non_ad()),
            };
        }
        node.children(children).build()
    }

    fn answer(&self) -> NodeBuilder {
        let node = NodeBuilder::new("receipt").attr("id", self.id.as_str()).attr("to", &self.from);
        match &self.participant {
            Some(participant) => node.attr("participant", participant),
            None => node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let mut state = State::default();
        state.accounts.add("boss").expect("a free name");
        state.accounts.add("shop").expect("a free name");
        state
    }

    fn envelope(attrs: &[(&'static str, &'static str)]) -> Envelope {
        let node = NodeBuilder::new("message").attr("id", "M").attrs(attrs.iter().copied()).build();
        Envelope::read(&state(), AccountId(0), &node).expect("an envelope")
    }

    #[test]
    fn a_message_of_somebody_else_is_answered_where_it_comes_from() {
        let read = envelope(&[("from", "100000000000002:1@lid"), ("t", "7"), ("notify", "Shop")]);
        assert_eq!((read.timestamp, read.push_name.as_deref(), read.own), (7, Some("Shop"), false));
        let receipt = read.receipt().expect("a receipt");
        assert_eq!(stanza::attr(&receipt, "to").as_deref(), Some("100000000000002:1@lid"));
        assert_eq!(stanza::attr(&receipt, "type"), None);
        let shop = Recipient::Person { account: AccountId(1), way: Addressing::Lid };
        assert_eq!(read.place(&state()), shop);
    }

    #[test]
    fn a_copy_of_an_own_device_belongs_to_the_chat_that_it_went_to() {
        let read = envelope(&[
            ("from", "15550000001:2@s.whatsapp.net"),
            ("recipient", "15550000002@s.whatsapp.net"),
        ]);
        let shop = Recipient::Person { account: AccountId(1), way: Addressing::Phone };
        assert!(read.own && read.place(&state()) == shop);
        let receipt = read.receipt().expect("a receipt");
        assert_eq!(stanza::attr(&receipt, "type").as_deref(), Some("sender"));
        let retry = read.retry(Vec::new());
        let recipient = stanza::attr(&retry, "recipient");
        assert_eq!(recipient.as_deref(), Some("15550000002@s.whatsapp.net"));
    }

    #[test]
    fn a_message_of_a_group_is_answered_to_the_group_and_names_its_author() {
        let attrs = [("from", "1203@g.us"), ("participant", "100000000000002@lid")];
        let read = envelope(&attrs);
        let receipt = read.receipt().expect("a receipt");
        assert_eq!(stanza::attr(&receipt, "to").as_deref(), Some("1203@g.us"));
        let participant = stanza::attr(&receipt, "participant");
        assert_eq!(participant.as_deref(), Some("100000000000002@lid"));
    }

    #[test]
    fn a_message_between_own_devices_is_of_its_own_kind() {
        let attrs = [("from", "15550000001:2@s.whatsapp.net"), ("category", "peer")];
        let read = envelope(&attrs);
        let kind = |node: &Node| stanza::attr(node, "type");
        assert_eq!(kind(&read.receipt().expect("a receipt")).as_deref(), Some("peer_msg"));
        let retry = read.retry(Vec::new());
        assert_eq!(stanza::attr(&retry, "category").as_deref(), Some("peer"));
        assert_eq!(stanza::attr(&retry, "recipient"), None);
    }
}
