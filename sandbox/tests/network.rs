//! Connections that break, are refused, or hang.

use std::time::Duration;

use tokio::time::timeout;
use wharf_sandbox::{Config, Sandbox};
use whatsapp_rust::types::events::Event;

use crate::client::{DEADLINE, Device, disconnected};
use crate::groups::{crew, links, subject};

const SILENCE: Duration = Duration::from_millis(300);

/// Waits until so many connections are open.
pub(crate) async fn opens(sandbox: &Sandbox, count: usize) {
    let reached = async {
        while sandbox.connections() != count {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, reached).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_of_one_phone_break_and_the_others_stay() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    sandbox.phone("shop").drops_connections().await;
    assert_eq!(sandbox.connections(), 1);
    mia.client.groups().set_subject(&gid, subject("Still here")).await.unwrap();
    shop.sees(disconnected).await;
    shop.connects().await;
    // Nobody has a phone of this name.
    sandbox.phone("bob").drops_connections().await;
    assert_eq!(sandbox.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_clients_are_turned_away_and_those_inside_stay() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.refuses_connections(true);
    let http = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
    let upgrade = http
        .get(format!("{}/ws/chat", sandbox.http_url()))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(upgrade.send().await.unwrap().status(), 503);
    shop.client.groups().set_subject(&gid, subject("Inside")).await.unwrap();

    sandbox.drops_connections().await;
    shop.sees(disconnected).await;
    assert_eq!(sandbox.connections(), 0);
    sandbox.refuses_connections(false);
    shop.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_does_nothing_and_then_goes_on_with_what_waits() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let group = sandbox.group(&gid.to_string());
    sandbox.hangs(true);
    let groups = shop.client.groups();
    let renamed = groups.set_subject(&gid, subject("Late"));
    tokio::pin!(renamed);
    assert!(timeout(SILENCE, &mut renamed).await.is_err());
    assert_eq!(group.subject(), "Crew");
    // What others do is not heard of either.
    group.by("boss").sets_announce(true);
    let heard = |event: &Event| matches!(event, Event::GroupUpdate(_)).then_some(());
    assert!(timeout(SILENCE, shop.sees(heard)).await.is_err());
    assert_eq!(sandbox.connections(), 1);

    sandbox.hangs(false);
    renamed.await.unwrap();
    assert_eq!(group.subject(), "Late");
    shop.sees(heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_while_the_server_hangs_waits_until_it_goes_on() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    sandbox.add_phone("shop");
    sandbox.hangs(true);
    let shop = Device::starts(&sandbox.ws_url()).await;
    opens(&sandbox, 1).await;
    assert!(timeout(SILENCE, shop.qr()).await.is_err());
    sandbox.heals();
    sandbox.phone("shop").scans(&shop.qr().await).await.unwrap();
    shop.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_break_while_the_server_hangs() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.hangs(true);
    sandbox.refuses_connections(true);
    timeout(DEADLINE, sandbox.drops_connections()).await.unwrap();
    shop.sees(disconnected).await;
    assert_eq!(sandbox.connections(), 0);
    sandbox.heals();
    shop.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_can_be_stopped() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.hangs(true);
    let _waiting = Device::starts(&sandbox.ws_url()).await;
    opens(&sandbox, 2).await;
    timeout(DEADLINE, sandbox.stop()).await.unwrap();
    shop.sees(disconnected).await;
}
