//! Who is online and who is typing, as clients hear of it.

use wharf_sandbox::{ChatState, Config};
use whatsapp_rust::types::events::{ChatPresenceUpdate, Event, PresenceUpdate};
use whatsapp_rust::types::presence::{ChatPresence, ChatPresenceMedia};

use crate::client::{DEADLINE, Device};
use crate::groups::{crew, links};

pub(crate) async fn hears(device: &Device) -> PresenceUpdate {
    device
        .sees(|event| match event {
            Event::Presence(presence) => Some(presence.clone()),
            _ => None,
        })
        .await
}

pub(crate) async fn typing(device: &Device) -> ChatPresenceUpdate {
    device
        .sees(|event| match event {
            Event::ChatPresence(update) => Some(update.clone()),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_hears_at_once_and_of_every_change() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    mia.client.presence().set_available().await.unwrap();
    mia.client.presence().set_unavailable().await.unwrap();
    mia.client.fetch_privacy_settings().await.unwrap();
    shop.client.presence().subscribe(mia.lid()).await.unwrap();
    let now = hears(&shop).await;
    assert!(now.unavailable && now.from == mia.lid() && now.last_seen.is_some(), "{now:?}");

    mia.client.presence().set_available().await.unwrap();
    assert!(!hears(&shop).await.unavailable);
    // The phone is in use as well: the account stays online without the client.
    sandbox.phone("mia").is_in_use(true);
    mia.client.presence().set_unavailable().await.unwrap();
    mia.client.fetch_privacy_settings().await.unwrap();
    sandbox.phone("mia").is_in_use(false);
    assert!(hears(&shop).await.unavailable);

    shop.client.presence().unsubscribe(&mia.lid()).await.unwrap();
    shop.client.fetch_privacy_settings().await.unwrap();
    mia.client.presence().set_available().await.unwrap();
    mia.client.fetch_privacy_settings().await.unwrap();
    sandbox.phone("mia").types(&shop.lid().to_string(), ChatState::Composing);
    let next = shop.sees(|event| match event {
        Event::Presence(_) => Some(true),
        Event::ChatPresence(_) => Some(false),
        _ => None,
    });
    assert!(!next.await, "a presence after the subscription ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_account_offline() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    mia.client.presence().set_available().await.unwrap();
    mia.client.fetch_privacy_settings().await.unwrap();
    let to = mia.lid();
    shop.client.presence().subscribe(to).await.unwrap();
    assert!(!hears(&shop).await.unavailable);
    drop(mia);
    sandbox.phone("mia").drops_connections().await;
    assert!(hears(&shop).await.unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_shown_to_the_other_and_to_a_group() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    shop.client.chatstate().send_composing(&mia.lid()).await.unwrap();
    let seen = typing(&mia).await;
    assert_eq!((seen.source.chat, seen.state), (shop.lid(), ChatPresence::Composing));
    shop.client.chatstate().send_recording(&gid).await.unwrap();
    let seen = typing(&mia).await;
    assert_eq!((seen.source.chat, seen.source.sender), (gid.clone(), shop.lid()));
    assert_eq!(seen.media, ChatPresenceMedia::Audio);
    sandbox.phone("boss").types(&gid.to_string(), ChatState::Paused);
    assert_eq!(typing(&mia).await.state, ChatPresence::Paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_while_a_device_was_away_waits_for_a_while_and_only_the_latest() {
    for (span, expected) in [(30_000, Some(ChatPresence::Paused)), (0, None)] {
        let config =
            Config { chat_state_ttl: std::time::Duration::from_millis(span), ..Config::default() };
        let sandbox = wharf_sandbox::Sandbox::start(config).await.unwrap();
        sandbox.add_phone("shop");
        sandbox.add_phone("mia");
        let mia = links(&sandbox, "mia").await;
        let store = mia.saved().await;
        drop(mia);
        sandbox.phone("mia").drops_connections().await;
        let shop = sandbox.phone("shop");
        shop.types("mia", ChatState::Composing);
        shop.types("mia", ChatState::Paused);

        let mia = Device::stored_in(store, &sandbox.ws_url()).await;
        mia.client.wait_for_startup_sync(DEADLINE).await.unwrap();
        if let Some(state) = expected {
            assert_eq!(typing(&mia).await.state, state);
        } else {
            sandbox.phone("shop").types("mia", ChatState::Recording);
            assert_eq!(typing(&mia).await.media, ChatPresenceMedia::Audio);
        }
    }
}
