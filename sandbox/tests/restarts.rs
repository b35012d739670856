//! A server that comes back with a new key.

use reqwest::Method;
use serde_json::{Value, json};
use wharf_sandbox::{NewGroup, Sandbox};
use whatsapp_rust::types::events::Event;

use crate::client::{Device, disconnected};
use crate::control::Control;
use crate::groups::{crew, links, subject};

/// A client that knows the server's key, and so comes back by resumption.
async fn resumes() -> (Sandbox, Device) {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    // The handshake of the first login is the first that leaves the client the key. Now and then the client does that
    // login twice, so that it has resumed before.
    let before = sandbox.resumptions();
    sandbox.drops_connections().await;
    shop.sees(disconnected).await;
    shop.connects().await;
    assert_eq!((sandbox.resumptions(), sandbox.fallbacks()), (before + 1, 0));
    (sandbox, shop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_an_old_key_falls_back_once_and_then_resumes_by_the_new_one() {
    let (sandbox, shop) = resumes().await;
    let before = sandbox.resumptions();
    sandbox.rotates_key().await;
    shop.sees(disconnected).await;
    shop.connects().await;
    assert_eq!((sandbox.resumptions(), sandbox.fallbacks()), (before, 1));
    assert_eq!(shop.client.groups().get_participating().await.unwrap().len(), 1);

    sandbox.drops_connections().await;
    shop.sees(disconnected).await;
    shop.connects().await;
    assert_eq!((sandbox.resumptions(), sandbox.fallbacks()), (before + 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_on_a_store_from_before_the_new_key_falls_back() {
    let (sandbox, shop) = resumes().await;
    let store = shop.saved().await;
    shop.client.disconnect().await;
    sandbox.rotates_key().await;
    let again = Device::stored_in(store, &sandbox.ws_url()).await;
    again.connects().await;
    assert_eq!(sandbox.fallbacks(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_keeps_its_accounts_and_its_address_and_not_its_key() {
    let (sandbox, shop) = resumes().await;
    let address = sandbox.address();
    sandbox.restarts().await.unwrap();
    assert_eq!(sandbox.address(), address);
    shop.sees(disconnected).await;
    shop.connects().await;
    assert_eq!(sandbox.fallbacks(), 1);
    assert_eq!(sandbox.phone("shop").devices().len(), 1);
    let group = sandbox.add_group(NewGroup::new("Later").owner("shop"));
    shop.client.groups().set_subject(&group.gid().parse().unwrap(), subject("Now")).await.unwrap();
    assert_eq!(group.subject(), "Now");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_and_server_are_renewed_over_http() {
    let control = Control::start().await;
    control.sandbox.add_phone("shop");
    let shop = links(&control.sandbox, "shop").await;
    let before = control.sandbox.resumptions();
    for (path, fallbacks) in [("/admin/rotate-key", 1), ("/admin/restart", 2)] {
        let (status, renewed) = control.post(path, Value::Null).await;
        assert_eq!((status.as_u16(), renewed), (200, json!({ "dropped": 1 })));
        shop.sees(|event| matches!(event, Event::Connected(_)).then_some(())).await;
        let (_, handshakes) = control.get("/admin/handshakes").await;
        let of = |name: &str| handshakes[name].as_u64();
        assert_eq!((of("resumptions"), of("fallbacks")), (Some(before), Some(fallbacks)));
    }
    assert_eq!(control.send(Method::GET, "/admin/restart", Value::Null).await.0, 405);
}
