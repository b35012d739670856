//! Who is there and who is typing, between Baileys and `whatsapp-rust`.

use serde_json::json;
use whatsapp_rust::Jid;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::types::presence::{ChatPresence, ChatPresenceMedia};

use super::groups::{lid, pn};
use super::{Baileys, Version, for_both, sandbox};
use crate::groups::links;

for_both!(presence_and_typing_are_seen_both_ways);

/// Waits until Baileys has this of the other.
async fn sees(client: &Baileys, presence: &str) {
    client
        .sees("presence.update", |update| {
            let mut people = update["presences"].as_object()?.values();
            people.any(|one| one["lastKnownPresence"] == presence).then_some(())
        })
        .await;
}

async fn presence_and_typing_are_seen_both_ways(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let boss = links(&sandbox, "boss").await;
    let shop = Baileys::links(version, &sandbox, "shop").await;

    boss.client.presence().set_available().await.unwrap();
    shop.call("presenceSubscribe", json!([pn("boss")])).await;
    sees(&shop, "available").await;
    let jid: Jid = pn("shop").parse().unwrap();
    boss.client.chatstate().send_composing(&jid).await.unwrap();
    sees(&shop, "composing").await;
    boss.client.chatstate().send_recording(&jid).await.unwrap();
    sees(&shop, "recording").await;
    boss.client.presence().set_unavailable().await.unwrap();
    sees(&shop, "unavailable").await;

    let state = |state, media| {
        boss.sees(move |event| match event {
            Event::ChatPresence(update) => {
                (update.state == state && update.media == media).then_some(())
            }
            _ => None,
        })
    };
    shop.call("sendPresenceUpdate", json!(["composing", pn("boss")])).await;
    state(ChatPresence::Composing, ChatPresenceMedia::Text).await;
    shop.call("sendPresenceUpdate", json!(["recording", pn("boss")])).await;
    state(ChatPresence::Composing, ChatPresenceMedia::Audio).await;
    shop.call("sendPresenceUpdate", json!(["paused", pn("boss")])).await;
    state(ChatPresence::Paused, ChatPresenceMedia::Text).await;

    let there = |expected: bool| {
        boss.sees(move |event| match event {
            Event::Presence(update) => (update.unavailable != expected).then_some(()),
            _ => None,
        })
    };
    boss.client.presence().subscribe(lid("shop").parse::<Jid>().unwrap()).await.unwrap();
    there(true).await;
    shop.call("sendPresenceUpdate", json!(["unavailable"])).await;
    there(false).await;
    shop.is_at_home(&sandbox);
}
