//! The settings that an account's devices share with each other and with the phone.

use serde_json::json;
use wharf_sandbox::{Config, Error, Phone, Sandbox, Setting};
use whatsapp_rust::Jid;
use whatsapp_rust::request::InfoQuery;
use whatsapp_rust::types::events::{ContactUpdate, Event, MuteUpdate};
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Node, NodeContent};
use whatsapp_rust::waproto::whatsapp::SyncActionValue;

use crate::client::Device;

const MIA: &str = "100000000000002@lid";

/// A sandbox with the phones `shop` and `mia`.
async fn start() -> (Sandbox, Phone) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let shop = sandbox.add_phone("shop");
    sandbox.add_phone("mia");
    (sandbox, shop)
}

fn mia() -> Jid {
    MIA.parse().unwrap()
}

async fn muted(device: &Device, wanted: impl Fn(&MuteUpdate) -> bool) -> MuteUpdate {
    device
        .sees(|event| match event {
            Event::MuteUpdate(update) if wanted(update) => Some(update.clone()),
            _ => None,
        })
        .await
}

async fn contact(device: &Device) -> ContactUpdate {
    device
        .sees(|event| match event {
            Event::ContactUpdate(update) => Some(update.clone()),
            _ => None,
        })
        .await
}

/// Waits until the client is through with what it is syncing of the mutes: it passes over the news of a change that comes
/// meanwhile (whatsapp-rust `client/app_state.rs`, `reserve_for_sync`), but waits with a change of its own.
async fn settles(device: &Device) {
    let own = "15550000001@s.whatsapp.net".parse().unwrap();
    device.client.chat_actions().unmute_chat(&own).await.unwrap();
}

/// What the phone has muted, and whether it still has.
fn mutes(phone: &Phone) -> Vec<(String, bool)> {
    let settings = phone.settings();
    let found = settings.iter().filter(|setting| setting.index[0] == "mute");
    let on = |setting: &Setting| setting.action["mute_action"]["muted"] == true;
    found.map(|setting| (setting.index[1].clone(), on(setting))).collect()
}

/// The answer to a sync with these collections.
async fn sync(device: &Device, collections: Vec<Node>) -> Vec<Node> {
    let sync = NodeBuilder::new("sync").children(collections).build();
    let content = NodeContent::Nodes(vec![sync]);
    let to = "s.whatsapp.net".parse().unwrap();
    let query = InfoQuery::set("w:sync:app:state", to, Some(content));
    let reply = device.client.send_iq(query).await.unwrap();
    let reply = reply.get().to_owned();
    reply.get_optional_child("sync").unwrap().children().unwrap().to_vec()
}

fn wants(name: &str, version: u64, patch: Option<&[u8]>) -> Node {
    NodeBuilder::new("collection")
        .attr("name", name)
        .attr("version", version)
        .children(patch.map(|patch| NodeBuilder::new("patch").bytes(patch).build()))
        .build()
}

/// The error in a collection's answer.
fn code(collection: &Node) -> Option<String> {
    let error = collection.get_optional_child("error")?;
    Some(error.attrs.get("code").unwrap().as_str().into_owned())
}

fn patches(collection: &Node) -> usize {
    let patches = collection.get_optional_child("patches").and_then(Node::children);
    patches.map_or(0, <[Node]>::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_device_mutes_the_phone_and_the_other_device_have_muted() {
    let (sandbox, shop) = start().await;
    let (desk, lap) = (Device::of(&sandbox, "shop").await, Device::of(&sandbox, "shop").await);
    settles(&lap).await;
    desk.client.chat_actions().mute_chat(&mia()).await.unwrap();
    assert!(mutes(&shop).contains(&(MIA.to_owned(), true)));
    let update = muted(&lap, |update| update.jid == mia()).await;
    assert_eq!((update.action.muted, update.action.mute_end_timestamp), (Some(true), Some(-1)));

    lap.client.chat_actions().unmute_chat(&mia()).await.unwrap();
    muted(&desk, |update| update.jid == mia() && update.action.muted == Some(false)).await;
    assert!(mutes(&shop).contains(&(MIA.to_owned(), false)));
    assert_eq!(shop.settings_version("regular_high"), 3);
    assert!(shop.unread_settings().is_empty());
    assert!(sandbox.phone("mia").settings().is_empty(), "it is another account's");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_that_change_settings_at_once_both_get_their_way() {
    let (sandbox, shop) = start().await;
    let (desk, lap) = (Device::of(&sandbox, "shop").await, Device::of(&sandbox, "shop").await);
    for round in 0..4 {
        let chat = |side: &str| format!("1555900{side}{round}@s.whatsapp.net").parse().unwrap();
        let (left, right): (Jid, Jid) = (chat("1"), chat("2"));
        let (of_desk, of_lap) = (desk.client.chat_actions(), lap.client.chat_actions());
        let (desk, lap) = tokio::join!(of_desk.mute_chat(&left), of_lap.mute_chat(&right));
        desk.unwrap();
        lap.unwrap();
    }
    assert_eq!(mutes(&shop).len(), 8);
    assert!(shop.unread_settings().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_for_an_old_version_conflicts_and_comes_with_what_is_missing() {
    let (sandbox, shop) = start().await;
    let desk = Device::of(&sandbox, "shop").await;
    for _ in 0..25 {
        shop.mutes("mia", None).unwrap();
    }
    let late = sync(&desk, vec![wants("regular_high", 1, Some(b"whatever"))]).await;
    let more = late[0].attrs.get("has_more_patches").unwrap();
    assert_eq!((code(&late[0]).as_deref(), patches(&late[0])), (Some("409"), 20));
    assert_eq!(more.as_str(), "true");
    let late = sync(&desk, vec![wants("regular_high", 24, Some(b"whatever"))]).await;
    let more = late[0].attrs.get("has_more_patches").unwrap();
    assert_eq!((code(&late[0]).as_deref(), patches(&late[0])), (Some("409"), 1));
    assert_eq!(more.as_str(), "false");
    assert_eq!(shop.settings_version("regular_high"), 25, "nothing was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_collections_and_what_is_no_patch_are_refused() {
    let (sandbox, shop) = start().await;
    let desk = Device::of(&sandbox, "shop").await;
    let refused = sync(
        &desk,
        vec![
            wants("irregular", 0, None),
            wants("regular_low", 0, Some(b"\xFF\xFF")),
            wants("regular_low", 0, Some(b"")),
            wants("regular_low", 0, None),
        ],
    )
    .await;
    let codes: Vec<_> = refused.iter().map(code).collect();
    let no = || Some("400".to_owned());
    assert_eq!(codes, [no(), no(), no(), None]);
    assert_eq!(shop.settings_version("regular_low"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_a_device_was_linked_reaches_it() {
    let (sandbox, shop) = start().await;
    shop.saves_contact("mia", "Mia Example").unwrap();
    shop.mutes("mia", None).unwrap();
    let desk = Device::scanned_by(&sandbox, "shop", false).await;
    // The two collections may come in either order.
    let (mut saved, mut quiet) = (None, None);
    while saved.is_none() || quiet.is_none() {
        let (contact, mute) = desk
            .sees(|event| match event {
                Event::ContactUpdate(update) => Some((Some(update.clone()), None)),
                Event::MuteUpdate(update) => Some((None, Some(update.clone()))),
                _ => None,
            })
            .await;
        saved = saved.or(contact);
        quiet = quiet.or(mute);
    }
    let (saved, quiet) = (saved.unwrap(), quiet.unwrap());
    assert_eq!(saved.jid.to_string(), "15550000002@s.whatsapp.net");
    assert_eq!(saved.action.full_name.as_deref(), Some("Mia Example"));
    assert_eq!(saved.action.lid_jid.as_deref(), Some(MIA));
    assert_eq!((quiet.jid, quiet.action.muted), (mia(), Some(true)));
    assert!(saved.from_full_sync && quiet.from_full_sync);
    assert_eq!(sandbox.media_files(), 0, "two patches need no snapshot");
    let unknown = shop.saves_contact("leo", "Leo");
    assert!(matches!(unknown, Err(Error::NoSuchChat(_))), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_an_account_is_one_of_its_settings() {
    let (sandbox, shop) = start().await;
    let desk = Device::of(&sandbox, "shop").await;
    let phone = sandbox.phone("mia");
    let shown = async |text: &str| {
        shop.sends("mia", text).await.unwrap();
        let message = phone.receives(|one| one.text.as_deref() == Some(text)).await.unwrap();
        message.push_name.unwrap()
    };
    desk.client.profile().set_push_name("Night Shop").await.unwrap();
    assert_eq!(shown("one").await, "Night Shop");
    shop.sets_push_name("The Shop").unwrap();
    desk.sees(|event| match event {
        Event::SelfPushNameUpdated(update) => (update.new_name == "The Shop").then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(shown("two").await, "The Shop");
    let setting = &shop.settings()[0];
    assert_eq!(setting.index, ["setting_pushName"]);
    assert_eq!(setting.action, json!({ "push_name_setting": { "name": "The Shop" } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_comes_late_gets_a_snapshot() {
    let (sandbox, shop) = start().await;
    for round in 0..25 {
        shop.mutes("mia", Some(4_000_000_000_000 + round)).unwrap();
    }
    shop.mutes("15550000001", None).unwrap();
    assert_eq!(sandbox.media_files(), 0);
    let desk = Device::scanned_by(&sandbox, "shop", false).await;
    let update = muted(&desk, |update| update.jid == mia()).await;
    assert_eq!(update.action.mute_end_timestamp, Some(4_000_000_000_024), "the last one only");
    assert!(update.from_full_sync);
    assert_eq!(sandbox.media_files(), 1);

    // The codes of the snapshot are good enough to go on with.
    settles(&desk).await;
    shop.unmutes("mia").unwrap();
    muted(&desk, |update| update.jid == mia() && update.action.muted == Some(false)).await;
    desk.client.chat_actions().pin_chat(&mia()).await.unwrap();
    assert!(shop.unread_settings().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lags_behind_what_was_folded_gets_a_snapshot() {
    let (sandbox, shop) = start().await;
    let desk = Device::of(&sandbox, "shop").await;
    settles(&desk).await;
    assert_eq!(shop.settings_version("regular_high"), 1);
    let store = desk.saved().await;
    drop(desk);
    shop.mutes("mia", None).unwrap();
    shop.pins("mia", true).unwrap();
    assert_eq!(shop.folds_settings(), 3);
    assert_eq!(shop.folds_settings(), 0);
    let desk = Device::trusts(store, &sandbox, false).await;
    let update = muted(&desk, |update| update.jid == mia()).await;
    assert_eq!(update.action.mute_end_timestamp, Some(-1));
    assert_ne!(sandbox.media_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_patch_comes_as_a_file() {
    let (sandbox, shop) = start().await;
    let desk = Device::of(&sandbox, "shop").await;
    let number: Jid = "15550000002@s.whatsapp.net".parse().unwrap();
    let name = Some("Mia".to_owned());
    desk.client.chat_actions().save_contact(&number, name.clone(), None, true).await.unwrap();
    assert_eq!(contact(&desk).await.action.full_name, name);
    assert_eq!(sandbox.media_files(), 0);
    let long = "M".repeat(70_000);
    shop.saves_contact("mia", &long).unwrap();
    assert_eq!(contact(&desk).await.action.full_name, Some(long));
    assert_eq!(sandbox.media_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_reaches_every_device_and_a_device_that_lacks_it_asks() {
    let (sandbox, shop) = start().await;
    let desk = Device::of(&sandbox, "shop").await;
    settles(&desk).await;
    shop.mutes("mia", None).unwrap();
    muted(&desk, |update| update.jid == mia()).await;
    assert!(shop.peer_requests().is_empty(), "it had the key");
    settles(&desk).await;
    shop.rotates_settings_key().await.unwrap();
    shop.unmutes("mia").unwrap();
    muted(&desk, |update| update.jid == mia()).await;

    settles(&desk).await;
    shop.withholds_keys(true);
    shop.rotates_settings_key().await.unwrap();
    shop.mutes("mia", Some(4_000_000_000_000)).unwrap();
    let asked = shop.is_asked(|one| one.request == "app_state_sync_key_request").await.unwrap();
    assert!(asked.answered && asked.device == 1);
    muted(&desk, |update| update.action.mute_end_timestamp == Some(4_000_000_000_000)).await;
    desk.client.chat_actions().unmute_chat(&mia()).await.unwrap();
    assert!(mutes(&shop).contains(&(MIA.to_owned(), false)));
    assert!(shop.unread_settings().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_setting_can_be_set_and_removed() {
    let (sandbox, shop) = start().await;
    let desk = Device::of(&sandbox, "shop").await;
    desk.client.chat_actions().archive_chat(&mia(), None).await.unwrap();
    let archived = shop.settings();
    assert_eq!(archived[0].collection, "regular_low");
    assert_eq!(archived[0].index, ["archive", MIA]);
    assert_eq!(archived[0].action, json!({ "archive_chat_action": { "archived": true } }));
    shop.sets("archive", &[MIA], None).unwrap();
    assert!(shop.settings().is_empty());
    let gone = shop.sets("archive", &[MIA], None);
    assert!(matches!(gone, Err(Error::NoSuchSetting(_))), "{gone:?}");
    let value = || Some(SyncActionValue::default());
    let unknown = shop.sets("teleport", &[MIA], value());
    assert!(matches!(unknown, Err(Error::NoSuchAction(_))), "{unknown:?}");
    let few = shop.sets("archive", &[], value());
    assert!(matches!(few, Err(Error::SettingArguments { wanted: 1, .. })), "{few:?}");
    // The device takes the removal, and goes on from there.
    desk.client.chat_actions().pin_chat(&mia()).await.unwrap();
    assert_eq!(shop.settings_version("regular_low"), 3);
    assert!(shop.unread_settings().is_empty());
}
