//! Messages and receipts to a newsletter. They are not encrypted.
//!
//! Shapes: whatsapp-rust `send/mod.rs` (`plaintext`, `build_newsletter_edit_node`) and `client/messaging.rs`
//! (`send_server_reaction`); Baileys `Socket/newsletter.js` takes a reaction back with `edit=7`.

use wacore_binary::{Jid, Node};

use super::change;
use crate::groups::Refusal;
use crate::stanza;
use crate::state::{DeviceAddr, State};

/// What a message does to an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// It takes its place.
    Replace,
    /// It takes it back.
    Revoke,
}

impl Edit {
    /// The value of `edit` (wacore `types/message.rs`: `AdminEdit`, `AdminRevoke`).
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Replace => "3",
            Self::Revoke => "8",
        }
    }

    /// Whether it takes the message back.
    pub(crate) fn revokes(self) -> bool {
        self == Self::Revoke
    }
}

/// A message as its writer handed it in.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Its own id, or that of the message which it changes.
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) mediatype: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) edit: Option<Edit>,
}

impl Draft {
    fn read(node: &Node) -> Result<Self, Refusal> {
        let id = stanza::attr(node, "id").filter(|id| !id.is_empty()).ok_or(Refusal::BadRequest)?;
        let kind = stanza::attr(node, "type").ok_or(Refusal::BadRequest)?;
        let plaintext = node.get_optional_child("plaintext").ok_or(Refusal::BadRequest)?;
        let edit = match stanza::attr(node, "edit").as_deref() {
            None => None,
            Some("3") => Some(Edit::Replace),
            Some("8") => Some(Edit::Revoke),
            Some(_) => return Err(Refusal::BadRequest),
        };
        let body = stanza::bytes(plaintext).unwrap_or_default().to_vec();
        if body.is_empty() && edit != Some(Edit::Revoke) {
            return Err(Refusal::BadRequest);
        }
        Ok(Self { id, kind, mediatype: stanza::attr(plaintext, "mediatype"), body, edit })
    }
}

/// Takes a message from a device; says which number it has.
pub(crate) fn message(
    state: &mut State,
    from: DeviceAddr,
    jid: &Jid,
    node: &Node,
) -> Result<u64, Refusal> {
    let author = state.accounts.get(from.account).ok_or(Refusal::NotFound)?.name.clone();
    if stanza::attr(node, "type").as_deref() == Some("reaction") {
        let number = stanza::attr(node, "server_id").and_then(|id| id.parse().ok());
        let number = number.ok_or(Refusal::BadRequest)?;
        let reaction = node.get_optional_child("reaction").ok_or(Refusal::BadRequest)?;
        let code = stanza::attr(reaction, "code").filter(|code| !code.is_empty());
        change::react(state, &author, jid, number, code)?;
        return Ok(number);
    }
    change::publish(state, &author, Some(from), jid, Draft::read(node)?)
}

/// Takes a receipt from a device: one of `type=view` names what was seen by `server_id` (whatsmeow `newsletter.go`,
/// `NewsletterMarkViewed`).
pub(crate) fn receipt(state: &mut State, from: DeviceAddr, jid: &Jid, node: &Node) {
    if stanza::attr(node, "type").as_deref() != Some("view") {
        return;
    }
    let Some(author) = state.accounts.get(from.account).map(|account| account.name.clone()) else {
        return;
    };
    let listed = node.get_optional_child("list").and_then(Node::children).unwrap_or_default();
    let seen: Vec<u64> =
        listed.iter().filter_map(|item| stanza::attr(item, "server_id")?.parse().ok()).collect();
    if let Err(refusal) = change::view(state, &author, jid, &seen) {
        tracing::debug!(newsletter = %jid, "a receipt for a newsletter: {refusal}");
    }
}
