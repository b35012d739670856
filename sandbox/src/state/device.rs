//! Linked devices: their credentials, their prekeys, and what they have not yet acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use wacore_binary::Node;

use super::account::AccountId;
use super::links::LinkId;

/// Stanzas kept for a device that does not acknowledge; beyond that the oldest are dropped.
const KEPT: usize = 1000;

/// One device of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DeviceAddr {
    pub(crate) account: AccountId,
    /// 1 and above; 0 is the phone itself.
    pub(crate) device: u16,
}

/// A one-time prekey, in 36 bytes: there are hundreds per device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OneTimeKey {
    pub(crate) id: u32,
    pub(crate) public: [u8; 32],
}

/// A signed prekey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignedKey {
    pub(crate) id: u32,
    pub(crate) public: [u8; 32],
    pub(crate) signature: [u8; 64],
}

/// A linked device.
pub(crate) struct Device {
    pub(crate) id: u16,
    pub(crate) key_index: u32,
    pub(crate) registration: u32,
    /// Noise static key: the credential of every later login.
    pub(crate) noise: [u8; 32],
    pub(crate) identity: [u8; 32],
    /// The identity signed by account and device, as the device sent it back.
    pub(crate) signed_identity: Vec<u8>,
    pub(crate) signed_key: SignedKey,
    pub(crate) one_time_keys: VecDeque<OneTimeKey>,
    /// True once prekeys were uploaded: the phone then shared its app-state key.
    pub(crate) uploaded: bool,
    /// The connection that is logged in as this device.
    pub(crate) link: Option<LinkId>,
    active: bool,
    pending: VecDeque<Arc<Node>>,
}

impl Device {
    /// A device without prekeys beyond the signed one, and without a connection.
    pub(crate) fn new(id: u16, key_index: u32, registration: u32) -> Self {
        Self {
            id,
            key_index,
            registration,
            noise: [0; 32],
            identity: [0; 32],
            signed_identity: Vec::new(),
            signed_key: SignedKey { id: 0, public: [0; 32], signature: [0; 64] },
            one_time_keys: VecDeque::new(),
            uploaded: false,
            link: None,
            active: false,
            pending: VecDeque::new(),
        }
    }

    /// Gives the device a connection that does not listen yet; returns the one it replaces.
    pub(crate) fn log_in(&mut self, link: LinkId) -> Option<LinkId> {
        self.active = false;
        self.link.replace(link)
    }

    /// Takes the connection away, if it is this one.
    pub(crate) fn log_out(&mut self, link: LinkId) {
        if self.link == Some(link) {
            self.link = None;
            self.active = false;
        }
    }

    /// The connection, once the client has said that it takes stanzas.
    pub(crate) fn listening(&self) -> Option<LinkId> {
        self.link.filter(|_| self.active)
    }

    /// How much waits for the device: notifications, and everything else.
    pub(crate) fn missed(&self) -> (usize, usize) {
        let notifications = self.pending.iter().filter(|node| node.tag == "notification").count();
        (notifications, self.pending.len() - notifications)
    }

    /// Marks the device as listening and returns what it has not acknowledged, oldest first.
    pub(crate) fn start_listening(&mut self) -> Vec<Node> {
        self.active = true;
        let mut missed: Vec<Node> = self.pending.iter().map(|node| Node::clone(node)).collect();
        for node in &mut missed {
            node.attrs.insert("offline", "0");
        }
        self.pending.retain(|node| node.attrs.contains_key("id"));
        missed
    }

    /// Keeps a stanza until it is acknowledged; one without an id cannot be, and is kept only while nobody listens.
    pub(crate) fn keep(&mut self, node: Arc<Node>) {
        if self.active && !node.attrs.contains_key("id") {
            return;
        }
        if self.pending.len() == KEPT {
            self.pending.pop_front();
        }
        self.pending.push_back(node);
    }

    /// The device has this stanza.
    pub(crate) fn acknowledge(&mut self, id: &str) {
        // Acknowledgements come in order, so this one is near the front.
        let is_it = |node: &Arc<Node>| node.attrs.get("id").is_some_and(|kept| *kept == *id);
        if let Some(position) = self.pending.iter().position(is_it) {
            self.pending.remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn stanza(id: &str) -> Arc<Node> {
        NodeBuilder::new("message").attr("id", id).build().into()
    }

    #[test]
    fn what_was_not_acknowledged_is_replayed_in_order() {
        let mut device = Device::new(1, 1, 7);
        for id in ["a", "b", "c"] {
            device.keep(stanza(id));
        }
        device.acknowledge("b");
        let ids: Vec<String> = device
            .start_listening()
            .iter()
            .filter_map(|node| crate::stanza::attr(node, "id"))
            .collect();
        assert_eq!(ids, ["a", "c"]);
    }

    #[test]
    fn what_cannot_be_acknowledged_is_replayed_once() {
        let mut device = Device::new(1, 1, 7);
        device.keep(NodeBuilder::new("presence").build().into());
        device.keep(stanza("a"));
        assert_eq!(device.start_listening().len(), 2);
        device.keep(NodeBuilder::new("presence").build().into());
        assert_eq!(device.start_listening().len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_and_drops_the_oldest() {
        let mut device = Device::new(1, 1, 7);
        for number in 0..=KEPT {
            device.keep(stanza(&number.to_string()));
        }
        let missed = device.start_listening();
        assert_eq!(missed.len(), KEPT);
        assert_eq!(crate::stanza::attr(&missed[0], "id").as_deref(), Some("1"));
    }

    #[test]
    fn an_old_connection_that_ends_does_not_log_out_the_new_one() {
        let mut device = Device::new(1, 1, 7);
        assert_eq!(device.log_in(LinkId(1)), None);
        assert_eq!(device.log_in(LinkId(2)), Some(LinkId(1)));
        device.log_out(LinkId(1));
        assert_eq!(device.link, Some(LinkId(2)));
        assert_eq!(device.listening(), None);
    }
}
