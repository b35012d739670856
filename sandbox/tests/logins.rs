//! Logins after the first: who gets in, who is sent away, and what becomes of the others.

use wharf_sandbox::{Config, NewGroup, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::request::InfoQuery;
use whatsapp_rust::{Jid, NodeBuilder, Server};

use crate::client::{Device, refusal};

async fn linked() -> (Sandbox, Device) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    sandbox.add_phone("shop");
    let device = Device::starts(&sandbox.ws_url()).await;
    sandbox.phone("shop").scans(&device.qr().await).await.unwrap();
    device.connects().await;
    (sandbox, device)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_client_comes_back_by_itself() {
    let (sandbox, device) = linked().await;
    assert_eq!(sandbox.connections(), 1);
    let before = sandbox.resumptions();
    sandbox.drops_connections().await;
    device.sees(|event| matches!(event, Event::Disconnected(_)).then_some(())).await;
    device.connects().await;
    assert_eq!(sandbox.connections(), 1);
    // By now the client knows the server's key.
    assert_eq!(sandbox.resumptions(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_a_client_is_away_reaches_it_when_it_is_back() {
    let (sandbox, device) = linked().await;
    sandbox.add_phone("boss");
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").member("shop"));
    device.sees(|event| matches!(event, Event::GroupUpdate(_)).then_some(())).await;
    let store = device.saved().await;
    device.client.disconnect().await;
    group.sets_subject("Night crew");

    let again = Device::stored_in(store, &sandbox.ws_url()).await;
    let gid = again
        .sees(|event| match event {
            Event::GroupUpdate(update) => Some(update.group_jid.to_string()),
            _ => None,
        })
        .await;
    assert_eq!(gid, group.gid());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_on_the_same_store_logs_in_without_a_code() {
    let (sandbox, device) = linked().await;
    let store = device.saved().await;
    device.client.disconnect().await;
    let again = Device::stored_in(store, &sandbox.ws_url()).await;
    again.connects().await;
    assert_eq!(sandbox.phone("shop").devices().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_device_is_sent_away_and_cannot_log_in() {
    let (sandbox, device) = linked().await;
    let store = device.saved().await;
    assert_eq!(sandbox.phone("shop").unlinks(), 1);
    let on_connect = |event: &Event| match event {
        Event::LoggedOut(logged_out) => Some(logged_out.on_connect),
        _ => None,
    };
    assert!(!device.sees(on_connect).await);

    let again = Device::stored_in(store, &sandbox.ws_url()).await;
    assert!(again.sees(on_connect).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_replaces_the_first() {
    let (sandbox, device) = linked().await;
    let again = Device::stored_in(device.saved().await, &sandbox.ws_url()).await;
    again.connects().await;
    device.sees(|event| matches!(event, Event::StreamReplaced(_)).then_some(())).await;
    assert!(again.client.is_logged_in());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_takes_the_device_from_the_account() {
    let (sandbox, device) = linked().await;
    device.client.logout().await;
    assert!(sandbox.phone("shop").devices().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_request_is_refused_and_counted() {
    let (sandbox, device) = linked().await;
    let child = NodeBuilder::new("teleport").build();
    let content = whatsapp_rust::wacore_binary::NodeContent::Nodes(vec![child]);
    let query = InfoQuery::get("w:future", Jid::new("", Server::Pn), Some(content));
    let error = device.client.send_iq(query).await.unwrap_err();
    assert_eq!(refusal(&error), Some(501));
    assert_eq!(sandbox.unknown_iqs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_gone() {
    let (sandbox, device) = linked().await;
    let address = sandbox.address();
    sandbox.stop().await;
    device.sees(|event| matches!(event, Event::Disconnected(_)).then_some(())).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    // The address is free again.
    let config = Config { listen: address, ..Config::default() };
    let again = Sandbox::start(config).await.unwrap();
    assert_eq!(again.address(), address);
}
