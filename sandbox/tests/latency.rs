//! Stanzas that are held back for everybody.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use wharf_sandbox::{Config, Sandbox, StreamEnd};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::iq::keepalive::KeepaliveSpec;

use crate::client::{Device, disconnected};
use crate::control::{Control, error};
use crate::groups::links;

const LATENCY: Duration = Duration::from_millis(200);

/// Stanzas that are asked for at once.
const MANY: u32 = 30;

/// Pings at once, and returns how long the last answer took.
async fn pings(device: &Device, count: u32) -> Duration {
    let began = Instant::now();
    let mut pings = JoinSet::new();
    for _ in 0..count {
        let client = device.client.clone();
        pings.spawn(async move { client.execute(KeepaliveSpec::new()).await.unwrap() });
    }
    pings.join_all().await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stanza_is_held_back_and_none_waits_for_another() {
    let sandbox = Sandbox::start(Config { latency: LATENCY, ..Config::default() }).await.unwrap();
    sandbox.add_phone("shop");
    let shop = links(&sandbox, "shop").await;
    assert!(pings(&shop, 1).await >= LATENCY);
    let many = pings(&shop, MANY).await;
    assert!(many >= LATENCY && many < MANY * LATENCY / 2, "{many:?}");
    // It changes on the connection that is open.
    sandbox.delays_stanzas(2 * LATENCY);
    assert!(pings(&shop, 1).await >= 2 * LATENCY);
    sandbox.delays_stanzas(Duration::ZERO);
    assert!(pings(&shop, 1).await < 2 * LATENCY);
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_keeps_its_order_up_to_the_last_word() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let boss = sandbox.add_phone("boss");
    sandbox.add_phone("shop");
    let shop = links(&sandbox, "shop").await;
    sandbox.delays_stanzas(LATENCY);
    for number in 0..3 {
        boss.sends("shop", &number.to_string()).await.unwrap();
    }
    sandbox.delays_stanzas(Duration::ZERO);
    boss.sends("shop", "3").await.unwrap();
    for number in 0..4 {
        assert_eq!(shop.reads().await.text, number.to_string());
    }
    sandbox.delays_stanzas(LATENCY);
    let began = Instant::now();
    sandbox.ends_streams(StreamEnd::Replaced);
    shop.sees(|event| matches!(event, Event::StreamReplaced(_)).then_some(())).await;
    assert!(began.elapsed() >= LATENCY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_breaks_at_once_whatever_is_held_back() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let boss = sandbox.add_phone("boss");
    sandbox.add_phone("shop");
    let shop = links(&sandbox, "shop").await;
    sandbox.delays_stanzas(Duration::from_mins(10));
    boss.sends("shop", "never").await.unwrap();
    sandbox.drops_connections().await;
    shop.sees(disconnected).await;
    sandbox.delays_stanzas(Duration::ZERO);
    // It waits for who comes back, as ever.
    assert_eq!(shop.reads().await.text, "never");
}

#[tokio::test]
async fn latency_is_read_and_set_over_http() {
    let control = Control::start().await;
    let path = "/admin/latency";
    assert_eq!(control.get(path).await.1, json!({ "ms": 0 }));
    let (status, set) = control.send(Method::PUT, path, json!({ "ms": 80 })).await;
    assert_eq!((status.as_u16(), set), (200, json!({ "ms": 80 })));
    for body in [json!({}), json!({ "ms": 60_001 }), json!({ "ms": -1 }), json!({ "ms": "80" })] {
        let (status, refused) = control.send(Method::PUT, path, body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains("ms"), "{refused}");
    }
    let (status, refused) = control.send(Method::PUT, path, json!({ "ms": 1, "s": 1 })).await;
    assert_eq!(status, 400, "{refused}");
    assert_eq!(control.get(path).await.1, json!({ "ms": 80 }));
}
