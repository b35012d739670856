//! A message as its sender handed it in: read, and refused with 479 if it is badly formed.
//!
//! Sources: whatsapp-rust 0.7 `send/` for the shapes that clients make, and what its comments and tests say the server
//! answers with 479: a `reporting_token` that is text, an `addressing_mode` on a status, a `pkmsg` of a companion
//! without its signed identity.

use buffa::Message as _;
use wacore_binary::{Jid, Node, NodeContent};
use waproto::whatsapp::ADVSignedDeviceIdentity;

use super::nack::Nack;
use crate::stanza::{self, jid};
use crate::state::Device;
use crate::strictness::Strictness;

/// What is between the outer tags and is not for the recipients: keys for single devices, and tokens for the server.
const NOT_PASSED_ON: [&str; 5] = ["participants", "enc", "device-identity", "tctoken", "cstoken"];

/// One place in the list of devices.
pub(super) struct Listed<'a> {
    /// The device, or in a status a person.
    pub(super) jid: Jid,
    /// Ciphertexts for it alone; a person in a status has none.
    pub(super) ciphertexts: Vec<&'a Node>,
}

/// A well-formed message.
pub(super) struct Sent<'a> {
    pub(super) node: &'a Node,
    pub(super) id: String,
    pub(super) to: Jid,
    /// The devices that have a ciphertext of their own.
    pub(super) listed: Vec<Listed<'a>>,
    /// Ciphertexts directly below the message: for a whole group, or for the one device that is meant.
    pub(super) ciphertexts: Vec<&'a Node>,
    /// The sender's identity, signed by its account.
    pub(super) identity: Option<&'a Node>,
    /// The one device of a group that asked for the message once more.
    pub(super) participant: Option<Jid>,
    /// The chat that a resend to a device of the sender's own account belongs to.
    pub(super) recipient: Option<Jid>,
}

impl<'a> Sent<'a> {
    /// Reads a message. The sender is a linked device, or `None` for the phone, which needs nobody's signature.
    pub(super) fn read(
        node: &'a Node,
        sender: Option<&Device>,
        strictness: Strictness,
    ) -> Result<Self, Nack> {
        let id = stanza::attr(node, "id").filter(|id| !id.is_empty()).ok_or(Nack::Invalid)?;
        let typed = stanza::attr(node, "type").is_some_and(|kind| !kind.is_empty());
        let to = jid(node, "to").ok_or(Nack::Invalid)?;
        let children = node.children().unwrap_or_default();
        let ciphertexts: Vec<&Node> = children.iter().filter(|child| child.tag == "enc").collect();
        let listed = node
            .get_optional_child("participants")
            .and_then(Node::children)
            .unwrap_or_default()
            .iter()
            .map(Listed::read);
        let listed = match strictness {
            Strictness::Strict => listed.collect::<Result<Vec<_>, _>>()?,
            Strictness::Lenient => listed.filter_map(Result::ok).collect(),
        };
        let sent = Self {
            node,
            id,
            to,
            listed,
            ciphertexts,
            identity: node.get_optional_child("device-identity"),
            participant: jid(node, "participant"),
            recipient: jid(node, "recipient"),
        };
        let some = sent.all_ciphertexts().next().is_some();
        let fine = some && strictness.passes(typed && sent.is_in_order(sender));
        fine.then_some(sent).ok_or(Nack::Invalid)
    }

    fn is_in_order(&self, sender: Option<&Device>) -> bool {
        let vouched = !self.all_ciphertexts().any(is_first)
            || sender.is_none_or(|device| self.identity.is_some_and(|node| is_of(node, device)));
        let fine = self.all_ciphertexts().all(is_ciphertext) && self.reports_in_bytes();
        fine && vouched && self.talks_to_one_kind()
    }

    /// Whether it is for the account's own devices.
    pub(super) fn is_peer(&self) -> bool {
        stanza::attr(self.node, "category").as_deref() == Some("peer")
    }

    /// What an account's own devices say to each other has no privacy tokens (Baileys `messages-send.js`).
    fn talks_to_one_kind(&self) -> bool {
        let tokens = ["tctoken", "cstoken"];
        !self.is_peer() || tokens.iter().all(|tag| self.node.get_optional_child(tag).is_none())
    }

    fn all_ciphertexts(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.listed.iter().flat_map(|listed| &listed.ciphertexts).chain(&self.ciphertexts).copied()
    }

    /// The token by which a message can be reported is bytes; as text it is refused.
    fn reports_in_bytes(&self) -> bool {
        let token = self.node.get_optional_child_by_tag(&["reporting", "reporting_token"]);
        token.is_none_or(|token| matches!(token.content, Some(NodeContent::Bytes(_))))
    }

    /// What passes to every recipient as it is: `meta`, `reporting`, `biz` and the like.
    pub(super) fn passed_on(&self) -> impl Iterator<Item = &'a Node> + '_ {
        let children = self.node.children().unwrap_or_default();
        children.iter().filter(|child| !NOT_PASSED_ON.contains(&child.tag.as_ref()))
    }
}

impl<'a> Listed<'a> {
    fn read(node: &'a Node) -> Result<Self, Nack> {
        let jid = jid(node, "jid").filter(|_| node.tag == "to").ok_or(Nack::Invalid)?;
        Ok(Self { jid, ciphertexts: node.get_children_by_tag("enc").collect() })
    }
}

/// Whether a ciphertext begins a session, so that its reader needs the sender's signed identity.
pub(super) fn is_first(ciphertext: &Node) -> bool {
    stanza::attr(ciphertext, "type").as_deref() == Some("pkmsg")
}

fn is_ciphertext(node: &Node) -> bool {
    let kind = stanza::attr(node, "type").unwrap_or_default();
    stanza::attr(node, "v").as_deref() == Some("2")
        && ["pkmsg", "msg", "skmsg"].contains(&kind.as_str())
        && matches!(&node.content, Some(NodeContent::Bytes(bytes)) if !bytes.is_empty())
}

/// Whether this is the identity that the device was linked with. Clients write it anew, so its parts are compared.
fn is_of(identity: &Node, device: &Device) -> bool {
    let parts = |bytes: &[u8]| {
        let signed = ADVSignedDeviceIdentity::decode_from_slice(bytes).ok()?;
        Some((signed.details?, signed.account_signature?, signed.device_signature?))
    };
    let shown = stanza::bytes(identity).and_then(parts);
    shown.is_some() && shown == parts(&device.signed_identity)
}
