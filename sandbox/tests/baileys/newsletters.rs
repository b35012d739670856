//! Newsletters, as Baileys makes, follows, writes and reads them.

use serde_json::json;

use super::groups::PHONES;
use super::{Baileys, Version, for_both, sandbox};

for_both!(a_client_makes_a_newsletter_and_writes_in_it, a_client_follows_and_reacts);

async fn a_client_makes_a_newsletter_and_writes_in_it(version: Version) {
    let sandbox = sandbox(&PHONES).await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    let made = shop.call("newsletterCreate", json!(["Paper", "daily"])).await;
    assert_eq!((&made["name"], &made["description"]), (&json!("Paper"), &json!("daily")));
    let jid = made["id"].as_str().unwrap();
    let paper = sandbox.newsletter(jid);
    assert_eq!(made["invite"], paper.invite_code());
    shop.call("newsletterUpdateName", json!([jid, "News"])).await;
    let seen = shop.call("newsletterMetadata", json!(["jid", jid])).await;
    assert_eq!(seen["thread_metadata"]["name"]["text"], "News");
    paper.gets_followed("mia");
    shop.call("sendMessage", json!([jid, { "text": "hear" }])).await;
    // The client reads its own only after the server has them.
    let number = loop {
        if let Some(post) = paper.numbers().last() {
            break *post;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(number, 100);
    shop.call("newsletterDelete", json!([jid])).await;
    let gone = shop.refused("newsletterMetadata", json!(["jid", jid])).await;
    assert_eq!(gone.code, Some(404));
    shop.is_at_home(&sandbox);
}

async fn a_client_follows_and_reacts(version: Version) {
    let sandbox = sandbox(&PHONES).await;
    let paper = sandbox.add_newsletter("boss", "Paper");
    let shop = Baileys::links(version, &sandbox, "shop").await;
    let jid = paper.jid();
    let found = shop.call("newsletterMetadata", json!(["invite", paper.invite_code()])).await;
    assert_eq!(found["id"], jid);
    shop.call("newsletterFollow", json!([jid])).await;
    assert_eq!(paper.followers(), ["shop"]);
    let number = paper.posts("hear");
    let heard = shop
        .sees("messages.upsert", |event| {
            let message = &event["message"];
            (message["key"]["remoteJid"] == json!(jid)).then(|| message["message"].clone())
        })
        .await;
    assert_eq!(heard["conversation"], "hear");
    shop.call("newsletterReactMessage", json!([jid, number.to_string(), "👍"])).await;
    assert_eq!(paper.reactions(number), [("👍".to_owned(), 1)]);
    shop.call("newsletterReactMessage", json!([jid, number.to_string()])).await;
    assert!(paper.reactions(number).is_empty());
    shop.call("newsletterMute", json!([jid])).await;
    shop.call("newsletterUnmute", json!([jid])).await;
    // Baileys warns of what it then hears, which is not what it knows.
    let subscribed = shop.call("subscribeNewsletterUpdates", json!([jid])).await;
    assert_eq!(subscribed["duration"], "300");
    let refused = shop.refused("newsletterUpdateName", json!([jid, "Mine"])).await;
    assert_eq!(refused.code, Some(403));
    shop.call("newsletterUnfollow", json!([jid])).await;
    assert!(paper.followers().is_empty());
    shop.is_at_home(&sandbox);
}
