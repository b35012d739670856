//! Accounts that demand privacy tokens, as Baileys meets them.

use serde_json::{Value, json};

use super::groups::pn;
use super::{Baileys, Version, has_acknowledged_all, sandbox};
use crate::client::until;

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_token_is_refused_and_gives_one_of_its_own() {
    let sandbox = sandbox(&["boss", "shop"]).await;
    sandbox.phone("boss").demands_tokens(true);
    let shop = Baileys::links(Version::Seven, &sandbox, "shop").await;
    let sent = shop.call("sendMessage", json!([pn("boss"), {"text": "cold"}])).await;
    let news = ["messages.update", "messages.upsert"];
    let refused = shop.sees_any(&news, |news| {
        let now = if news["update"].is_object() { &news["update"] } else { &news["message"] };
        let key = if news["key"].is_object() { &news["key"] } else { &now["key"] };
        let code = now["messageStubParameters"][0].as_str()?;
        (key["id"] == sent["key"]["id"]).then(|| code.to_owned())
    });
    assert_eq!(refused.await, "463");
    until(async || sandbox.phone("boss").held_tokens().len() == 1).await;
    assert_eq!(sandbox.unknown_iqs(), 0);
}

/// Waits until Baileys has heard that the boss is online.
async fn hears_of_the_boss(client: &Baileys) {
    client
        .sees("presence.update", |update| {
            let mut people = update["presences"].as_object()?.values();
            people.any(|one| one["lastKnownPresence"] == "available").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_one_shows_the_token_that_it_was_given() {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let boss = sandbox.phone("boss");
    boss.demands_tokens(true);
    boss.is_in_use(true);
    let shop = Baileys::links(Version::Seven, &sandbox, "shop").await;
    boss.sends("shop", "come in").await.unwrap();
    has_acknowledged_all(&sandbox, "shop").await;
    shop.call("sendMessage", json!([pn("boss"), {"text": "thanks"}])).await;
    boss.receives(|message| message.text.as_deref() == Some("thanks")).await.unwrap();
    shop.call("presenceSubscribe", json!([pn("boss")])).await;
    hears_of_the_boss(&shop).await;
    shop.is_at_home(&sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_one_watches_with_the_token_that_it_is_handed() {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let boss = sandbox.phone("boss");
    boss.demands_tokens(true);
    boss.is_in_use(true);
    let shop = Baileys::links(Version::Six, &sandbox, "shop").await;
    boss.gives_token("shop").unwrap();
    let token: Value = shop
        .sees("chats.update", |chat| {
            let token = &chat["tcToken"];
            // It takes its own address, which is beside the token, for that of the chat.
            (chat["id"] == pn("shop") && !token.is_null()).then(|| token.clone())
        })
        .await;
    shop.call("presenceSubscribe", json!([pn("boss"), token])).await;
    hears_of_the_boss(&shop).await;
    shop.is_at_home(&sandbox);
}
