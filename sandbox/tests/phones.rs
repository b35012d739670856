//! The phone as a peer of a real client: it writes, and reads what is written to it.

use wharf_sandbox::{Error, MessageKind, ReceivedMessage, Sandbox};
use whatsapp_rust::types::events::{Event, Receipt};
use whatsapp_rust::types::presence::ReceiptType;
use whatsapp_rust::wacore::types::message::MessageInfo;
use whatsapp_rust::waproto::whatsapp::message::protocol_message::Type;
use whatsapp_rust::waproto::whatsapp::{Message, MessageKey};
use whatsapp_rust::{Jid, RevokeType};

use crate::client::Device;
use crate::groups::links;

/// A sandbox with the phones `boss` and `shop`, and a client of `shop`.
pub(crate) async fn boss_and_shop() -> (Sandbox, Device) {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    sandbox.add_phone("boss");
    sandbox.add_phone("shop");
    let shop = links(&sandbox, "shop").await;
    (sandbox, shop)
}

pub(crate) const BOSS: &str = "15550000001@s.whatsapp.net";
pub(crate) const SHOP: &str = "15550000002@s.whatsapp.net";

pub(crate) fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

/// The text of a message, however it is carried.
pub(crate) fn text(message: &Message) -> Option<&str> {
    use whatsapp_rust::wacore::proto_helpers::MessageExt;
    message.text_content()
}

/// Waits for the message that is as wanted.
pub(crate) async fn sees(
    device: &Device,
    wanted: impl Fn(&MessageInfo, &Message) -> bool,
) -> (MessageInfo, Message) {
    device
        .sees(|event| {
            let Event::Messages(batch) = event else { return None };
            let found = batch.iter().find(|one| wanted(&one.info, &one.message));
            found.map(|one| (MessageInfo::clone(&one.info), Message::clone(&one.message)))
        })
        .await
}

/// Waits for a receipt for a message.
async fn hears(device: &Device, id: &str, kind: ReceiptType) -> Receipt {
    device
        .sees(|event| match event {
            Event::Receipt(receipt) if receipt.r#type == kind => {
                receipt.message_ids.iter().any(|one| one == id).then(|| receipt.clone())
            }
            _ => None,
        })
        .await
}

pub(crate) fn says(words: &str) -> impl Fn(&ReceivedMessage) -> bool {
    move |message| message.text.as_deref() == Some(words)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_a_phone_is_read_by_the_client_and_by_the_phone_of_its_account() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    let id = boss.sends("shop", "hello").await.unwrap();
    let (info, message) = sees(&shop, |info, _| info.id == id).await;
    assert_eq!(text(&message), Some("hello"));
    assert_eq!(info.source.sender.to_string(), "100000000000001@lid");
    assert_eq!(info.source.sender_alt.map(|jid| jid.to_string()).as_deref(), Some(BOSS));
    assert_eq!(info.push_name, "boss");

    let delivered = boss.hears(|receipt| receipt.sender_device == 1).await.unwrap();
    assert_eq!(
        (delivered.ids.as_slice(), delivered.sender.as_str()),
        ([id.clone()].as_slice(), "shop")
    );
    let own = sandbox.phone("shop").receives(says("hello")).await.unwrap();
    assert_eq!((own.id, own.chat.as_str(), own.sender_device, own.from_me), (id, BOSS, 0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_by_phone_number_names_the_phone_number() {
    let (sandbox, shop) = boss_and_shop().await;
    let id = sandbox.phone("boss").sends(SHOP, "by number").await.unwrap();
    let (info, _) = sees(&shop, |info, _| info.id == id).await;
    assert_eq!(info.source.sender.to_string(), BOSS);
    assert_eq!(
        info.source.sender_alt.map(|jid| jid.to_string()).as_deref(),
        Some("100000000000001@lid")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_a_client_is_read_by_the_phone_and_copied_to_its_own() {
    let (sandbox, shop) = boss_and_shop().await;
    let sent = shop.client.send_text(jid(BOSS), "good morning").await.unwrap();
    let boss = sandbox.phone("boss");
    let read = boss.receives(says("good morning")).await.unwrap();
    assert_eq!((&read.id, read.kind), (&sent.message_id, MessageKind::Text));
    assert_eq!((read.chat.as_str(), read.sender.as_str(), read.sender_device), (SHOP, "shop", 1));
    assert_eq!(read.push_name.as_deref(), Some("shop"));
    assert_eq!(text(&read.message()), Some("good morning"));
    hears(&shop, &sent.message_id, ReceiptType::Delivered).await;

    let copy = sandbox.phone("shop").receives(says("good morning")).await.unwrap();
    assert_eq!((copy.chat.as_str(), copy.sender.as_str(), copy.from_me), (BOSS, "shop", true));

    boss.reads(&[&read.id]).unwrap();
    let receipt = hears(&shop, &sent.message_id, ReceiptType::Read).await;
    assert_eq!(
        receipt.source.sender.user,
        if receipt.source.sender.is_lid() { "100000000000001" } else { "15550000001" }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_devices_of_an_account_get_what_its_phone_sends() {
    let (sandbox, shop) = boss_and_shop().await;
    let id = sandbox.phone("shop").sends("boss", "from my phone").await.unwrap();
    let (info, message) = sees(&shop, |info, _| info.id == id).await;
    assert!(info.source.is_from_me);
    assert_eq!(info.source.chat.to_string(), "100000000000001@lid");
    assert_eq!(text(&message), Some("from my phone"));
    sandbox.phone("boss").receives(says("from my phone")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_on_in_both_directions_and_in_order() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    for round in 0..5 {
        let id = boss.sends("shop", &format!("question {round}")).await.unwrap();
        sees(&shop, |info, _| info.id == id).await;
        shop.client.send_text(jid(BOSS), format!("answer {round}")).await.unwrap();
    }
    boss.receives(says("answer 4")).await.unwrap();
    let read: Vec<_> = boss.messages(0).into_iter().filter_map(|message| message.text).collect();
    assert_eq!(read, ["answer 0", "answer 1", "answer 2", "answer 3", "answer 4"]);
    assert_eq!(boss.messages(3).len(), 2);
    assert!(boss.undecrypted().is_empty(), "{:?}", boss.undecrypted());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_sees_reactions_edits_and_revokes_of_a_client() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    let sent = shop.client.send_text(jid(BOSS), "frist").await.unwrap();
    boss.receives(says("frist")).await.unwrap();
    let asked = boss.sends("shop", "spelling?").await.unwrap();
    let (info, _) = sees(&shop, |info, _| info.id == asked).await;

    let better = Message { conversation: Some("first".into()), ..Default::default() };
    shop.client.edit_message(jid(BOSS), &sent.message_id, better).await.unwrap();
    let edit = boss.receives(says("first")).await.unwrap();
    assert_eq!((edit.kind, edit.target), (MessageKind::Edit, Some(sent.message_id.clone())));

    let key = MessageKey {
        remote_jid: Some(info.source.chat.to_string()),
        from_me: Some(false),
        id: Some(asked.clone()),
        ..Default::default()
    };
    shop.client.send_reaction(info.source.chat, key, "😅").await.unwrap();
    let reaction = boss.receives(says("😅")).await.unwrap();
    assert_eq!((reaction.kind, reaction.target), (MessageKind::Reaction, Some(asked)));

    shop.client.revoke_message(jid(BOSS), &sent.message_id, RevokeType::Sender).await.unwrap();
    let revoke = boss.receives(|message| message.kind == MessageKind::Revoke).await.unwrap();
    assert_eq!((revoke.text, revoke.target), (None, Some(sent.message_id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_reactions_edits_and_revokes_of_the_phone() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    let sent = shop.client.send_text(jid(BOSS), "hello").await.unwrap();
    boss.receives(says("hello")).await.unwrap();
    let own = boss.sends("shop", "helo").await.unwrap();
    sees(&shop, |info, _| info.id == own).await;

    let id = boss.reacts(&sent.message_id, "👍").await.unwrap();
    let (_, message) = sees(&shop, |info, _| info.id == id).await;
    let reaction = message.reaction_message.as_option().unwrap();
    assert_eq!(reaction.text.as_deref(), Some("👍"));
    let key = reaction.key.as_option().unwrap();
    assert_eq!((key.id.as_ref(), key.from_me), (Some(&sent.message_id), Some(false)));

    let id = boss.edits(&own, "hello").await.unwrap();
    let (info, message) = sees(&shop, |info, _| info.id == id).await;
    let protocol = message.protocol_message.as_option().unwrap();
    assert_eq!(protocol.r#type, Some(Type::MESSAGE_EDIT));
    assert_eq!(text(protocol.edited_message.as_option().unwrap()), Some("hello"));
    assert_eq!(info.edit.to_string_val(), "1");

    let id = boss.revokes(&own).await.unwrap();
    let (info, message) = sees(&shop, |info, _| info.id == id).await;
    let protocol = message.protocol_message.as_option().unwrap();
    assert_eq!(protocol.r#type, Some(Type::REVOKE));
    assert_eq!(protocol.key.as_option().unwrap().id.as_ref(), Some(&own));
    assert_eq!(info.edit.to_string_val(), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_without_devices_write_to_each_other() {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    let (boss, shop) = (sandbox.add_phone("boss"), sandbox.add_phone("shop"));
    for to in ["shop", "15550000002", "100000000000002@lid"] {
        let id = boss.sends(to, to).await.unwrap();
        let read = shop.receives(says(to)).await.unwrap();
        assert_eq!((read.id, read.sender_jid.as_str()), (id, BOSS));
    }
    let answer = shop.sends("boss", "yes?").await.unwrap();
    boss.receives(says("yes?")).await.unwrap();
    boss.reads(&[&answer]).unwrap();
    let read = shop.hears(|receipt| receipt.kind == "read").await.unwrap();
    assert_eq!((read.ids, read.sender.as_str()), (vec![answer], "boss"));
}

#[tokio::test]
async fn a_phone_writes_to_nobody_unknown_and_changes_nothing_that_is_not_its_own() {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    let (boss, shop) = (sandbox.add_phone("boss"), sandbox.add_phone("shop"));
    for to in ["nobody", "15550000009", "1@g.us", "status"] {
        let refused = boss.sends(to, "hello").await;
        assert!(matches!(refused, Err(Error::NoSuchChat(name)) if name == to), "{to}");
    }
    let nobody = sandbox.phone("nobody").sends("boss", "hello").await;
    assert!(matches!(nobody, Err(Error::NoSuchPhone(name)) if name == "nobody"));

    let id = boss.sends("shop", "mine").await.unwrap();
    shop.receives(says("mine")).await.unwrap();
    assert!(matches!(shop.edits(&id, "yours").await, Err(Error::NotOwnMessage(_))));
    assert!(matches!(shop.revokes(&id).await, Err(Error::NotOwnMessage(_))));
    assert!(matches!(boss.reacts("M", "x").await, Err(Error::NoSuchMessage(_))));
    assert!(matches!(boss.reads(&[&id]), Err(Error::NoSuchMessage(_))));
}
