//! A change of number: the account keeps its LID, its groups and its devices.

use std::time::Duration;

use serde_json::json;
use wharf_sandbox::{Error, NewGroup, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::stanza::groups::GroupNotificationAction;

use crate::client::{Device, until};
use crate::control::{Control, error};
use crate::groups::links;
use crate::phones::{BOSS, SHOP, boss_and_shop, jid, says};

const NEW: &str = "4917000000@s.whatsapp.net";
const LID: &str = "100000000000001@lid";

/// The old and the new number of somebody, as a client hears of them.
async fn hears(device: &Device) -> [String; 4] {
    device
        .sees(|event| match event {
            Event::ContactNumberChanged(changed) => {
                let lid = |lid: &Option<whatsapp_rust::Jid>| lid.as_ref().unwrap().to_string();
                let numbers = [changed.old_jid.to_string(), changed.new_jid.to_string()];
                let [old, new] = numbers;
                Some([old, new, lid(&changed.old_lid), lid(&changed.new_lid)])
            }
            _ => None,
        })
        .await
}

/// `boss` and `shop` with a client each, and a group of both.
async fn crew() -> (Sandbox, Device, Device, String) {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = links(&sandbox, "boss").await;
    let group = sandbox.add_group(NewGroup::new("Crew").owner("shop").member("boss"));
    (sandbox, boss, shop, group.gid())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_its_groups_hear_of_its_new_number() {
    let (sandbox, _boss, shop, gid) = crew().await;
    sandbox.phone("boss").changes_number("+4917000000").unwrap();
    let (author, action) = shop
        .sees(|event| match event {
            Event::GroupUpdate(update) => {
                let modified = matches!(update.action, GroupNotificationAction::Modify { .. });
                modified.then(|| (update.participant.clone(), update.action.clone()))
            }
            _ => None,
        })
        .await;
    let GroupNotificationAction::Modify { participants } = action else { unreachable!() };
    assert_eq!(author.unwrap().to_string(), LID);
    let number = participants[0].phone_number.as_ref().map(ToString::to_string);
    assert_eq!((participants[0].jid.to_string(), number), (LID.to_owned(), Some(NEW.to_owned())));
    let crew = shop.client.groups().get_metadata(&jid(&gid)).await.unwrap();
    let numbers = crew.participants.iter().filter_map(|one| one.phone_number.as_ref());
    assert!(numbers.map(ToString::to_string).any(|number| number == NEW));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_account_hears_of_its_new_number_and_finds_it_by_that_alone() {
    let (sandbox, shop) = boss_and_shop().await;
    sandbox.phone("boss").sends("shop", "hello").await.unwrap();
    shop.reads().await;
    sandbox.phone("boss").changes_number("+4917000000").unwrap();
    assert_eq!(sandbox.phone("boss").number().unwrap(), "4917000000");
    assert_eq!(hears(&shop).await, [BOSS, NEW, LID, LID]);
    let found = shop.client.contacts().is_on_whatsapp(&[jid(NEW), jid(BOSS)]).await.unwrap();
    let registered: Vec<bool> = found.iter().map(|one| one.is_registered).collect();
    assert_eq!(registered, [true, false], "{found:?}");
    let last = sandbox.journal().into_iter().find(|entry| entry.operation == "account.number");
    assert_eq!(last.unwrap().detail, json!({ "from": "15550000001", "to": "4917000000" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_number_is_reached_and_the_old_one_is_nobodys() {
    let (sandbox, boss, shop, _) = crew().await;
    let phone = sandbox.phone("boss");
    phone.changes_number("4917000000").unwrap();
    hears(&shop).await;
    shop.client.send_text(jid(NEW), "there?").await.unwrap();
    phone.receives(says("there?")).await.unwrap();
    assert_eq!(boss.reads().await.text, "there?");
    let refused = sandbox.phone("shop").sends("15550000001", "there?").await;
    assert!(matches!(refused, Err(Error::NoSuchChat(_))), "{refused:?}");
    let enc = whatsapp_rust::wacore_binary::builder::NodeBuilder::new("enc");
    let enc = enc.attr("v", "2").attr("type", "msg").bytes(*b"sealed").build();
    let stray = whatsapp_rust::wacore_binary::builder::NodeBuilder::new("message");
    let stray = stray.attr("id", "E1").attr("type", "text").attr("to", jid(BOSS)).children([enc]);
    shop.client.send_node(stray.build()).await.unwrap();
    assert_eq!(shop.answered("E1").await.as_deref(), Some("404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_devices_stay_linked_under_the_number_that_they_know() {
    let (sandbox, boss, shop, gid) = crew().await;
    let (phone, second) = (sandbox.phone("boss"), links(&sandbox, "boss").await);
    phone.changes_number("4917000000").unwrap();
    hears(&shop).await;
    // By number as by LID, and in a group: to the others, and as a copy to the account's own.
    for (to, words) in [(SHOP, "by number"), ("100000000000002@lid", "by lid"), (&gid, "all")] {
        boss.client.send_text(jid(to), words).await.unwrap();
        assert_eq!(shop.reads().await.text, words);
        let copy = second.reads().await;
        assert!(copy.info.source.is_from_me, "{words}: {:?}", copy.info);
        assert_eq!(copy.text, words);
        assert!(phone.receives(says(words)).await.unwrap().from_me);
    }
    shop.client.send_text(jid(NEW), "hi").await.unwrap();
    assert_eq!(boss.reads().await.text, "hi");
    // What the phone alone can give comes from the number that the device knows.
    phone.rotates_settings_key().await.unwrap();
    phone.hears(|receipt| receipt.kind == "peer_msg" && receipt.sender_device == 2).await.unwrap();

    // It asks for the number that it knows, and is told of that.
    let found = boss.client.contacts().is_on_whatsapp(&[jid(BOSS), jid(SHOP)]).await.unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.jid.to_string(), one.is_registered)).collect();
    assert_eq!(found, [(BOSS.to_owned(), true), (SHOP.to_owned(), true)]);

    let store = boss.saved().await;
    boss.client.disconnect().await;
    until(async || sandbox.connections() == 2).await;
    let boss = Device::stored_in(store, &sandbox.ws_url()).await;
    boss.connects().await;
    sandbox.phone("shop").sends("4917000000", "back?").await.unwrap();
    assert_eq!(boss.reads().await.text, "back?");
    // A device that is linked now knows the new one.
    links(&sandbox, "boss").await;
    let devices: Vec<String> = phone.devices().into_iter().map(|device| device.jid).collect();
    assert!(devices.iter().all(|jid| jid.starts_with("4917000000:")), "{devices:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_being_linked_goes_on_under_the_number_that_it_was_offered() {
    let (sandbox, _shop) = boss_and_shop().await;
    let phone = sandbox.phone("boss");
    let boss = Device::starts(&sandbox.ws_url()).await;
    let qr = boss.qr().await;
    // The client hears of its old number later than the server gives up that.
    sandbox.delays_stanzas(Duration::from_millis(200));
    let changes = async { phone.changes_number("4917000000").unwrap() };
    let (linked, ()) = tokio::join!(phone.scans(&qr), changes);
    sandbox.delays_stanzas(Duration::ZERO);
    linked.unwrap();
    boss.connects().await;
    assert_eq!(boss.client.pn().unwrap().to_non_ad(), jid(BOSS));
    sandbox.phone("shop").sends("4917000000", "there?").await.unwrap();
    assert_eq!(boss.reads().await.text, "there?");
    boss.client.send_text(jid(SHOP), "here").await.unwrap();
    sandbox.phone("shop").receives(says("here")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_number_is_changed_and_a_wrong_one_refused() {
    let control = Control::start().await;
    control.crew().await;
    let number = async |name: &str, number: &str| {
        let path = format!("/admin/phones/{name}/number");
        control.send(reqwest::Method::PUT, &path, json!({ "number": number })).await
    };
    // The second time it has that number already.
    for _ in 0..2 {
        let (status, phone) = number("boss", "+4917000000").await;
        assert_eq!((status.as_u16(), &phone["jid"]), (200, &json!(NEW)));
    }
    for (name, wrong, code) in [
        ("shop", "4917000000", 409),
        ("shop", "15550000003", 409),
        ("shop", "shop", 400),
        ("shop", "", 400),
    ] {
        let (status, said) = number(name, wrong).await;
        assert_eq!(status.as_u16(), code, "{said}");
        assert!(error(&said).starts_with("`number`: "), "{said}");
    }
    let (status, said) = number("leo", "4917000001").await;
    assert_eq!((status.as_u16(), error(&said)), (404, "`name`: there is no phone `leo`"));
}
