//! What a device asks its phone for because it lacks it: older messages of a chat, and a message that it cannot read.
//!
//! whatsapp-rust `pdo.rs`, Baileys `messages-recv.js` (`fetchMessageHistory`, `requestPlaceholderResend`).

use buffa::{Message as _, MessageField};
use waproto::whatsapp::conversation::EndOfHistoryTransferType;
use waproto::whatsapp::history_sync::HistorySyncType;
use waproto::whatsapp::message::peer_data_operation_request_message::HistorySyncOnDemandRequest;
use waproto::whatsapp::message::peer_data_operation_request_response_message::PeerDataOperationResult;
use waproto::whatsapp::message::peer_data_operation_request_response_message::peer_data_operation_result::PlaceholderMessageResendResponse;
use waproto::whatsapp::message::protocol_message::Type;
use waproto::whatsapp::message::{
    PeerDataOperationRequestMessage, PeerDataOperationRequestResponseMessage,
    PeerDataOperationRequestType, ProtocolMessage,
};
use waproto::whatsapp::{
    Conversation, HistorySync, HistorySyncMsg, Message, MessageKey, WebMessageInfo,
};
use wacore_binary::Jid;

use super::archive;
use super::history::Part;
use super::recipient::Recipient;
use crate::state::{AccountId, Shared, State, lock};

/// Messages that a device gets if it does not say how many it wants, and at most (wacore `iq/abprops.rs`,
/// `HISTORY_SYNC_ON_DEMAND_MESSAGE_COUNT`).
const USUAL: usize = 50;
const MOST: usize = 500;

/// The answer to a request, if it is of a kind that the phone answers. The device knows its request by the id.
pub(super) fn answer(
    shared: &Shared,
    account: AccountId,
    id: &str,
    request: &PeerDataOperationRequestMessage,
) -> Option<Message> {
    match request.peer_data_operation_request_type? {
        PeerDataOperationRequestType::HISTORY_SYNC_ON_DEMAND => {
            let wanted = request.history_sync_on_demand_request.as_option()?;
            let older = older(&lock(shared), account, wanted);
            Some(Part::new(older, 0, 100).message(shared, Some(id)))
        }
        PeerDataOperationRequestType::PLACEHOLDER_MESSAGE_RESEND => {
            let state = lock(shared);
            let wanted = request.placeholder_message_resend_request.iter();
            let keys = wanted.filter_map(|wanted| wanted.message_key.as_option());
            let found = keys.map(|key| resent(&state, account, key)).collect();
            Some(response(id, found))
        }
        _ => None,
    }
}

/// The messages of a chat before the one that the device has; nothing of a chat that there is not.
fn older(state: &State, account: AccountId, wanted: &HistorySyncOnDemandRequest) -> HistorySync {
    let called = wanted.chat_jid.as_deref().and_then(|jid| jid.parse::<Jid>().ok());
    let called = called.map(|jid| jid.to_non_ad().to_string());
    let chat = called.and_then(|called| Some((Recipient::find(state, &called).ok()?, called)));
    let conversations = chat.map(|(chat, called)| {
        let mut infos = archive::of_chat(state, account, &chat, &called);
        infos.retain(archive::is_said);
        infos.truncate(before(&infos, wanted));
        let count = wanted.on_demand_msg_count.and_then(|count| usize::try_from(count).ok());
        let left = infos.len().saturating_sub(count.unwrap_or(USUAL).min(MOST));
        let messages = infos
            .split_off(left)
            .into_iter()
            .map(|info| HistorySyncMsg { message: MessageField::some(info), ..Default::default() });
        let end = if left > 0 {
            EndOfHistoryTransferType::COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY
        } else {
            EndOfHistoryTransferType::COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY
        };
        Conversation {
            id: called,
            messages: messages.collect(),
            end_of_history_transfer: Some(left == 0),
            end_of_history_transfer_type: Some(end),
            ..Default::default()
        }
    });
    HistorySync {
        sync_type: HistorySyncType::ON_DEMAND,
        conversations: conversations.into_iter().collect(),
        ..Default::default()
    }
}

/// How many of these are before the message that the device has: by its id, or by its time if the phone does not know it.
fn before(infos: &[WebMessageInfo], wanted: &HistorySyncOnDemandRequest) -> usize {
    let id = wanted.oldest_msg_id.as_deref().filter(|id| !id.is_empty());
    let known = infos.iter().position(|info| {
        let own = info.key.as_option().and_then(|key| key.id.as_deref());
        id.is_some() && own == id
    });
    let time = wanted.oldest_msg_timestamp_ms.filter(|time| *time > 0);
    let earlier = |time: i64| {
        let seconds = time.unsigned_abs() / 1000;
        infos.partition_point(|info| info.message_timestamp.unwrap_or_default() < seconds)
    };
    known.or_else(|| time.map(earlier)).unwrap_or(infos.len())
}

/// A message as the phone has it, under the chat's phone number (whatsapp-rust `pdo.rs` looks for that one); its key alone
/// if the phone does not have it.
fn resent(state: &State, account: AccountId, key: &MessageKey) -> WebMessageInfo {
    let chat = key.remote_jid.as_deref().and_then(|jid| Recipient::find(state, jid).ok());
    // By either address, and only if one is named.
    let author = |key: &MessageKey| {
        let jid = key.participant.as_deref()?.parse().ok()?;
        state.accounts.by_jid(&jid).map(|author| author.id)
    };
    let found = chat.and_then(|chat| {
        let infos = archive::of_chat(state, account, &chat, &chat.name(state));
        infos.into_iter().find(|info| {
            let own = info.key.as_option();
            own.is_some_and(|own| {
                own.id == key.id
                    && own.from_me.unwrap_or(false) == key.from_me.unwrap_or(false)
                    && author(own).zip(author(key)).is_none_or(|(own, key)| own == key)
            })
        })
    });
    let nothing = || WebMessageInfo { key: MessageField::some(key.clone()), ..Default::default() };
    found.unwrap_or_else(nothing)
}

fn response(id: &str, found: Vec<WebMessageInfo>) -> Message {
    let results = found.into_iter().map(|info| PeerDataOperationResult {
        placeholder_message_resend_response: MessageField::some(PlaceholderMessageResendResponse {
            web_message_info_bytes: Some(info.encode_to_vec()),
        }),
        ..Default::default()
    });
    let response = PeerDataOperationRequestResponseMessage {
        peer_data_operation_request_type: Some(
            PeerDataOperationRequestType::PLACEHOLDER_MESSAGE_RESEND,
        ),
        stanza_id: Some(id.to_owned()),
        peer_data_operation_result: results.collect(),
    };
    let protocol = ProtocolMessage {
        r#type: Some(Type::PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE),
        peer_data_operation_request_response_message: MessageField::some(response),
        ..Default::default()
    };
    Message { protocol_message: MessageField::some(protocol), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::super::chats::tests::received;
    use super::super::history::{History, HistoryChat, HistoryMessage, remember};
    use super::*;

    /// A phone with a past of four messages with mia.
    fn past() -> (State, AccountId) {
        let mut state = State::default();
        let [shop, _] = ["shop", "mia"].map(|name| state.accounts.add(name).expect("free"));
        let messages = (1..=4_u64).map(|number| HistoryMessage {
            id: format!("M{number}"),
            from: (number % 2 == 1).then(|| "mia".to_owned()),
            text: format!("text {number}"),
            timestamp: 1000 + number,
        });
        let chat = HistoryChat {
            chat: "mia".to_owned(),
            messages: messages.collect(),
            ..HistoryChat::default()
        };
        let history = History { chats: vec![chat], ..History::default() };
        remember(&mut state, shop, &history).expect("a past");
        (state, shop)
    }

    fn ids(sync: &HistorySync) -> Vec<&str> {
        let messages = sync.conversations.iter().flat_map(|chat| &chat.messages);
        let infos = messages.filter_map(|message| message.message.as_option());
        infos.filter_map(|info| info.key.as_option()?.id.as_deref()).collect()
    }

    #[test]
    fn older_messages_are_those_before_an_id_or_a_time_and_the_newest_of_them() {
        let (state, shop) = past();
        let asked = |jid: &str, id: &str, time: Option<i64>, count: Option<i32>| {
            let wanted = HistorySyncOnDemandRequest {
                chat_jid: Some(jid.to_owned()),
                oldest_msg_id: Some(id.to_owned()),
                oldest_msg_timestamp_ms: time,
                on_demand_msg_count: count,
                ..Default::default()
            };
            let sync = older(&state, shop, &wanted);
            let ends = sync.conversations.iter().map(|chat| chat.end_of_history_transfer);
            (ids(&sync).join(" "), ends.flatten().collect::<Vec<bool>>())
        };
        let (pn, lid) = ("15550000002@s.whatsapp.net", "100000000000002@lid");
        let some = |ids: &str, end| (ids.to_owned(), vec![end]);
        for jid in [pn, lid, "100000000000002:3@lid"] {
            assert_eq!(asked(jid, "M4", None, None), some("M1 M2 M3", true), "{jid}");
        }
        assert_eq!(asked(lid, "M4", Some(1), Some(2)), some("M2 M3", false));
        assert_eq!(asked(lid, "", Some(1_003_000), Some(1)), some("M2", false));
        assert_eq!(asked(lid, "N", None, None), some("M1 M2 M3 M4", true));
        assert_eq!(asked(lid, "M1", None, Some(-1)), some("", true));
        assert_eq!(asked(lid, "M4", None, Some(0)), some("", false));
        assert_eq!(asked("100000000000001@lid", "", None, None), some("", true));
        for unknown in ["100000000000009@lid", "mia", ""] {
            assert_eq!(asked(unknown, "", None, None), (String::new(), vec![]), "{unknown}");
        }
    }

    #[test]
    fn a_message_is_found_by_its_key_under_the_phone_number_of_the_chat() {
        let (state, shop) = past();
        let asked = |jid: &str, id: &str, from_me| {
            let key = MessageKey {
                remote_jid: Some(jid.to_owned()),
                from_me: Some(from_me),
                id: Some(id.to_owned()),
                participant: None,
            };
            let info = resent(&state, shop, &key);
            let jid = info.key.as_option().and_then(|key| key.remote_jid.clone());
            (jid, info.message.as_option().and_then(|message| message.conversation.clone()))
        };
        let some = |text: &str| Some(text.to_owned());
        let (pn, lid) = ("15550000002@s.whatsapp.net", "100000000000002@lid");
        assert_eq!(asked(lid, "M1", false), (some(pn), some("text 1")));
        assert_eq!(asked(pn, "M2", true), (some(pn), some("text 2")));
        assert_eq!(asked(lid, "M2", false), (some(lid), None));
        assert_eq!(asked(lid, "N", false), (some(lid), None));
        assert_eq!(asked("nowhere", "M1", false), (some("nowhere"), None));
    }

    #[test]
    fn of_messages_with_one_id_that_of_the_author_is_meant() {
        let mut state = State::default();
        let [boss, ..] =
            ["boss", "shop", "mia"].map(|name| state.accounts.add(name).expect("free"));
        for text in ["shop", "mia"] {
            let said = Message { conversation: Some(text.to_owned()), ..Default::default() };
            let place = Recipient::Group(Jid::status_broadcast());
            let handset = state.handset(boss).expect("a handset");
            handset.chats.messages.add(|sequence| received(sequence, text, place, &said));
        }
        let asked = |participant: Option<&str>| {
            let key = MessageKey {
                remote_jid: Some("status@broadcast".to_owned()),
                from_me: Some(false),
                id: Some("M".to_owned()),
                participant: participant.map(str::to_owned),
            };
            resent(&state, boss, &key).message.into_option()?.conversation
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(asked(Some("100000000000003@lid")), some("mia"));
        assert_eq!(asked(Some("15550000002:3@s.whatsapp.net")), some("shop"));
        assert_eq!(asked(Some("100000000000001@lid")), None);
        assert!(asked(None).is_some() && asked(Some("")).is_some());
    }
}
