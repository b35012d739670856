//! The phone in newsletters: it reads what they bring, and writes, changes, reacts and sees as any device does. Nothing of
//! that is encrypted.
//!
//! Shapes: whatsapp-rust `send/mod.rs` (`plaintext`, `build_newsletter_edit_node`) and `client/messaging.rs`
//! (`send_server_reaction`), whatsmeow `newsletter.go` (`NewsletterMarkViewed`).

use buffa::Message as _;
use tracing::debug;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeValue};
use waproto::whatsapp::Message;

use super::MessageKind;
use super::chats::ReceivedMessage;
use super::content::content;
use super::recipient::Recipient;
use super::sending::accepted;
use crate::groups::Refusal;
use crate::newsletters::{self, Edit, change};
use crate::stanza::{self, leaf};
use crate::state::{AccountId, DeviceAddr, Shared, State, lock};
use crate::{Error, Result, relay};

/// Follows a newsletter, or does not any more. Whoever follows it already goes on.
pub(crate) fn follow(shared: &Shared, account: AccountId, jid: &Jid, on: bool) -> Result<()> {
    let done = newsletters::act(shared, |state| {
        let name = state.accounts.get(account).ok_or(Refusal::NotFound)?.name.clone();
        let phone = Some(DeviceAddr::phone(account));
        if on {
            change::follow(state, &name, phone, jid)
        } else {
            change::unfollow(state, &name, phone, jid)
        }
    });
    done.map_err(|refusal| Error::NewsletterRefused(refusal.code()))
}

/// Writes a message.
pub(super) fn post(
    state: &mut State,
    account: AccountId,
    jid: &Jid,
    (id, message): (String, &Message),
) -> Result<String> {
    say(state, account, stanza(jid, &id, message))?;
    let to = Recipient::Newsletter(jid.clone());
    state.keep_sent(account, &id, &to, message);
    Ok(id)
}

/// Puts a message in the place of an older one, or takes that back. It has the id of the older one.
pub(super) fn amend(
    state: &mut State,
    account: AccountId,
    jid: &Jid,
    id: &str,
    message: Option<&Message>,
) -> Result<String> {
    let edit = if message.is_some() { Edit::Replace } else { Edit::Revoke };
    let nothing = Message::default();
    let node = stanza(jid, id, message.unwrap_or(&nothing)).attr("edit", edit.wire());
    say(state, account, node)?;
    Ok(id.to_owned())
}

/// Reacts to a message; an empty text takes the reaction back.
pub(super) fn react(
    state: &mut State,
    account: AccountId,
    jid: &Jid,
    id: &str,
    (own, emoji): (String, &str),
) -> Result<String> {
    let number = number(state, jid, id)?;
    let reaction = NodeBuilder::new("reaction").attr("code", emoji).build();
    let node = NodeBuilder::new("message")
        .attr("to", jid)
        .attr("id", own.as_str())
        .attr("type", "reaction")
        .attr("server_id", number)
        .children([reaction]);
    say(state, account, node)?;
    Ok(own)
}

/// Says that messages were seen.
pub(super) fn see(state: &mut State, account: AccountId, jid: &Jid, ids: &[&str]) -> Result<()> {
    let numbers: Vec<u64> = ids.iter().map(|id| number(state, jid, id)).collect::<Result<_>>()?;
    let item = |number: u64| NodeBuilder::new("item").attr("server_id", number).build();
    let list = NodeBuilder::new("list").children(numbers.into_iter().map(item)).build();
    let receipt = NodeBuilder::new("receipt")
        .attr("to", jid)
        .attr("id", state.next_id())
        .attr("type", "view")
        .children([list]);
    relay::receipt(state, DeviceAddr::phone(account), &receipt.build());
    Ok(())
}

/// Takes a message of a newsletter into the phone's chats: a new one, another text for one, or word that one is gone.
pub(super) fn take(state: &mut State, account: AccountId, jid: &Jid, node: &Node) {
    let body = node.get_optional_child("plaintext").and_then(stanza::bytes).unwrap_or_default();
    let read = (stanza::attr(node, "id"), Message::decode_from_slice(body));
    let (Some(id), Ok(message)) = read else {
        debug!(newsletter = %jid, "a phone cannot read what a newsletter brings");
        return;
    };
    let owner = state.newsletters.find(jid).map(|channel| channel.owner.clone());
    let owner = owner.ok().and_then(|name| state.accounts.by_name(&name));
    let Some(owner) = owner else { return };
    let (sender, from_me) = (owner.name.clone(), owner.id == account);
    let said = content(&message);
    let kind = match stanza::attr(node, "edit").as_deref() {
        Some(edit) if edit == Edit::Revoke.wire() => MessageKind::Revoke,
        Some(_) => MessageKind::Edit,
        None => said.kind,
    };
    let target = matches!(kind, MessageKind::Edit | MessageKind::Revoke).then(|| id.clone());
    let timestamp = stanza::attr(node, "t").and_then(|text| text.parse().ok()).unwrap_or(0);
    let Some(handset) = state.handset(account) else { return };
    handset.chats.messages.add(|sequence| ReceivedMessage {
        sequence,
        id,
        chat: jid.to_string(),
        sender,
        sender_jid: jid.to_string(),
        sender_device: 0,
        from_me,
        timestamp,
        push_name: None,
        kind,
        text: said.text,
        target,
        view_once: false,
        bytes: message.encode_to_vec(),
        place: Recipient::Newsletter(jid.clone()),
        from: jid.clone(),
        participant: None,
    });
    handset.chats.tell();
}

/// The number of a message, by which the server knows it.
fn number(state: &mut State, jid: &Jid, id: &str) -> Result<u64> {
    let post = state.newsletters.find_mut(jid).and_then(|channel| channel.post_of(id));
    post.map(|post| post.server_id).map_err(|_| Error::NoSuchMessage(id.to_owned()))
}

fn stanza(jid: &Jid, id: &str, message: &Message) -> NodeBuilder {
    let mut text = leaf("plaintext", message.encode_to_vec());
    if let Some(kind) = wacore::send::media_type_from_message(message) {
        text.attrs.insert("mediatype", NodeValue::from(kind));
    }
    NodeBuilder::new("message")
        .attr("to", jid)
        .attr("id", id)
        .attr("type", wacore::send::stanza_type_from_message(message))
        .children([text])
}

fn say(state: &mut State, account: AccountId, node: NodeBuilder) -> Result<()> {
    let ack = relay::message(state, DeviceAddr::phone(account), &node.build());
    Ok(accepted(&ack)?)
}

/// A newsletter that a text names.
pub(crate) fn named(shared: &Shared, jid: &str) -> Result<Jid> {
    match Recipient::find(&lock(shared), jid)? {
        Recipient::Newsletter(jid) => Ok(jid),
        _ => Err(Error::NoSuchChat(jid.to_owned())),
    }
}
