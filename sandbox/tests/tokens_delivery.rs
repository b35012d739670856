//! How a client comes by tokens: with the history and the shared settings of its account, and as its switches say.

use wharf_sandbox::{Config, Error, Sandbox};
use whatsapp_rust::Jid;
use whatsapp_rust::store::commands::DeviceCommand;

use crate::client::{Device, until};
use crate::tokens::{has, kinds, writes};

/// A client of this push name, in the account that it asks for, with the switches of that.
async fn joins(sandbox: &Sandbox, push_name: &str) -> Device {
    let device = Device::curious(push_name, sandbox).await;
    sandbox.scans(&device.qr().await).await.unwrap();
    device.connects().await;
    device.client.fetch_props().await.unwrap();
    device
}

async fn with_restricted(push_name: &str) -> (Sandbox, Device) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let shop = joins(&sandbox, push_name).await;
    (sandbox, shop)
}

fn salt(device: &Device) -> Option<Vec<u8>> {
    device.client.persistence_manager().get_device_snapshot().nct_salt.clone()
}

/// Waits until everything that the phone has sent so far has come and was worked on.
async fn has_the_past(sandbox: &Sandbox, name: &str, device: &Device) {
    let parts = |kind: &str| {
        let receipts = sandbox.phone(name).receipts();
        receipts.iter().filter(|receipt| receipt.kind == kind).count()
    };
    until(async || parts("hist_sync") == 1).await;
    device.client.wait_for_startup_sync(crate::client::DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_salt_from_the_history_writes_first_with_a_customer_token() {
    let (sandbox, shop) = with_restricted("restricted:shop").await;
    let mia = joins(&sandbox, "scenario:nct_send_ab=1,nct_history_ab=1:mia").await;
    has_the_past(&sandbox, "mia", &mia).await;
    assert_eq!(salt(&mia), sandbox.phone("mia").salt());
    assert!(sandbox.phone("mia").settings().is_empty());
    assert_eq!(writes(&mia, &shop.lid(), "hello").await, (kinds(&["cstoken"]), None));
    assert_eq!(shop.reads().await.text, "hello");
    // It is made for one recipient, from one salt.
    let other = Some(vec![7; 32]);
    let manager = mia.client.persistence_manager();
    manager.process_command(DeviceCommand::SetNctSalt(other)).await;
    assert_eq!(writes(&mia, &shop.lid(), "again").await, (kinds(&["cstoken"]), Some(463)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_salt_from_the_settings_loses_and_gets_it_with_them() {
    let (sandbox, shop) = with_restricted("restricted:shop").await;
    let mia = joins(&sandbox, "scenario:nct_send_ab=1,nct_syncd_ab=1:mia").await;
    let phone = sandbox.phone("mia");
    until(async || salt(&mia).is_some()).await;
    assert_eq!(salt(&mia), phone.salt());
    assert_eq!(writes(&mia, &shop.lid(), "one").await, (kinds(&["cstoken"]), None));
    phone.sets("nct_salt_sync", &[], None).unwrap();
    until(async || salt(&mia).is_none()).await;
    assert_eq!(writes(&mia, &shop.lid(), "two").await, (kinds(&[]), Some(463)));
    phone.renews_salt().unwrap();
    until(async || salt(&mia).is_some()).await;
    assert_eq!(writes(&mia, &shop.lid(), "three").await, (kinds(&["cstoken"]), None));
    // The token that the client itself has given does not change that.
    assert_eq!(has(&mia, &shop.lid()).await, None);
    assert_eq!([shop.reads().await.text, shop.reads().await.text], ["one", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_of_a_salt_and_gets_none_or_gets_one_and_is_not_told_is_refused() {
    let (sandbox, shop) = with_restricted("restricted:shop").await;
    let off = "nct_history_delivery=0,nct_syncd_delivery=0";
    let told = format!("scenario:nct_send_ab=1,nct_history_ab=1,nct_syncd_ab=1,{off}:leo");
    let leo = joins(&sandbox, &told).await;
    leo.client.wait_for_startup_sync(crate::client::DEADLINE).await.unwrap();
    let kim = joins(&sandbox, "scenario:nct_history_delivery=1:kim").await;
    has_the_past(&sandbox, "kim", &kim).await;
    assert!(salt(&leo).is_none() && sandbox.phone("leo").salt().is_none());
    assert!(salt(&kim).is_some());
    for device in [&leo, &kim] {
        assert_eq!(writes(device, &shop.lid(), "hello").await, (kinds(&[]), Some(463)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_only_the_kinds_of_tokens_that_it_takes() {
    let (sandbox, shop) =
        with_restricted("scenario:restricted,tc_enabled=0,cs_enabled=1:shop").await;
    let bar = joins(&sandbox, "scenario:restricted,tc_enabled=1,cs_enabled=0:bar").await;
    let mia = joins(&sandbox, "scenario:nct_send_ab=1,nct_history_ab=1:mia").await;
    has_the_past(&sandbox, "mia", &mia).await;
    assert_eq!(writes(&mia, &shop.lid(), "cold").await, (kinds(&["cstoken"]), None));
    assert_eq!(writes(&mia, &bar.lid(), "cold").await, (kinds(&["cstoken"]), Some(463)));
    for (giver, device, answer) in [("shop", &shop, Some(463)), ("bar", &bar, None)] {
        sandbox.phone(giver).gives_token("mia").unwrap();
        until(async || has(&mia, &device.lid()).await.is_some()).await;
        assert_eq!(writes(&mia, &device.lid(), "warm").await, (kinds(&["tctoken"]), answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_linked_later_gets_the_tokens_of_its_account() {
    let (sandbox, shop) = with_restricted("restricted:shop").await;
    sandbox.add_phone("mia");
    sandbox.phone("shop").gives_token("mia").unwrap();
    let desk = joins(&sandbox, "mia").await;
    has_the_past(&sandbox, "mia", &desk).await;
    let held = sandbox.phone("mia").held_tokens().remove(0);
    assert_eq!((has(&desk, &shop.lid()).await, held.from.as_str()), (Some(held.token), "shop"));
    assert_eq!(writes(&desk, &shop.lid(), "hello").await, (kinds(&["tctoken"]), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_name_asks_for_an_account_of_its_own() {
    let (sandbox, _shop) = with_restricted("restricted:shop").await;
    let phone = sandbox.phone("shop");
    assert_eq!((phone.scenario(), phone.devices().len()), ("restricted".to_owned(), 1));
    let _second = joins(&sandbox, "restricted:shop").await;
    let _plain = joins(&sandbox, "shop").await;
    assert_eq!(phone.devices().len(), 2);
    assert_eq!(sandbox.phone("phone-2").scenario(), "");
    let flags = "restricted,tc_enabled=0,nct_send_ab=1";
    let _third = joins(&sandbox, &format!("scenario:{flags}:bar")).await;
    assert_eq!(sandbox.phone("bar").scenario(), flags);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_name_that_makes_no_sense_is_refused_and_makes_no_account() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    for push_name in ["restricted:", "scenario:restricted", "scenario:tc_enabled=2:mia"] {
        let device = Device::named(push_name, &sandbox.ws_url()).await;
        let refused = sandbox.scans(&device.qr().await).await.err().unwrap();
        assert!(
            matches!(&refused, Error::InvalidScenario { text, .. } if text == push_name),
            "{refused}"
        );
    }
    // Whoever names the account has their way.
    let phone = sandbox.add_phone("mia");
    let device = Device::named("scenario:famous:mia", &sandbox.ws_url()).await;
    let linked = phone.scans(&device.qr().await).await.unwrap();
    assert_eq!((linked.lid.as_str(), phone.scenario()), ("100000000000001:1@lid", String::new()));
    assert!(matches!(phone.has_scenario("famous"), Err(Error::InvalidScenario { .. })));
    phone.has_scenario("restricted,cs_enabled=0").unwrap();
    assert_eq!(phone.scenario(), "restricted,cs_enabled=0");
    phone.has_scenario("").unwrap();
    assert_eq!(phone.scenario(), "");
    let lone: Jid = "100000000000001@lid".parse().unwrap();
    assert_eq!(device.client.lid().map(|lid| lid.to_non_ad()), Some(lone));
}
