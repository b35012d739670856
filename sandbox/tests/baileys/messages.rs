//! Messages between Baileys and `whatsapp-rust`: each opens what the other has sealed.

use serde_json::{Value, json};
use wharf_sandbox::NewGroup;
use whatsapp_rust::Jid;
use whatsapp_rust::prelude::{MessageBuilderExt, MessageExt, wa};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::types::message::MessageInfo;
use whatsapp_rust::types::presence::ReceiptType;

use super::groups::{lid, pn};
use super::{Baileys, Version, for_both, has_acknowledged_all, sandbox};
use crate::client::Device;
use crate::groups::links;
use crate::network::opens;

for_both!(
    private_messages_go_both_ways,
    group_messages_go_both_ways,
    receipts_go_both_ways,
    what_a_client_has_missed_arrives_when_it_is_back,
);

/// Waits until the other client has opened a message of this text.
async fn opened(device: &Device, text: &str) -> MessageInfo {
    device
        .sees(|event| {
            let Event::Messages(batch) = event else { return None };
            let mut found = batch.iter().filter(|one| one.message.text_content() == Some(text));
            found.next().map(|one| (*one.info).clone())
        })
        .await
}

/// Waits until Baileys has opened a message of this text; the message, and whether it counts as missed.
async fn read(client: &Baileys, text: &str) -> (Value, bool) {
    client
        .sees("messages.upsert", |upsert| {
            let content = &upsert["message"]["message"];
            let found =
                content["conversation"] == text || content["extendedTextMessage"]["text"] == text;
            found.then(|| (upsert["message"].clone(), upsert["type"] == "append"))
        })
        .await
}

async fn private_messages_go_both_ways(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let boss = links(&sandbox, "boss").await;
    let shop = Baileys::links(version, &sandbox, "shop").await;

    let sent = shop.call("sendMessage", json!([pn("boss"), {"text": "guten Morgen 🌅"}])).await;
    let info = opened(&boss, "guten Morgen 🌅").await;
    assert_eq!(sent["key"]["id"], info.id);
    assert_eq!(info.push_name, "shop");
    assert!(!info.source.is_group && !info.source.is_from_me);
    assert_eq!(info.source.sender.user, "15550000002");

    // The answer goes on the session that the first message has begun.
    let id = boss.client.send_message(&info.source.chat, wa::Message::text("moin")).await.unwrap();
    let (message, _) = read(&shop, "moin").await;
    assert_eq!(message["key"]["id"], id.message_id);
    assert_eq!(message["key"]["fromMe"], false);
    assert_eq!(message["pushName"], "boss");
    shop.is_at_home(&sandbox);
}

async fn group_messages_go_both_ways(version: Version) {
    let sandbox = sandbox(&["boss", "shop", "mia"]).await;
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop").member("mia"));
    let gid = group.gid();
    let boss = links(&sandbox, "boss").await;
    let shop = Baileys::links(version, &sandbox, "shop").await;

    // The first carries the sender key, the second needs it.
    for text in ["one", "two"] {
        shop.call("sendMessage", json!([gid, { "text": text }])).await;
        let info = opened(&boss, text).await;
        assert_eq!((info.source.chat.to_string(), info.push_name.as_str()), (gid.clone(), "shop"));
        assert_eq!(info.source.sender.to_non_ad().to_string(), lid("shop"));
    }
    let jid: Jid = gid.parse().unwrap();
    for text in ["three", "four"] {
        boss.client.send_message(jid.clone(), wa::Message::text(text)).await.unwrap();
        let (message, _) = read(&shop, text).await;
        assert_eq!(message["key"]["remoteJid"], gid);
        assert_eq!(message["key"]["participant"], lid("boss"));
        assert_eq!(message["pushName"], "boss");
    }
    shop.is_at_home(&sandbox);
}

/// How far a message of Baileys has come, by the numbers of its `WebMessageInfo.Status`.
async fn reaches(client: &Baileys, id: &Value, status: u64) {
    client
        .sees("messages.update", |one| {
            (one["key"]["id"] == *id && one["update"]["status"] == status).then_some(())
        })
        .await;
}

async fn receipts_go_both_ways(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let boss = links(&sandbox, "boss").await;
    let shop = Baileys::links(version, &sandbox, "shop").await;

    // Who is not there sends `inactive`, which is no tick.
    boss.client.presence().set_available().await.unwrap();
    let sent = shop.call("sendMessage", json!([pn("boss"), {"text": "read me"}])).await;
    let id = &sent["key"]["id"];
    let info = opened(&boss, "read me").await;
    reaches(&shop, id, 3).await;
    boss.client.mark_as_read(&info.source.chat, None, &[&info.id]).await.unwrap();
    reaches(&shop, id, 4).await;

    let chat = info.source.chat;
    let sent = boss.client.send_message(chat, wa::Message::text("and me")).await.unwrap();
    let (message, _) = read(&shop, "and me").await;
    let receipt = |kinds: &'static [ReceiptType]| {
        let id = sent.message_id.clone();
        boss.sees(move |event| match event {
            Event::Receipt(receipt) => {
                (receipt.message_ids.contains(&id) && kinds.contains(&receipt.r#type)).then_some(())
            }
            _ => None,
        })
    };
    receipt(&[ReceiptType::Delivered, ReceiptType::Inactive]).await;
    shop.call("readMessages", json!([[message["key"]]])).await;
    receipt(&[ReceiptType::Read]).await;
    shop.is_at_home(&sandbox);
}

async fn what_a_client_has_missed_arrives_when_it_is_back(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop"));
    let boss = links(&sandbox, "boss").await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    // A session that is there is used on.
    shop.call("sendMessage", json!([pn("boss"), {"text": "before"}])).await;
    let chat = opened(&boss, "before").await.source.chat;
    has_acknowledged_all(&sandbox, "shop").await;
    let store = shop.stops().await;
    opens(&sandbox, 1).await;
    for text in ["first", "second"] {
        boss.client.send_message(chat.clone(), wa::Message::text(text)).await.unwrap();
    }
    group.by("boss").sets_subject("Meanwhile");

    let again = Baileys::stored_in(store, version, &sandbox).await;
    again.opens().await;
    // 6.7 tells of what it has missed when something new comes.
    has_acknowledged_all(&sandbox, "shop").await;
    boss.client.send_message(chat, wa::Message::text("third")).await.unwrap();
    for text in ["first", "second"] {
        let (_, missed) = read(&again, text).await;
        assert!(missed, "{text}");
    }
    again.sees("groups.update", |group| (group["subject"] == "Meanwhile").then_some(())).await;
    read(&again, "third").await;
    again.is_at_home(&sandbox);
}
