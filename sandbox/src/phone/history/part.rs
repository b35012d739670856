//! The past in protobuf, part by part.

use std::io::Write;

use buffa::{Message as _, MessageField};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use wacore::download::MediaType;
use wacore_binary::JidExt as _;
use waproto::whatsapp::history_sync::HistorySyncType;
use waproto::whatsapp::message::protocol_message::Type;
use waproto::whatsapp::message::{self, HistorySyncNotification, ProtocolMessage};
use waproto::whatsapp::{
    Conversation, HistorySync, HistorySyncMsg, Message, MessageKey, PhoneNumberToLIDMapping,
    Pushname, WebMessageInfo,
};

use super::{History, HistoryChat, HistoryMessage};
use crate::blob;
use crate::phone::{Recipient, text};
use crate::state::{AccountId, Shared, State, lock};
use crate::{Error, Result};

/// Compressed bytes that the first part may have to be in the message itself.
const INLINE: usize = 8 * 1024;

/// A part of the past as it is sent.
pub(in crate::phone) struct Part {
    kind: HistorySyncType,
    order: u32,
    progress: u32,
    compressed: Vec<u8>,
}

impl Part {
    /// Compresses a part.
    pub(in crate::phone) fn new(mut sync: HistorySync, order: u32, progress: u32) -> Self {
        sync.chunk_order = Some(order);
        sync.progress = Some(progress);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let written = encoder.write_all(&sync.encode_to_vec());
        let compressed = written.and_then(|()| encoder.finish());
        let compressed = compressed.expect("writing into memory does not fail");
        Self { kind: sync.sync_type, order, progress, compressed }
    }

    /// The message that says where this part is, and which request of a device it answers.
    pub(in crate::phone) fn message(self, shared: &Shared, request: Option<&str>) -> Message {
        let mut notification = HistorySyncNotification {
            sync_type: Some(kind(self.kind)),
            chunk_order: Some(self.order),
            progress: Some(self.progress),
            file_length: Some(self.compressed.len() as u64),
            peer_data_request_session_id: request.map(str::to_owned),
            ..Default::default()
        };
        let first = self.kind == HistorySyncType::INITIAL_BOOTSTRAP;
        if first && self.compressed.len() <= INLINE {
            let inline = Some(self.compressed);
            notification.initial_hist_bootstrap_inline_payload = inline;
        } else {
            let sealed = blob::seal(MediaType::History, &self.compressed);
            let blob = sealed.store(&mut lock(shared).media);
            notification.media_key = Some(blob.media_key.to_vec());
            notification.direct_path = Some(blob.direct_path);
            notification.file_sha256 = Some(blob.sha256.to_vec());
            notification.file_enc_sha256 = Some(blob.sealed_sha256.to_vec());
        }
        let protocol = ProtocolMessage {
            r#type: Some(Type::HISTORY_SYNC_NOTIFICATION),
            history_sync_notification: MessageField::some(notification),
            ..Default::default()
        };
        Message { protocol_message: MessageField::some(protocol), ..Default::default() }
    }
}

/// What a phone sends of the past, in what order and with how much progress: every chat with its newest message, what
/// people call themselves, and the rest.
pub(super) fn syncs(
    state: &State,
    account: AccountId,
    history: &History,
) -> Result<Vec<(HistorySync, u32, u32)>> {
    let chat = |chat| conversation(state, account, chat);
    let whole: Vec<Conversation> = history.chats.iter().map(chat).collect::<Result<_>>()?;
    let newest = whole.iter().map(|chat| {
        let messages = chat.messages.last().cloned().into_iter().collect();
        Conversation { messages, ..chat.clone() }
    });
    let older = whole.iter().filter(|chat| chat.messages.len() > 1).map(|chat| {
        let older = chat.messages.len() - 1;
        Conversation { messages: chat.messages[..older].to_vec(), ..chat.clone() }
    });
    let names = history.push_names.iter().map(|(who, name)| {
        let id = Recipient::find(state, who)?.jid(state).to_string();
        Ok(Pushname { id: Some(id), pushname: Some(name.clone()) })
    });
    let bootstrap = HistorySync {
        sync_type: HistorySyncType::INITIAL_BOOTSTRAP,
        conversations: newest.collect(),
        phone_number_to_lid_mappings: people(state, history),
        ..Default::default()
    };
    let names = HistorySync {
        sync_type: HistorySyncType::PUSH_NAME,
        pushnames: names.collect::<Result<_>>()?,
        ..Default::default()
    };
    let recent = HistorySync {
        sync_type: HistorySyncType::RECENT,
        conversations: older.collect(),
        ..Default::default()
    };
    let mut parts = vec![(bootstrap, 0, 50)];
    if !names.pushnames.is_empty() {
        parts.push((names, 0, 50));
    }
    parts.push((recent, 1, 100));
    Ok(parts)
}
/// The same type, as a notification calls it.
fn kind(kind: HistorySyncType) -> message::HistorySyncType {
    match kind {
        HistorySyncType::PUSH_NAME => message::HistorySyncType::PUSH_NAME,
        HistorySyncType::RECENT => message::HistorySyncType::RECENT,
        HistorySyncType::ON_DEMAND => message::HistorySyncType::ON_DEMAND,
        _ => message::HistorySyncType::INITIAL_BOOTSTRAP,
    }
}

fn conversation(state: &State, account: AccountId, past: &HistoryChat) -> Result<Conversation> {
    let chat = Recipient::find(state, &past.chat)?;
    let id = chat.jid(state).to_string();
    let messages = past.messages.iter().map(|message| {
        let info = said(state, account, &chat, message)?;
        Ok(HistorySyncMsg { message: MessageField::some(info), ..Default::default() })
    });
    let newest = past.messages.last().map(|message| message.timestamp);
    Ok(Conversation {
        id,
        messages: messages.collect::<Result<_>>()?,
        name: past.name.clone(),
        unread_count: Some(past.unread),
        archived: Some(past.archived),
        conversation_timestamp: newest,
        last_msg_timestamp: newest,
        ..Default::default()
    })
}

/// A message of the past, as a phone keeps it.
pub(super) fn said(
    state: &State,
    account: AccountId,
    chat: &Recipient,
    past: &HistoryMessage,
) -> Result<WebMessageInfo> {
    let author = past.from.as_ref().map(|from| match Recipient::find(state, from)? {
        Recipient::Person { account, .. } => Ok((account, from)),
        _ => Err(Error::NoSuchChat(from.clone())),
    });
    let author = author.transpose()?.filter(|(author, _)| *author != account);
    let place = chat.jid(state);
    let participant = match author {
        Some((_, from)) if place.is_group() => {
            Some(Recipient::find(state, from)?.jid(state).to_string())
        }
        _ => None,
    };
    let key = MessageKey {
        remote_jid: Some(place.to_string()),
        from_me: Some(author.is_none()),
        id: Some(past.id.clone()),
        participant: participant.clone(),
    };
    Ok(WebMessageInfo {
        key: MessageField::some(key),
        message: MessageField::some(text(&past.text)),
        message_timestamp: Some(past.timestamp),
        participant,
        ..Default::default()
    })
}

/// Both addresses of everybody who is named.
fn people(state: &State, history: &History) -> Vec<PhoneNumberToLIDMapping> {
    let chats = history.chats.iter().map(|chat| &chat.chat);
    let authors = history.chats.iter().flat_map(|chat| &chat.messages);
    let authors = authors.filter_map(|message| message.from.as_ref());
    let mut people: Vec<AccountId> = chats
        .chain(authors)
        .chain(history.push_names.keys())
        .filter_map(|who| match Recipient::find(state, who) {
            Ok(Recipient::Person { account, .. }) => Some(account),
            _ => None,
        })
        .collect();
    people.sort_unstable();
    people.dedup();
    let people = people.into_iter().filter_map(|account| state.accounts.get(account));
    let people = people.map(|account| PhoneNumberToLIDMapping {
        pn_jid: Some(account.pn().to_string()),
        lid_jid: Some(account.lid().to_string()),
    });
    people.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    fn named(chat: &str, from: Option<&str>) -> History {
        let message = HistoryMessage {
            id: "M1".into(),
            from: from.map(str::to_owned),
            text: "hello".into(),
            timestamp: 1_700_000_000,
        };
        let chat = HistoryChat { chat: chat.into(), messages: vec![message], ..Default::default() };
        History { chats: vec![chat], ..Default::default() }
    }

    #[test]
    fn a_past_names_people_whom_there_are() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        state.accounts.add("mia").expect("a free name");
        let kinds = |history: &History| {
            let parts = syncs(&state, shop, history)?.into_iter();
            Ok::<_, Error>(
                parts.map(|(part, _, progress)| (part.sync_type, progress)).collect::<Vec<_>>(),
            )
        };
        let bootstrap = (HistorySyncType::INITIAL_BOOTSTRAP, 50);
        let recent = (HistorySyncType::RECENT, 100);
        assert_eq!(kinds(&named("mia", Some("mia"))).expect("a past"), [bootstrap, recent]);
        let mut called = named("mia", None);
        called.push_names.insert("15550000002".into(), "Mia".into());
        let names = (HistorySyncType::PUSH_NAME, 50);
        assert_eq!(kinds(&called).expect("a past"), [bootstrap, names, recent]);
        for history in [named("leo", None), named("mia", Some("leo"))] {
            let refused = kinds(&history);
            assert!(matches!(&refused, Err(Error::NoSuchChat(who)) if who == "leo"), "{refused:?}");
        }
    }
}
