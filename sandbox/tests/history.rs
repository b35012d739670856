//! The past of a phone, which reaches the devices that it links.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use wharf_sandbox::{
    Config, Error, History, HistoryChat, HistoryMessage, NewGroup, Phone, Sandbox,
};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::waproto::whatsapp::history_sync::HistorySyncType;
use whatsapp_rust::waproto::whatsapp::{Conversation, HistorySync};

use crate::client::Device;

const MIA: &str = "100000000000002@lid";

async fn start() -> (Sandbox, Phone) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let shop = sandbox.add_phone("shop");
    sandbox.add_phone("mia");
    (sandbox, shop)
}

fn message(id: &str, from: Option<&str>, text: &str, timestamp: u64) -> HistoryMessage {
    let from = from.map(str::to_owned);
    HistoryMessage { id: id.to_owned(), from, text: text.to_owned(), timestamp }
}

/// A chat with mia of so many messages that are so long, in turn by her and by the phone.
fn past(count: usize, text: &str) -> History {
    let messages = (1..=count).map(|number| {
        let from = (number % 2 == 1).then_some("mia");
        message(&format!("M{number}"), from, text, 1_700_000_000 + number as u64)
    });
    let chat = HistoryChat {
        chat: "mia".to_owned(),
        name: Some("Mia Example".to_owned()),
        unread: 2,
        messages: messages.collect(),
        ..HistoryChat::default()
    };
    let push_names = BTreeMap::from([("mia".to_owned(), "mia!".to_owned())]);
    History { chats: vec![chat], push_names }
}

/// The next part that the client has.
async fn part(device: &Device, kind: HistorySyncType) -> HistorySync {
    device
        .sees(|event| match event {
            Event::HistorySync(part) if part.sync_type() == kind as i32 => part.get().cloned(),
            _ => None,
        })
        .await
}

/// Id, author and text of what a chat holds.
fn said(chat: &Conversation) -> Vec<(String, bool, String)> {
    let said = chat.messages.iter().map(|message| {
        let info = message.message.as_option().unwrap();
        let key = info.key.as_option().unwrap();
        let text = info.message.as_option().unwrap().conversation.clone().unwrap();
        (key.id.clone().unwrap(), key.from_me.unwrap(), text)
    });
    said.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_linked_gets_the_past_in_parts() {
    let (sandbox, shop) = start().await;
    shop.has_history(&past(3, "hello")).unwrap();
    let desk = Device::scanned_by(&sandbox, "shop", true).await;
    // The parts are worked on side by side.
    let (mut bootstrap, mut names, mut recent) = (None, None, None);
    while bootstrap.is_none() || names.is_none() || recent.is_none() {
        let (kind, part) = desk
            .sees(|event| match event {
                Event::HistorySync(part) => Some((part.sync_type(), part.get().cloned()?)),
                _ => None,
            })
            .await;
        match kind {
            kind if kind == HistorySyncType::INITIAL_BOOTSTRAP as i32 => bootstrap = Some(part),
            kind if kind == HistorySyncType::PUSH_NAME as i32 => names = Some(part),
            _ => recent = Some(part),
        }
    }
    let bootstrap = bootstrap.unwrap();
    let chat = &bootstrap.conversations[0];
    assert_eq!((chat.id.as_str(), chat.name.as_deref()), (MIA, Some("Mia Example")));
    assert_eq!((chat.unread_count, chat.archived), (Some(2), Some(false)));
    assert_eq!(said(chat), [("M3".to_owned(), false, "hello".to_owned())]);
    let known = &bootstrap.phone_number_to_lid_mappings[0];
    assert_eq!(known.lid_jid.as_deref(), Some(MIA));
    assert_eq!(known.pn_jid.as_deref(), Some("15550000002@s.whatsapp.net"));

    let names = names.unwrap();
    assert_eq!(names.pushnames[0].id.as_deref(), Some(MIA));
    assert_eq!(names.pushnames[0].pushname.as_deref(), Some("mia!"));
    let recent = recent.unwrap();
    let older =
        [("M1".to_owned(), false, "hello".to_owned()), ("M2".to_owned(), true, "hello".to_owned())];
    assert_eq!((recent.progress, said(&recent.conversations[0])), (Some(100), older.to_vec()));

    let confirmed = RefCell::new(BTreeSet::new());
    shop.hears(|receipt| {
        let mut confirmed = confirmed.borrow_mut();
        if receipt.kind == "hist_sync" && receipt.sender_device == 1 {
            confirmed.extend(receipt.ids.iter().cloned());
        }
        confirmed.len() == 3
    })
    .await
    .unwrap();
    assert_eq!(sandbox.media_files(), 2, "the first part is in the message itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_part_that_is_large_is_in_a_file() {
    let (sandbox, shop) = start().await;
    let long: String =
        (0..20_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_string()).collect();
    shop.has_history(&past(1, &long)).unwrap();
    let desk = Device::scanned_by(&sandbox, "shop", true).await;
    let bootstrap = part(&desk, HistorySyncType::INITIAL_BOOTSTRAP).await;
    assert_eq!(said(&bootstrap.conversations[0])[0].2, long);
    shop.hears(|receipt| receipt.kind == "hist_sync").await.unwrap();
    assert_eq!(sandbox.media_files(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_past_sends_none() {
    let (sandbox, shop) = start().await;
    let desk = Device::scanned_by(&sandbox, "shop", true).await;
    desk.connects().await;
    // What the phone sends comes in order, so this would come after the past.
    shop.has_history(&past(1, "hello")).unwrap();
    sandbox.phone("mia").sends("shop", "hi").await.unwrap();
    assert_eq!(desk.reads().await.text, "hi");
    assert!(shop.receipts().iter().all(|receipt| receipt.kind != "hist_sync"));
    assert_eq!(sandbox.media_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_names_only_people_whom_there_are() {
    let (_sandbox, shop) = start().await;
    let mut unknown = past(1, "hello");
    unknown.chats[0].messages[0].from = Some("leo".to_owned());
    let refused = shop.has_history(&unknown);
    assert!(matches!(&refused, Err(Error::NoSuchChat(who)) if who == "leo"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_goes_on_when_somebody_in_it_has_another_number_or_a_group_is_gone() {
    let (sandbox, shop) = start().await;
    let leo = sandbox.add_phone("leo");
    let town = sandbox.add_group(NewGroup::new("Town").owner("shop").member("mia").community());
    let mut history = past(3, "hello");
    history.chats[0].chat = "15550000002".to_owned();
    let here = "15550000003@s.whatsapp.net";
    let group = [message("G1", Some(here), "in the group", 1_700_000_000)];
    for (chat, messages) in [(town.gid(), group.to_vec()), (here.to_owned(), Vec::new())] {
        history.chats.push(HistoryChat { chat, messages, ..HistoryChat::default() });
    }
    history.push_names.insert("+15550000003".to_owned(), "Leo".to_owned());
    history.push_names.insert(town.gid(), "Town".to_owned());
    shop.has_history(&history).unwrap();
    sandbox.phone("mia").changes_number("4917000000").unwrap();
    leo.changes_number("4917000001").unwrap();
    town.deactivates();

    let desk = Device::scanned_by(&sandbox, "shop", true).await;
    let (mut bootstrap, mut names) = (None, None);
    while bootstrap.is_none() || names.is_none() {
        let part = desk
            .sees(|event| match event {
                Event::HistorySync(part) => part.get().cloned(),
                _ => None,
            })
            .await;
        match part.sync_type {
            HistorySyncType::INITIAL_BOOTSTRAP => bootstrap = Some(part),
            HistorySyncType::PUSH_NAME => names = Some(part),
            _ => {}
        }
    }
    let chats = bootstrap.unwrap().conversations;
    let ids: Vec<&str> = chats.iter().map(|chat| chat.id.as_str()).collect();
    let leo = "4917000001@s.whatsapp.net";
    assert_eq!(ids, ["4917000000@s.whatsapp.net", leo]);
    assert_eq!(said(&chats[0]), [("M3".to_owned(), false, "hello".to_owned())]);
    let names = names.unwrap().pushnames;
    let called: BTreeSet<_> = names.iter().filter_map(|name| name.id.as_deref()).collect();
    assert_eq!(called, BTreeSet::from([MIA, leo]));
}
