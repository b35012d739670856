//! What the phone has of its chats: the past that was described, what it has received, and what it has sent.

use buffa::{Message as _, MessageField};
use waproto::whatsapp::{Message, MessageKey, WebMessageInfo};

use super::chats::ReceivedMessage;
use super::handset::Sent;
use super::history;
use super::recipient::Recipient;
use crate::state::{AccountId, State};

/// The messages of a chat, the oldest first. Their keys name the chat as it is named here.
pub(super) fn of_chat(
    state: &State,
    account: AccountId,
    chat: &Recipient,
    called: &str,
) -> Vec<WebMessageInfo> {
    let Some(found) = state.accounts.get(account) else { return Vec::new() };
    let mut infos = history::of_chat(state, account, chat);
    if let Some(handset) = &found.handset {
        let received = handset.chats.messages.after(0).filter(|one| one.place.is(chat));
        infos.extend(received.map(|message| received_info(state, message)));
        let sent = handset.all_sent().filter(|sent| sent.to.is(chat));
        infos.extend(sent.map(sent_info));
    }
    infos.sort_by_key(|info| info.message_timestamp);
    for info in &mut infos {
        info.key.get_or_insert_default().remote_jid = Some(called.to_owned());
    }
    infos
}

/// Whether a message is one that stands in its chat, and not one about another or about nothing that anybody said.
pub(super) fn is_said(info: &WebMessageInfo) -> bool {
    let message = info.message.as_option();
    message.is_some_and(|message| {
        !message.protocol_message.is_set()
            && !message.reaction_message.is_set()
            && !message.poll_update_message.is_set()
    })
}

fn received_info(state: &State, received: &ReceivedMessage) -> WebMessageInfo {
    let author = state.accounts.by_name(&received.sender).map(|author| author.id);
    let author =
        author.filter(|_| !received.from_me && matches!(received.place, Recipient::Group(_)));
    let way = received.place.way(state);
    let author = author.map(|account| Recipient::Person { account, way }.jid(state).to_string());
    WebMessageInfo {
        push_name: received.push_name.clone(),
        ..info(&received.id, received.from_me, author, received.timestamp, received.message())
    }
}

fn sent_info(sent: &Sent) -> WebMessageInfo {
    let message = Message::decode_from_slice(&sent.message).unwrap_or_default();
    info(&sent.id, true, None, sent.at, message)
}

fn info(
    id: &str,
    from_me: bool,
    participant: Option<String>,
    at: i64,
    message: Message,
) -> WebMessageInfo {
    let key = MessageKey {
        from_me: Some(from_me),
        id: Some(id.to_owned()),
        participant: participant.clone(),
        ..Default::default()
    };
    WebMessageInfo {
        key: MessageField::some(key),
        message: MessageField::some(message),
        message_timestamp: Some(at.unsigned_abs()),
        participant,
        ..Default::default()
    }
}
