//! What an account lets others see and do, and whom it has blocked.

use wacore_binary::builder::NodeBuilder;
use wharf_sandbox::Sandbox;
use whatsapp_rust::Jid;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::iq::privacy::{PrivacyCategory, PrivacyValue};

use crate::client::{Device, refusal};
use crate::groups::{crew, links};

async fn setting(device: &Device, category: &PrivacyCategory) -> PrivacyValue {
    let settings = device.client.fetch_privacy_settings().await.unwrap();
    settings.get_value(category).cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_is_kept_and_one_that_makes_no_sense_is_refused() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    assert_eq!(setting(&shop, &PrivacyCategory::Last).await, PrivacyValue::All);
    let set = |category, value| shop.client.set_privacy_setting(category, value);
    set(PrivacyCategory::Last, PrivacyValue::None).await.unwrap();
    assert_eq!(setting(&shop, &PrivacyCategory::Last).await, PrivacyValue::None);
    let nonsense = set(PrivacyCategory::Other("hair".into()), PrivacyValue::All).await;
    assert_eq!(refusal(&nonsense.unwrap_err()), Some(400));
    for (id, category) in [
        ("P1", None),
        ("P2", Some(NodeBuilder::new("category").attr("name", "last"))),
        ("P3", Some(NodeBuilder::new("category").attr("value", "all"))),
    ] {
        let categories = category.map(NodeBuilder::build);
        let privacy = NodeBuilder::new("privacy").children(categories).build();
        let iq = NodeBuilder::new("iq").attr("type", "set").attr("xmlns", "privacy").attr("id", id);
        let iq = iq.attr("to", wacore_binary::SERVER_JID).children([privacy]).build();
        let refused = shop.client.send_iq_node(iq, None).await.unwrap_err();
        assert_eq!(refusal(&refused), Some(400), "{id}");
    }
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_somebody_was_last_seen_is_told_only_if_they_let_it() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let phone = sandbox.phone("mia");
    phone.is_in_use(true);
    mia.client.presence().set_available().await.unwrap();
    mia.client.presence().set_unavailable().await.unwrap();
    mia.client.fetch_privacy_settings().await.unwrap();
    phone.is_in_use(false);
    for (value, told) in [("all", true), ("none", false)] {
        phone.sets_privacy("last", value);
        shop.client.presence().subscribe(mia.lid()).await.unwrap();
        let seen = shop.sees(|event| match event {
            Event::Presence(presence) => Some(presence.last_seen.is_some()),
            _ => None,
        });
        assert_eq!(seen.await, told, "{value}");
    }
}

async fn with_blocked() -> (Sandbox, Device, Device) {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    // By this the client learns whose LID it is.
    shop.client.send_text(mia.lid(), "hello").await.unwrap();
    assert_eq!(mia.reads().await.text, "hello");
    mia.client.blocking().block(&shop.lid()).await.unwrap();
    (sandbox, shop, mia)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_is_listed_and_does_not_get_through() {
    let (_sandbox, shop, mia) = with_blocked().await;
    let listed = mia.client.blocking().get_blocklist().await.unwrap();
    assert_eq!(listed.iter().map(|entry| &entry.jid).collect::<Vec<_>>(), [&shop.lid()]);
    let sent = shop.client.send_text(mia.lid(), "can you hear me").await.unwrap();
    // The sender is not told.
    assert_eq!(shop.answered(&sent.message_id).await, None);
    shop.client.chatstate().send_composing(&mia.lid()).await.unwrap();
    shop.client.fetch_privacy_settings().await.unwrap();

    mia.client.blocking().unblock(&shop.lid()).await.unwrap();
    assert!(mia.client.blocking().get_blocklist().await.unwrap().is_empty());
    shop.client.send_text(mia.lid(), "and now").await.unwrap();
    let first = mia.sees(|event| match event {
        Event::Messages(batch) => Some(batch.messages[0].message.conversation.clone()),
        Event::ChatPresence(_) => Some(None),
        _ => None,
    });
    assert_eq!(first.await.as_deref(), Some("and now"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_blocks_a_stranger_to_the_server() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let unknown = Jid::lid("199999999999999");
    let item = wacore_binary::builder::NodeBuilder::new("item")
        .attr("action", "block")
        .attr("jid", &unknown)
        .build();
    let iq = wacore_binary::builder::NodeBuilder::new("iq")
        .attr("type", "set")
        .attr("xmlns", "blocklist")
        .attr("to", wacore_binary::SERVER_JID)
        .attr("id", "B1")
        .children([item])
        .build();
    let refused = shop.client.send_iq_node(iq, None).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_blocks_themselves() {
    let control = crate::control::Control::start().await;
    control.crew().await;
    let body = serde_json::json!({ "phone": "boss", "blocked": true });
    let (status, refused) =
        control.send(reqwest::Method::PUT, "/admin/phones/boss/blocked", body).await;
    assert_eq!(status, 400);
    assert!(crate::control::error(&refused).contains("`phone`"), "{refused}");
    // What one device of an account sends still reaches its others.
    let (first, second) =
        (links(&control.sandbox, "boss").await, links(&control.sandbox, "boss").await);
    let shop = Jid::lid("100000000000002");
    first.client.send_text(shop, "hello").await.unwrap();
    assert_eq!(second.reads().await.text, "hello");
}
