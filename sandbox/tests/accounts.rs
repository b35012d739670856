//! Accounts without ceremony: a device joins the account of the push name that it registered with.

use reqwest::Method;
use serde_json::{Value, json};
use wharf_sandbox::{Config, Error, LinkedDevice, Phone, Sandbox};
use whatsapp_rust::Jid;

use crate::client::Device;
use crate::control::Control;

async fn empty() -> Sandbox {
    Sandbox::start(Config::default()).await.unwrap()
}

/// A client of this push name, linked by a phone that was told no account.
async fn joins(sandbox: &Sandbox, push_name: &str) -> (Device, Phone, LinkedDevice) {
    let device = Device::named(push_name, &sandbox.ws_url()).await;
    let (phone, linked) = sandbox.scans(&device.qr().await).await.unwrap();
    device.connects().await;
    (device, phone, linked)
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_of_one_push_name_share_an_account_that_is_made_on_demand() {
    let sandbox = empty().await;
    let (first, phone, linked) = joins(&sandbox, "Crew").await;
    assert_eq!((phone.name(), linked.jid.as_str()), ("Crew", "15550000001:1@s.whatsapp.net"));
    let (second, same, linked) = joins(&sandbox, "Crew").await;
    assert_eq!((same.name(), linked.jid.as_str()), ("Crew", "15550000001:2@s.whatsapp.net"));
    let (other, elsewhere, _) = joins(&sandbox, "crew").await;
    assert_ne!(elsewhere.name(), "Crew");
    assert_eq!(phone.devices().len(), 2);

    // The account is a whole one: it has both addresses, and others write to it.
    let lid: Jid = first.lid();
    other.client.send_text(lid, "ahoy").await.unwrap();
    for device in [&first, &second] {
        let letter = device.reads().await;
        assert_eq!((letter.text.as_str(), letter.info.push_name.as_str()), ("ahoy", "crew"));
    }
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_25_characters_of_a_name_and_no_phone_takes_more() {
    let sandbox = empty().await;
    let long = "The crew of the second night shift";
    let (_first, phone, _) = joins(&sandbox, long).await;
    let (second, same, _) = joins(&sandbox, long).await;
    assert_eq!(phone.name(), same.name());
    let boss = sandbox.add_phone("boss");
    second.client.send_text(Jid::pn(boss.number().unwrap()), "hello").await.unwrap();
    let read = boss.receives(|message| message.text.as_deref() == Some("hello")).await.unwrap();
    assert_eq!(read.push_name.as_deref(), Some("The crew of the second ni"));
    assert!(matches!(boss.sets_push_name(long), Err(Error::PushName)));
    assert!(matches!(boss.sets_push_name(" "), Err(Error::PushName)));
    boss.sets_push_name("The boss of the night shi").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_there_is_joined_by_its_name() {
    let sandbox = empty().await;
    sandbox.add_phone("boss");
    sandbox.add_phone("shop");
    let (_device, phone, linked) = joins(&sandbox, "shop").await;
    assert_eq!((phone.name(), phone.devices()), ("shop", vec![linked]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_push_name_gets_a_new_account() {
    let sandbox = empty().await;
    sandbox.add_phone("shop");
    let mut names = Vec::new();
    let mut running = Vec::new();
    for _ in 0..2 {
        let device = Device::starts(&sandbox.ws_url()).await;
        let (phone, _) = sandbox.scans(&device.qr().await).await.unwrap();
        device.connects().await;
        names.push(phone.name().to_owned());
        running.push(device);
    }
    assert_eq!(names, ["phone-2", "phone-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_name_that_nobody_can_type_stays_what_others_see() {
    let sandbox = empty().await;
    let text = "Käthe & Söhne 🛒/../x";
    let (device, phone, _) = joins(&sandbox, text).await;
    assert_eq!(phone.name(), "phone-1");
    assert_eq!(phone.push_name().unwrap(), text);
    assert_eq!(device.client.push_name(), text);
    assert_eq!(joins(&sandbox, text).await.1.name(), "phone-1");
    // What the first was called for want of a better name belongs to no push name.
    assert_eq!(joins(&sandbox, "phone-1").await.1.name(), "phone-2");
    // A number is no name: it would stand for somebody else's address.
    assert_eq!(joins(&sandbox, "15550000001").await.1.name(), "phone-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_code_that_a_client_shows_makes_an_account_and_a_full_one_takes_no_more() {
    let control = Control::start().await;
    let sandbox = &control.sandbox;
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(joins(sandbox, "Crew").await);
    }
    let fifth = Device::named("Crew", &sandbox.ws_url()).await;
    let qr = fifth.qr().await;
    assert!(matches!(sandbox.scans("hello").await, Err(Error::InvalidQr(_))));
    let (_, rest) = qr.split_once(',').unwrap();
    assert!(matches!(sandbox.scans(&format!("2@other,{rest}")).await, Err(Error::StaleQr)));
    let full = sandbox.scans(&qr).await;
    assert!(matches!(full, Err(Error::TooManyDevices(name)) if name == "Crew"));
    assert_eq!(phones(&control).await, [json!(["Crew", "Crew"])]);

    let request = control.request(Method::POST, "/admin/mock-phone/scan-qr").body(qr);
    assert_eq!(request.send().await.unwrap().status(), 409);
}

/// Names and push names of all accounts.
async fn phones(control: &Control) -> Vec<Value> {
    let (_, body) = control.get("/admin/phones").await;
    let phones = body["phones"].as_array().unwrap();
    phones.iter().map(|phone| json!([phone["name"], phone["pushName"]])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_over_http() {
    let control = Control::start().await;
    let mut running = Vec::new();
    for (push_name, expected) in [("Mia", "Mia"), ("Zoë", "phone-2"), ("Zoë", "phone-2")] {
        let device = Device::named(push_name, &control.sandbox.ws_url()).await;
        let qr = device.qr().await;
        let request = control.request(Method::POST, "/admin/mock-phone/scan-qr").body(qr);
        let linked: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(linked["phone"], expected, "{linked}");
        running.push(device);
    }
    assert_eq!(phones(&control).await, [json!(["Mia", "Mia"]), json!(["phone-2", "Zoë"])]);
    // Whoever names the account has their way.
    let device = Device::named("Mia", &control.sandbox.ws_url()).await;
    let qr = device.qr().await;
    let request = control.request(Method::POST, "/admin/mock-phone/scan-qr?phone=boss").body(qr);
    let linked: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(linked["phone"], "boss");
}
