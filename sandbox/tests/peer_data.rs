//! What a device asks its phone for because it lacks it: older messages, and a message that it cannot read.

use std::sync::Arc;

use wharf_sandbox::{Config, History, HistoryChat, HistoryMessage, Phone, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::types::message::MessageInfo;
use whatsapp_rust::waproto::whatsapp::HistorySync;
use whatsapp_rust::waproto::whatsapp::history_sync::HistorySyncType;

use crate::client::Device;
use crate::phones::{jid, says, sees, text};

const MIA: &str = "100000000000002@lid";

/// A phone `shop` with a past with mia and a device, and mia.
async fn start() -> (Sandbox, Phone, Phone, Device) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (shop, mia) = (sandbox.add_phone("shop"), sandbox.add_phone("mia"));
    let messages = (1..=3_u64).map(|number| HistoryMessage {
        id: format!("M{number}"),
        from: Some("mia".to_owned()),
        text: format!("text {number}"),
        timestamp: 1_700_000_000 + number,
    });
    let chat = HistoryChat {
        chat: "mia".to_owned(),
        messages: messages.collect(),
        ..HistoryChat::default()
    };
    shop.has_history(&History { chats: vec![chat], ..History::default() }).unwrap();
    let desk = Device::scanned_by(&sandbox, "shop", true).await;
    desk.connects().await;
    (sandbox, shop, mia, desk)
}

/// Asks for messages of a chat before one of them, and waits for them.
async fn older(desk: &Device, chat: &str, id: &str, count: i32) -> HistorySync {
    let asked = desk.client.fetch_message_history(&jid(chat), id, false, 0, count).await.unwrap();
    desk.sees(|event| match event {
        Event::HistorySync(part) if part.peer_data_request_session_id() == Some(&asked) => {
            assert_eq!(part.sync_type(), HistorySyncType::ON_DEMAND as i32);
            part.get().cloned()
        }
        _ => None,
    })
    .await
}

/// Id and text of every message.
fn said(sync: &HistorySync) -> Vec<(String, String)> {
    let messages = sync.conversations.iter().flat_map(|chat| &chat.messages);
    let said = messages.map(|message| {
        let info = message.message.as_option().unwrap();
        let id = info.key.as_option().unwrap().id.clone().unwrap();
        (id, text(info.message.as_option().unwrap()).unwrap().to_owned())
    });
    said.collect()
}

fn line(id: &str, text: &str) -> (String, String) {
    (id.to_owned(), text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_fetches_older_messages_of_a_chat_from_its_phone() {
    let (_sandbox, shop, mia, desk) = start().await;
    let hello = mia.sends("shop", "hello").await.unwrap();
    shop.receives(says("hello")).await.unwrap();
    let hi = shop.sends("mia", "hi").await.unwrap();
    desk.reads().await;

    let sync = older(&desk, MIA, &hi, 3).await;
    let expected = [line("M2", "text 2"), line("M3", "text 3"), line(&hello, "hello")];
    assert_eq!(said(&sync), expected);
    assert_eq!(sync.conversations[0].id, MIA);
    assert_eq!(sync.conversations[0].end_of_history_transfer, Some(false));
    // By the phone number it is the same chat.
    let sync = older(&desk, "15550000002@s.whatsapp.net", "M3", 50).await;
    assert_eq!(said(&sync), [line("M1", "text 1"), line("M2", "text 2")]);
    assert_eq!(sync.conversations[0].end_of_history_transfer, Some(true));
    let asked = shop.is_asked(|one| one.request == "history_sync_on_demand").await.unwrap();
    assert!(asked.answered && asked.device == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_chat_that_the_phone_does_not_know_there_is_nothing() {
    let (sandbox, _shop, mia, desk) = start().await;
    sandbox.add_phone("leo");
    mia.sends("leo", "secret").await.unwrap();
    for chat in ["100000000000003@lid", "100000000000009@lid", "120363000000000001@g.us"] {
        assert_eq!(said(&older(&desk, chat, "", 50).await), [], "{chat}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_sends_what_its_device_cannot_read() {
    let (_sandbox, shop, mia, desk) = start().await;
    let id = mia.sends("shop", "hello").await.unwrap();
    shop.receives(says("hello")).await.unwrap();
    let (info, _) = sees(&desk, |info, _| info.id == id).await;
    // What the phone does not have comes back empty, and the device says nothing of it.
    let missing = MessageInfo { id: "3A00".to_owned(), ..info.clone() };
    desk.client.send_pdo_placeholder_resend_request(&Arc::new(missing)).await.unwrap();
    desk.client.send_pdo_placeholder_resend_request(&Arc::new(info)).await.unwrap();
    let (again, message) = sees(&desk, |info, _| info.unavailable_request_id.is_some()).await;
    assert_eq!((again.id, text(&message)), (id, Some("hello")));
    let asked = shop.peer_requests();
    let asked = asked.iter().filter(|one| one.request == "placeholder_message_resend");
    assert_eq!(asked.map(|one| one.answered).collect::<Vec<_>>(), [true, true]);
}
