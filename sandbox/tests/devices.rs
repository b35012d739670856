//! Several devices on an account: who hears of them, and to whom clients then encrypt.

use reqwest::Method;
use serde_json::{Value, json};
use wharf_sandbox::{Config, Error, Sandbox};
use whatsapp_rust::types::events::{DeviceListUpdateType, Event};
use whatsapp_rust::wacore_binary::{Node, NodeValue};
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::{Jid, NodeFilter};

use crate::client::{Device, until};
use crate::control::{Control, error};
use crate::groups::{crew, links};

/// `shop`, `mia` and `bob`, who have nothing to do with each other.
async fn strangers() -> Sandbox {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    for name in ["shop", "mia", "bob"] {
        sandbox.add_phone(name);
    }
    sandbox
}

/// A further device of this account, and its number.
async fn links_another(sandbox: &Sandbox, phone: &str) -> (Device, u16) {
    let device = links(sandbox, phone).await;
    let number = device.client.pn().unwrap().device;
    (device, number)
}

fn account(device: &Device) -> Jid {
    device.client.pn().unwrap().to_non_ad()
}

/// The numbers of the devices to which a client would encrypt.
async fn known(by: &Device, account: &Jid) -> Vec<u16> {
    let devices = by.client.signal().get_user_devices(std::slice::from_ref(account)).await;
    let mut numbers: Vec<u16> = devices.unwrap().iter().map(|jid| jid.device).collect();
    numbers.sort_unstable();
    numbers
}

/// The numbers of the devices for which a client has encrypted a message.
async fn encrypted(by: &Device, account: &Jid) -> Vec<u16> {
    let message = Message { conversation: Some("hello".to_owned()), ..Default::default() };
    let signal = by.client.signal();
    let made = signal.create_participant_nodes(std::slice::from_ref(account), &message).await;
    let (nodes, _) = made.unwrap();
    let to = |node: &Node| node.attrs.get("jid").and_then(NodeValue::to_jid).unwrap().device;
    let mut numbers: Vec<u16> = nodes.iter().map(to).collect();
    numbers.sort_unstable();
    numbers
}

/// Whose devices have changed, how, and which.
fn changed(event: &Event) -> Option<(String, DeviceListUpdateType, Vec<u32>)> {
    let Event::DeviceListUpdate(update) = event else { return None };
    let devices = update.devices.iter().map(|device| device.device_id).collect();
    Some((update.user.to_string(), update.update_type, devices))
}

const SHOP: &str = "15550000001@s.whatsapp.net";
const SHOP_LID: &str = "100000000000001@lid";

fn came(number: u32) -> (String, DeviceListUpdateType, Vec<u32>) {
    (SHOP.to_owned(), DeviceListUpdateType::Add, vec![number])
}

fn went(number: u32) -> (String, DeviceListUpdateType, Vec<u32>) {
    (SHOP.to_owned(), DeviceListUpdateType::Remove, vec![number])
}

fn notification(kind: &str) -> NodeFilter {
    NodeFilter::tag("notification").attr("type", kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_asked_encrypts_to_a_new_device_and_no_more_to_one_that_went() {
    let sandbox = strangers().await;
    let shop = links(&sandbox, "shop").await;
    let mia = links(&sandbox, "mia").await;
    let whom = account(&shop);
    assert_eq!(encrypted(&mia, &whom).await, [0, 1]);

    // It keeps what it was told, and asks no more by itself.
    assert_eq!(known(&mia, &whom).await, [0, 1]);
    let (_second, number) = links_another(&sandbox, "shop").await;
    assert_eq!(mia.sees(changed).await, came(2));
    assert_eq!((number, encrypted(&mia, &whom).await), (2, vec![0, 1, 2]));

    assert!(sandbox.phone("shop").unlinks_device(2));
    assert_eq!(mia.sees(changed).await, went(2));
    assert_eq!(encrypted(&mia, &whom).await, [0, 1]);
    assert!(!sandbox.phone("shop").unlinks_device(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_the_devices_that_came_and_those_who_exchanged_them_hear() {
    let sandbox = strangers().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    mia.client.send_text(account(&shop), "one").await.unwrap();
    assert_eq!(shop.reads().await.text, "one");
    let (second, _) = links_another(&sandbox, "shop").await;
    assert_eq!(mia.sees(changed).await, came(2));
    mia.client.send_text(account(&shop), "two").await.unwrap();
    for device in [&shop, &second] {
        assert_eq!(device.reads().await.text, "two");
    }
    // Who has been written to hears as well, of the other's devices.
    let (_tablet, _) = links_another(&sandbox, "mia").await;
    let heard = shop.sees(changed).await;
    assert_eq!(heard, (account(&mia).to_string(), DeviceListUpdateType::Add, vec![2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_hear_and_strangers_do_not() {
    let (sandbox, _) = crew().await;
    sandbox.add_phone("bob");
    let (mia, bob) = (links(&sandbox, "mia").await, links(&sandbox, "bob").await);
    let mut heard = bob.client.wait_for_node(notification("devices"));
    let shop = links(&sandbox, "shop").await;
    let pn = account(&shop).to_string();
    assert_eq!(mia.sees(changed).await, (pn, DeviceListUpdateType::Add, vec![1]));
    // What the server said to `bob` before has arrived before this answer.
    bob.client.fetch_props().await.unwrap();
    assert!(heard.try_recv().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_hears_of_it_on_coming_back() {
    let sandbox = strangers().await;
    let shop = links(&sandbox, "shop").await;
    let mia = links(&sandbox, "mia").await;
    assert_eq!(known(&mia, &account(&shop)).await, [0, 1]);
    mia.client.disconnect().await;
    let (_second, _) = links_another(&sandbox, "shop").await;
    let mia = Device::stored_in(mia.saved().await, &sandbox.ws_url()).await;
    assert_eq!(mia.sees(changed).await, came(2));
    assert_eq!(known(&mia, &account(&shop)).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_own_devices_hear_of_each_other() {
    let sandbox = strangers().await;
    let first = links(&sandbox, "shop").await;
    let own = account(&first);
    assert_eq!(known(&first, &own).await, [0, 1]);
    let told = first.client.wait_for_node(notification("account_sync"));
    let (second, _) = links_another(&sandbox, "shop").await;
    let told = told.await.unwrap().to_owned_node();
    let devices = told.get_optional_child("devices").unwrap();
    assert!(devices.attrs.get("dhash").unwrap().as_str().starts_with("2:"));
    assert_eq!(devices.children().unwrap().len(), 4, "three devices and the signed list");
    until(async || known(&first, &own).await == [0, 1, 2]).await;

    // A device that goes by itself is gone for the others as well.
    second.client.logout().await;
    until(async || known(&first, &own).await == [0, 1]).await;
    assert_eq!(sandbox.phone("shop").devices().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_device_is_logged_out_and_the_others_are_not() {
    let sandbox = strangers().await;
    let first = links(&sandbox, "shop").await;
    let (second, number) = links_another(&sandbox, "shop").await;
    let told = first.client.wait_for_node(notification("account_sync"));
    assert!(sandbox.phone("shop").unlinks_device(number));
    second.sees(|event| matches!(event, Event::LoggedOut(_)).then_some(())).await;
    told.await.unwrap();
    assert!(first.client.is_logged_in());
    let back = Device::stored_in(second.saved().await, &sandbox.ws_url()).await;
    back.sees(|event| matches!(event, Event::LoggedOut(_)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_room_for_four_devices() {
    let sandbox = strangers().await;
    let mut linked = Vec::new();
    for expected in 1..=4 {
        let (device, number) = links_another(&sandbox, "shop").await;
        assert_eq!(number, expected);
        linked.push(device);
    }
    let fifth = Device::starts(&sandbox.ws_url()).await;
    let qr = fifth.qr().await;
    let full = sandbox.phone("shop").scans(&qr).await;
    assert!(matches!(full, Err(Error::TooManyDevices(name)) if name == "shop"));
    assert!(sandbox.phone("shop").unlinks_device(3));
    sandbox.phone("shop").scans(&qr).await.unwrap();
    fifth.connects().await;
    assert_eq!(fifth.client.pn().unwrap().device, 3);
    assert_eq!(sandbox.phone("shop").devices().len(), 4);
}

fn new_identity(event: &Event) -> Option<(String, Option<String>, bool)> {
    let Event::IdentityChange(change) = event else { return None };
    let lid = change.lid_user.as_ref().map(Jid::to_string);
    Some((change.user.to_string(), lid, change.implicit))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_set_up_anew_has_another_identity_and_no_devices() {
    let sandbox = strangers().await;
    let shop = links(&sandbox, "shop").await;
    let (mia, bob) = (links(&sandbox, "mia").await, links(&sandbox, "bob").await);
    let whom = account(&shop);
    assert_eq!(encrypted(&mia, &whom).await, [0, 1]);
    let mut heard = bob.client.wait_for_node(notification("encrypt"));

    assert_eq!(sandbox.phone("shop").reinstalls(), 1);
    shop.sees(|event| matches!(event, Event::LoggedOut(_)).then_some(())).await;
    let (user, lid, implicit) = mia.sees(new_identity).await;
    assert_eq!((user, lid.as_deref(), implicit), (whom.to_string(), Some(SHOP_LID), false));
    assert_eq!(encrypted(&mia, &whom).await, [0]);

    // Its devices are linked anew, under the new identity.
    let (again, number) = links_another(&sandbox, "shop").await;
    assert_eq!(number, 1);
    mia.sees(|event| changed(event).filter(|change| *change == came(1))).await;
    assert_eq!(encrypted(&mia, &whom).await, [0, 1]);
    mia.client.send_text(whom, "new?").await.unwrap();
    assert_eq!(again.reads().await.text, "new?");
    let shop = sandbox.phone("shop");
    shop.receives(|message| message.text.as_deref() == Some("new?")).await.unwrap();
    shop.sends("mia", "as new").await.unwrap();
    assert_eq!(mia.reads().await.text, "as new");
    bob.client.fetch_props().await.unwrap();
    assert!(heard.try_recv().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_unlinked_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let (mia, shop) = (links(&control.sandbox, "mia").await, links(&control.sandbox, "shop").await);
    let (_second, _) = links_another(&control.sandbox, "shop").await;
    let delete = async |path: &str| control.send(Method::DELETE, path, Value::Null).await;
    for (path, status, field) in [
        ("/admin/phones/shop/devices/x", 400, "device"),
        ("/admin/phones/shop/devices/4", 404, "device"),
        ("/admin/phones/shop/devices/0", 404, "device"),
        ("/admin/phones/nobody/devices/1", 404, "name"),
        ("/admin/phones/nobody/devices", 404, "name"),
    ] {
        let (got, refused) = delete(path).await;
        assert_eq!(got, status, "{path}: {refused}");
        assert!(error(&refused).contains(field), "{path}: {refused}");
    }
    let (status, unlinked) = delete("/admin/phones/shop/devices/2").await;
    assert_eq!((status.as_u16(), unlinked), (200, json!({ "unlinked": 1 })));
    assert!(shop.client.is_logged_in());
    let (_, unlinked) = delete("/admin/phones/shop/devices").await;
    assert_eq!(unlinked, json!({ "unlinked": 1 }));
    shop.sees(|event| matches!(event, Event::LoggedOut(_)).then_some(())).await;

    let path = "/admin/phones/mia/reinstall";
    let (status, reinstalled) = control.post(path, Value::Null).await;
    assert_eq!((status.as_u16(), reinstalled), (200, json!({ "unlinked": 1 })));
    mia.sees(|event| matches!(event, Event::LoggedOut(_)).then_some(())).await;
    assert_eq!(control.post("/admin/phones/nobody/reinstall", Value::Null).await.0, 404);
}
