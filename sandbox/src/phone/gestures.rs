//! What a person does to messages that are there: reads them, reacts, edits, takes back.

use buffa::MessageField;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};
use waproto::whatsapp::message::ProtocolMessage;
use waproto::whatsapp::message::protocol_message::Type;
use waproto::whatsapp::{Message, MessageKey};

use super::recipient::Recipient;
use super::{newsletters, send, sending};
use crate::state::{AccountId, DeviceAddr, Shared, State, lock};
use crate::{Error, Result, relay};

/// A message that is there: where it was said, and by whom.
struct Said {
    place: Recipient,
    author: AccountId,
}

/// A message that is a text and nothing else.
pub(crate) fn text(text: &str) -> Message {
    Message { conversation: Some(text.to_owned()), ..Default::default() }
}

/// Reacts to a message; an empty text takes the reaction back.
pub(crate) async fn react(
    shared: &Shared,
    account: AccountId,
    id: &str,
    emoji: &str,
) -> Result<String> {
    let (said, key) = known(&mut lock(shared), account, id)?;
    if let Recipient::Newsletter(jid) = &said.place {
        let own = sending::signal(shared, account)?.lock().await.fresh_id();
        return newsletters::react(&mut lock(shared), account, jid, id, (own, emoji));
    }
    let now_ms = lock(shared).clock.now_ms();
    let reaction = wacore::proto_helpers::build_reaction_message(key, emoji, now_ms);
    send(shared, account, &said.place, reaction).await
}

/// Gives a message of the account another text.
pub(crate) async fn edit(
    shared: &Shared,
    account: AccountId,
    id: &str,
    words: &str,
) -> Result<String> {
    let (said, key) = known(&mut lock(shared), account, id)?;
    if said.author != account {
        return Err(Error::NotOwnMessage(id.to_owned()));
    }
    if let Recipient::Newsletter(jid) = &said.place {
        return newsletters::amend(&mut lock(shared), account, jid, id, Some(&text(words)));
    }
    let edited = ProtocolMessage {
        edited_message: MessageField::some(text(words)),
        timestamp_ms: Some(lock(shared).clock.now_ms()),
        ..about(Type::MESSAGE_EDIT, key)
    };
    send(shared, account, &said.place, wrapped(edited)).await
}

/// Takes a message back: one of the account, or in a group anybody's.
pub(crate) async fn revoke(shared: &Shared, account: AccountId, id: &str) -> Result<String> {
    let (said, key) = known(&mut lock(shared), account, id)?;
    if said.author != account && !matches!(said.place, Recipient::Group(_)) {
        return Err(Error::NotOwnMessage(id.to_owned()));
    }
    if let Recipient::Newsletter(jid) = &said.place {
        return newsletters::amend(&mut lock(shared), account, jid, id, None);
    }
    send(shared, account, &said.place, wrapped(about(Type::REVOKE, key))).await
}

/// Tells the senders of messages that they were read: one receipt for those of one author in one chat. Those of newsletters
/// are seen.
pub(crate) fn read(state: &mut State, account: AccountId, ids: &[&str]) -> Result<()> {
    let mut receipts: Vec<(Jid, Option<Jid>, Vec<&str>)> = Vec::new();
    for id in ids {
        let unknown = || Error::NoSuchMessage((*id).to_owned());
        let chats = &state.handset(account).ok_or_else(unknown)?.chats;
        let message = chats.message(id).filter(|message| !message.from_me).ok_or_else(unknown)?;
        let (to, author) = (message.from.to_non_ad(), message.participant.clone());
        match receipts.iter_mut().find(|(chat, by, _)| (chat, by) == (&to, &author)) {
            Some((_, _, ids)) => ids.push(id),
            None => receipts.push((to, author, vec![id])),
        }
    }
    for (to, author, ids) in receipts {
        if to.is_newsletter() {
            newsletters::see(state, account, &to, &ids)?;
            continue;
        }
        let receipt = read_receipt(&to, author.as_ref(), &ids, state.clock.now());
        relay::receipt(state, DeviceAddr::phone(account), &receipt);
    }
    Ok(())
}

/// As clients write it: whatsapp-rust `receipt.rs`.
fn read_receipt(to: &Jid, author: Option<&Jid>, ids: &[&str], at: i64) -> Node {
    let mut node = NodeBuilder::new("receipt").attr("to", to).attr("type", "read").attr("t", at);
    if let Some(author) = author {
        node = node.attr("participant", author);
    }
    let Some((first, others)) = ids.split_first() else { return node.build() };
    node = node.attr("id", *first);
    if !others.is_empty() {
        let items = others.iter().map(|id| NodeBuilder::new("item").attr("id", *id).build());
        node = node.children([NodeBuilder::new("list").children(items).build()]);
    }
    node.build()
}

/// A message that the phone has sent or received, and the key by which others know it.
fn known(state: &mut State, account: AccountId, id: &str) -> Result<(Said, MessageKey)> {
    let unknown = || Error::NoSuchMessage(id.to_owned());
    let handset = state.handset(account).ok_or_else(unknown)?;
    let said = match (handset.sent(id), handset.chats.message(id)) {
        (Some(sent), _) => Said { place: sent.to.clone(), author: account },
        (None, Some(message)) => {
            let place = message.place.clone();
            let author = message.sender.clone();
            let author = state.accounts.by_name(&author).ok_or_else(unknown)?.id;
            Said { place, author }
        }
        (None, None) => return Err(unknown()),
    };
    let author = Recipient::Person { account: said.author, way: said.place.way(state) };
    let in_group = matches!(said.place, Recipient::Group(_));
    let key = MessageKey {
        remote_jid: Some(said.place.jid(state).to_string()),
        from_me: Some(said.author == account),
        id: Some(id.to_owned()),
        participant: in_group.then(|| author.jid(state).to_string()),
    };
    Ok((said, key))
}

fn about(kind: Type, key: MessageKey) -> ProtocolMessage {
    ProtocolMessage { r#type: Some(kind), key: MessageField::some(key), ..Default::default() }
}

fn wrapped(protocol: ProtocolMessage) -> Message {
    Message { protocol_message: MessageField::some(protocol), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::attr;

    #[test]
    fn a_read_receipt_names_the_first_message_and_lists_the_others() {
        let author = Jid::lid_device("100000000000002", 1);
        let receipt = read_receipt(&Jid::group("1203"), Some(&author), &["A", "B", "C"], 7);
        assert_eq!(attr(&receipt, "id").as_deref(), Some("A"));
        assert_eq!(attr(&receipt, "participant").as_deref(), Some("100000000000002:1@lid"));
        let list = receipt.get_optional_child("list").and_then(Node::children).unwrap_or_default();
        let listed: Vec<_> = list.iter().filter_map(|item| attr(item, "id")).collect();
        assert_eq!(listed, ["B", "C"]);
        let alone = read_receipt(&Jid::lid("100000000000002"), None, &["A"], 7);
        assert!(alone.children().is_none());
    }

    #[test]
    fn what_the_phone_does_not_know_is_not_read() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        let refused = read(&mut state, shop, &["M"]);
        assert!(matches!(refused, Err(Error::NoSuchMessage(id)) if id == "M"));
    }
}
