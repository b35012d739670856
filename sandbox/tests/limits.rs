//! Accounts that ask too often.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wharf_sandbox::{Config, Fault, NewGroup, RateLimit, Sandbox};
use whatsapp_rust::wacore::iq::keepalive::KeepaliveSpec;
use whatsapp_rust::{ErrorChainExt, GroupError, Jid};

use crate::client::{DEADLINE, Device, refusal};
use crate::control::{Control, error};
use crate::groups::{crew, links};

const SECOND: Duration = Duration::from_secs(1);

fn limit(requests: u32, window: Duration) -> Option<RateLimit> {
    let limit = RateLimit::new(requests, window);
    assert!(limit.is_some());
    limit
}

async fn asks(device: &Device, gid: &Jid) -> Result<(), GroupError> {
    device.client.groups().get_metadata(gid).await.map(|_| ())
}

async fn says(device: &Device, gid: &Jid, text: &str) {
    let sent = device.client.send_text(gid.clone(), text).await.unwrap();
    assert_eq!(device.answered(&sent.message_id).await, None);
}

/// Asks until the server refuses, which it does after `most` at the latest; returns how often it did not, and the
/// seconds until it would not. The client may have asked for something by itself.
async fn exhausts(device: &Device, gid: &Jid, most: u32) -> (u32, Option<u32>) {
    for count in 0..=most {
        let Err(refused) = asks(device, gid).await else { continue };
        let rejection = refused.server_rejection().unwrap();
        assert_eq!((rejection.code, rejection.text), (429, "rate-overlimit"));
        return (count, rejection.backoff);
    }
    panic!("{most} requests and one more were answered");
}

/// A client that has nothing to ask for by itself any more.
async fn settled(sandbox: &Sandbox, phone: &str) -> Device {
    let device = links(sandbox, phone).await;
    device.client.wait_for_startup_sync(DEADLINE).await.unwrap();
    device
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_refused_until_the_time_is_over() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (settled(&sandbox, "shop").await, settled(&sandbox, "mia").await);
    let other = settled(&sandbox, "shop").await;
    // With this it knows the group's devices, and need not ask for them.
    says(&shop, &gid, "here").await;
    sandbox.freezes_clock(true);
    sandbox.limits_requests(limit(20, Duration::from_mins(1)));
    let (answered, backoff) = exhausts(&shop, &gid, 20).await;
    assert!(answered > 0 && backoff == Some(3), "{answered}: {backoff:?}");

    // The limit is of the account, and of each for itself.
    assert_eq!(refusal(&asks(&other, &gid).await.unwrap_err()), Some(429));
    asks(&mia, &gid).await.unwrap();
    // Pings and messages are no requests.
    shop.client.execute(KeepaliveSpec::new()).await.unwrap();
    says(&shop, &gid, "still here").await;
    // What is refused does not meet what was ordered for it.
    sandbox.fails_next("group.query", 1, Fault::code(500));
    assert_eq!(refusal(&asks(&shop, &gid).await.unwrap_err()), Some(429));
    assert_eq!(refusal(&asks(&mia, &gid).await.unwrap_err()), Some(500));

    sandbox.advances_clock(2 * SECOND);
    assert_eq!(exhausts(&shop, &gid, 0).await, (0, Some(1)));
    sandbox.advances_clock(SECOND);
    asks(&shop, &gid).await.unwrap();
    assert_eq!(exhausts(&shop, &gid, 0).await, (0, Some(3)));
    sandbox.limits_requests(None);
    for _ in 0..25 {
        asks(&shop, &gid).await.unwrap();
    }
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_from_the_start_holds_for_devices_and_not_for_who_is_to_be_linked() {
    let rate_limit = limit(100, Duration::from_hours(24));
    let sandbox = Sandbox::start(Config { rate_limit, ..Config::default() }).await.unwrap();
    sandbox.add_phone("shop");
    let gid: Jid = sandbox.add_group(NewGroup::new("Crew").owner("shop")).gid().parse().unwrap();
    let shop = links(&sandbox, "shop").await;
    let (_, backoff) = exhausts(&shop, &gid, 100).await;
    assert!(backoff.is_some_and(|seconds| (1..=864).contains(&seconds)), "{backoff:?}");
    // Another device of the account is linked all the same.
    let other = Device::starts(&sandbox.ws_url()).await;
    sandbox.phone("shop").scans(&other.qr().await).await.unwrap();
    assert_eq!(sandbox.phone("shop").devices().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_asked_too_often_comes_back_and_hears_what_it_missed() {
    let (sandbox, gid) = crew().await;
    let shop = settled(&sandbox, "shop").await;
    sandbox.freezes_clock(true);
    sandbox.limits_requests(limit(5, Duration::from_mins(1)));
    exhausts(&shop, &gid, 5).await;
    sandbox.phone("shop").drops_connections().await;
    sandbox.phone("boss").sends("shop", "while you were away").await.unwrap();
    assert_eq!(shop.reads().await.text, "while you were away");
    assert_eq!(exhausts(&shop, &gid, 0).await, (0, Some(12)));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_limited_over_http() {
    let control = Control::start().await;
    let gid: Jid = control.crew().await.parse().unwrap();
    let shop = settled(&control.sandbox, "shop").await;
    let path = "/admin/rate-limit";
    assert_eq!(control.get(path).await.1, json!({ "limit": null }));
    let body = json!({ "requests": 5, "seconds": 3600 });
    let (status, set) = control.send(Method::PUT, path, body.clone()).await;
    assert_eq!((status.as_u16(), set), (200, json!({ "limit": body })));
    let (_, backoff) = exhausts(&shop, &gid, 5).await;
    assert!(backoff.is_some_and(|seconds| (700..=720).contains(&seconds)), "{backoff:?}");
    assert_eq!(control.post("/admin/clock", json!({ "advance": 720 })).await.0, 200);
    asks(&shop, &gid).await.unwrap();

    for (body, field) in [
        (json!({ "seconds": 5 }), "requests"),
        (json!({ "requests": 0, "seconds": 5 }), "requests"),
        (json!({ "requests": 1 }), "seconds"),
        (json!({ "requests": 1, "seconds": 0 }), "seconds"),
        (json!({ "requests": 1, "seconds": 86_401 }), "seconds"),
        (json!({ "requests": 1, "seconds": 5, "phone": "shop" }), "phone"),
    ] {
        let (status, refused) = control.send(Method::PUT, path, body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains(field), "{refused}");
    }
    let (_, lifted) = control.send(Method::DELETE, path, Value::Null).await;
    assert_eq!(lifted, json!({ "limit": null }));
    for _ in 0..10 {
        asks(&shop, &gid).await.unwrap();
    }
}
