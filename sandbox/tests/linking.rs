//! Linking a device by QR, as a real client goes through it.

use wharf_sandbox::{Config, Error, Sandbox};
use whatsapp_rust::types::events::Event;

use crate::client::Device;

async fn with_phone(name: &str) -> Sandbox {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    sandbox.add_phone(name);
    sandbox
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_code_links_the_client_and_it_logs_in() {
    let sandbox = with_phone("shop").await;
    let device = Device::starts(&sandbox.ws_url()).await;
    let linked = sandbox.phone("shop").scans(&device.qr().await).await.unwrap();
    assert_eq!(linked.jid, "15550000001:1@s.whatsapp.net");
    // What the library says of itself, and the version that is overridden here.
    let said = (linked.name.as_deref(), linked.version.as_deref());
    assert_eq!(said, (Some("rust"), Some("2.3000.0")));
    assert_eq!(sandbox.phone("shop").devices(), std::slice::from_ref(&linked));

    let (id, lid) = device
        .sees(|event| match event {
            Event::PairSuccess(pair) => Some((pair.id.to_string(), pair.lid.to_string())),
            _ => None,
        })
        .await;
    assert_eq!((id, lid), (linked.jid, linked.lid));
    device.connects().await;
    assert!(device.client.is_logged_in());
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_shares_its_app_state_key_at_the_first_login() {
    let sandbox = with_phone("shop").await;
    let device = Device::starts(&sandbox.ws_url()).await;
    sandbox.phone("shop").scans(&device.qr().await).await.unwrap();
    let began = std::time::Instant::now();
    device.connects().await;
    // The client waits ten seconds for a key that does not come.
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    let store = device.saved().await;
    let key = whatsapp_rust::store::AppSyncStore::get_sync_key(&*store, &[0, 0, 0, 0, 0, 1]).await;
    assert!(key.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_of_one_account_get_numbers_of_their_own() {
    let sandbox = with_phone("shop").await;
    let mut linked = Vec::new();
    let mut running = Vec::new();
    for _ in 0..2 {
        let device = Device::starts(&sandbox.ws_url()).await;
        linked.push(sandbox.phone("shop").scans(&device.qr().await).await.unwrap().jid);
        device.connects().await;
        running.push(device);
    }
    assert_eq!(linked, ["15550000001:1@s.whatsapp.net", "15550000001:2@s.whatsapp.net"]);
    assert_eq!(sandbox.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_links_once_and_only_as_it_was_shown() {
    let sandbox = with_phone("shop").await;
    let device = Device::starts(&sandbox.ws_url()).await;
    let qr = device.qr().await;
    let phone = sandbox.phone("shop");
    assert!(matches!(phone.scans("hello").await, Err(Error::InvalidQr(_))));
    let (_, rest) = qr.split_once(',').unwrap();
    assert!(matches!(phone.scans(&format!("2@other,{rest}")).await, Err(Error::StaleQr)));
    let nobody = sandbox.phone("nobody").scans(&qr).await;
    assert!(matches!(nobody, Err(Error::NoSuchPhone(name)) if name == "nobody"));

    phone.scans(&qr).await.unwrap();
    device.connects().await;
    assert!(matches!(phone.scans(&qr).await, Err(Error::StaleQr)));
    assert_eq!(phone.devices().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_refuses_a_phone_that_has_not_seen_its_secret() {
    let sandbox = with_phone("shop").await;
    let device = Device::starts(&sandbox.ws_url()).await;
    let qr = device.qr().await;
    let mut fields: Vec<&str> = qr.split(',').collect();
    // The identity key in the place of the secret: well-formed, and wrong.
    fields[3] = fields[2];
    let refused = sandbox.phone("shop").scans(&fields.join(",")).await;
    assert!(matches!(refused, Err(Error::LinkRefused(_))), "{refused:?}");
    assert!(sandbox.phone("shop").devices().is_empty());
}

/// What becomes of the codes that a client was given.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Code,
    Exhausted,
}

fn shown(event: &Event) -> Option<Shown> {
    match event {
        Event::PairingQrCode(_) => Some(Shown::Code),
        Event::PairingQrCodesExhausted(exhausted) => {
            assert!(exhausted.disconnected);
            Some(Shown::Exhausted)
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gets_no_codes_has_used_them_up_at_once() {
    let config = Config { qr_refs: 0, ..Config::default() };
    let sandbox = Sandbox::start(config).await.unwrap();
    sandbox.add_phone("shop");
    let device = Device::starts(&sandbox.ws_url()).await;
    assert_eq!(device.sees(shown).await, Shown::Exhausted);

    sandbox.gives_qr_refs(1);
    let device = Device::starts(&sandbox.ws_url()).await;
    sandbox.phone("shop").scans(&device.qr().await).await.unwrap();
    device.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_are_linked_at_once_get_numbers_of_their_own() {
    let sandbox = with_phone("shop").await;
    let (one, two) =
        (Device::starts(&sandbox.ws_url()).await, Device::starts(&sandbox.ws_url()).await);
    let (first, second) = (one.qr().await, two.qr().await);
    let phone = sandbox.phone("shop");
    // No client answers before both phones have scanned.
    sandbox.hangs(true);
    let (first, second, ()) =
        tokio::join!(phone.scans(&first), phone.scans(&second), async { sandbox.hangs(false) });
    let numbers = [first.unwrap().jid, second.unwrap().jid];
    assert_eq!(numbers, ["15550000001:1@s.whatsapp.net", "15550000001:2@s.whatsapp.net"]);
    one.connects().await;
    two.connects().await;
}
