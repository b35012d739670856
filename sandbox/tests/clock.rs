//! The clock that tests move: what expires has expired then, and a moment before it has not. Bans are in `refusals`.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wharf_sandbox::{ChatState, Config, Error, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::{JoinGroupResult, UploadOptions, download::MediaType};

use crate::client::{DEADLINE, Device, refusal};
use crate::control::{Control, error};
use crate::groups::{crew, links};
use crate::media::{Host, some_bytes, start, upload_path};
use crate::newsletters::{jid, paper};
use crate::pairing_code::{shows, unlinked};
use crate::presence::typing;

const SECOND: Duration = Duration::from_secs(1);

/// Longer than a test takes, and than anybody waits for one.
const DAY: Duration = Duration::from_hours(24);

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_are_told_is_as_late_as_the_clock_says() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.freezes_clock(true);
    let before = sandbox.clock_ms();
    sandbox.advances_clock(DAY);
    let now = sandbox.clock_ms();
    assert_eq!(now - before, 86_400_000);
    sandbox.phone("boss").sends("shop", "tomorrow").await.unwrap();
    assert_eq!(shop.reads().await.info.timestamp.timestamp(), now / 1000);
    shop.client.groups().set_announce(&gid, true).await.unwrap();
    assert_eq!(sandbox.journal().last().unwrap().at_ms, now);
    // Clients log in, and link devices, at any time.
    sandbox.phone("shop").drops_connections().await;
    shop.connects().await;
    links(&sandbox, "mia").await;
    assert_eq!((sandbox.clock_ms(), sandbox.unknown_iqs()), (now, 0));
}

#[tokio::test]
async fn every_server_has_its_own_clock_and_it_goes_on_from_where_it_stood() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let other = Sandbox::start(Config::default()).await.unwrap();
    sandbox.freezes_clock(true);
    let stood = sandbox.clock_ms();
    sandbox.advances_clock(DAY);
    assert!(other.clock_ms() < stood + 86_400_000);
    sandbox.freezes_clock(false);
    assert!(sandbox.clock_ms() >= stood + 86_400_000);
    sandbox.restarts().await.unwrap();
    assert!(sandbox.clock_ms() >= stood + 86_400_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_code_can_be_entered_for_three_minutes() {
    for (seconds, holds) in [(180, true), (181, false)] {
        let (sandbox, phone, device) = unlinked().await;
        sandbox.freezes_clock(true);
        let code = shows(&device, &phone).await;
        sandbox.advances_clock(seconds * SECOND);
        let entered = phone.enters_code(&code).await;
        if holds {
            entered.unwrap();
            device.connects().await;
        } else {
            assert!(matches!(entered, Err(Error::PairingCodeExpired)), "{entered:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_is_shown_by_the_clients_own_time() {
    let sandbox = start(Config::default()).await;
    let device = Device::starts(&sandbox.ws_url()).await;
    let qr = device.qr().await;
    sandbox.advances_clock(DAY);
    sandbox.phone("shop").scans(&qr).await.unwrap();
    device.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_waits_for_thirty_seconds() {
    let (sandbox, _) = crew().await;
    let (shop, mut mia) = (sandbox.phone("shop"), links(&sandbox, "mia").await);
    sandbox.freezes_clock(true);
    for (seconds, waits) in [(29, true), (30, false)] {
        let store = mia.saved().await;
        drop(mia);
        sandbox.phone("mia").drops_connections().await;
        shop.types("mia", ChatState::Composing);
        sandbox.advances_clock(seconds * SECOND);
        mia = Device::stored_in(store, &sandbox.ws_url()).await;
        mia.client.wait_for_startup_sync(DEADLINE).await.unwrap();
        shop.types("mia", ChatState::Paused);
        let first = format!("{:?}", typing(&mia).await.state);
        assert_eq!(first, if waits { "Composing" } else { "Paused" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_for_media_is_good_for_six_hours() {
    let sandbox = start(Config::default()).await;
    let (shop, host) = (Device::of(&sandbox, "shop").await, Host::of(&sandbox));
    sandbox.freezes_clock(true);
    let auth = shop.client.refresh_media_conn(false).await.unwrap().auth;
    let bytes = some_bytes(10);
    let path = upload_path("image", &Sha256::digest(&bytes).into(), &auth);
    let stored = sandbox.stores_media("image", b"sealed").direct_path;
    let fetch = format!("{stored}&auth={auth}");
    for (seconds, status) in [(21_599, 200), (1, 401)] {
        sandbox.advances_clock(seconds * SECOND);
        assert_eq!(host.post(&path, bytes.clone()).await.status, status);
        assert_eq!(host.get(&fetch, None).await.status, status);
    }
    // The client believes in the one that it has until it is refused, and then asks for another.
    let options = UploadOptions::new();
    shop.client.upload(some_bytes(11), MediaType::Image, options).await.unwrap();
    let fresh = shop.client.refresh_media_conn(false).await.unwrap().auth;
    assert_ne!(fresh, auth);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_by_name_holds_for_three_days() {
    let (sandbox, gid) = crew().await;
    for name in ["bob", "eve"] {
        sandbox.add_phone(name);
        sandbox.phone(name).sets_privacy("groupadd", "none");
    }
    let (shop, bob) = (links(&sandbox, "shop").await, links(&sandbox, "bob").await);
    let eve = links(&sandbox, "eve").await;
    sandbox.freezes_clock(true);
    let people = [&bob, &eve].map(Device::lid);
    let fates = shop.client.groups().add_participants(gid.clone(), &people).await.unwrap();
    let admin = shop.lid();
    let accepts = async |device: &Device, position: usize| {
        let invited = fates[position].add_request.as_ref().unwrap();
        let until = i64::try_from(invited.expiration).unwrap();
        device.client.groups().join_with_invite_v4(gid.clone(), &invited.code, until, &admin).await
    };
    sandbox.advances_clock(2 * DAY + 86_399 * SECOND);
    assert!(matches!(accepts(&bob, 0).await.unwrap(), JoinGroupResult::Joined(at) if at == gid));
    sandbox.advances_clock(SECOND);
    assert_eq!(refusal(&accepts(&eve, 1).await.unwrap_err()), Some(410));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newsletter_is_heard_live_for_five_minutes() {
    let (sandbox, paper) = paper().await;
    let boss = links(&sandbox, "boss").await;
    let number = paper.posts("hear");
    sandbox.freezes_clock(true);
    let newsletters = boss.client.newsletter();
    assert_eq!(newsletters.subscribe_live_updates(jid(&paper)).await.unwrap(), 300);
    let reaction = || {
        boss.sees(|event| match event {
            Event::NewsletterLiveUpdate(update) => {
                Some(update.messages[0].reactions[0].code.clone())
            }
            _ => None,
        })
    };
    sandbox.advances_clock(299 * SECOND);
    paper.gets_reaction("shop", number, "👍");
    assert_eq!(reaction().await, "👍");
    sandbox.advances_clock(SECOND);
    paper.gets_reaction("shop", number, "👏");
    newsletters.subscribe_live_updates(jid(&paper)).await.unwrap();
    paper.gets_reaction("shop", number, "🎉");
    assert_eq!(reaction().await, "🎉");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_of_time_everything_works() {
    let (sandbox, paper) = paper().await;
    sandbox.advances_clock(Duration::MAX);
    let boss = links(&sandbox, "boss").await;
    let newsletters = boss.client.newsletter();
    newsletters.update(&jid(&paper), Some("The End"), None).await.unwrap();
    assert_eq!(newsletters.subscribe_live_updates(jid(&paper)).await.unwrap(), 300);
    assert_eq!((sandbox.clock_ms(), sandbox.unknown_iqs()), (253_402_300_799_999, 0));
}

#[tokio::test]
async fn the_clock_is_read_moved_and_stopped_over_http() {
    let control = Control::start().await;
    let path = "/admin/clock";
    let number = |clock: &Value, field: &str| clock[field].as_i64().unwrap();
    let (_, clock) = control.get(path).await;
    assert_eq!((number(&clock, "aheadMs"), &clock["frozen"]), (0, &json!(false)));
    let (status, moved) = control.post(path, json!({ "advance": 3600 })).await;
    assert_eq!((status.as_u16(), number(&moved, "aheadMs")), (200, 3_600_000));
    assert!(number(&moved, "nowMs") >= number(&clock, "nowMs") + 3_600_000);

    let (_, stopped) = control.post(path, json!({ "frozen": true })).await;
    let (_, moved) = control.post(path, json!({ "advance": 2 })).await;
    assert_eq!(number(&moved, "nowMs"), number(&stopped, "nowMs") + 2000);
    assert_eq!(control.get(path).await.1["nowMs"], moved["nowMs"]);
    assert_eq!(control.sandbox.clock_ms(), number(&moved, "nowMs"));
    let (_, goes) = control.post(path, json!({ "frozen": false })).await;
    assert!(goes["frozen"] == json!(false) && number(&goes, "nowMs") >= number(&moved, "nowMs"));

    for (body, field) in [
        (json!({ "advance": -1 }), "advance"),
        (json!({ "advance": 3_162_240_001_i64 }), "advance"),
        (json!({ "advance": "an hour" }), "advance"),
        (json!({ "frozen": 1, "advance": 5 }), "frozen"),
        (json!({ "back": 5 }), "back"),
    ] {
        let (status, refused) = control.send(Method::POST, path, body).await;
        assert_eq!(status, 400, "{refused}");
        assert!(error(&refused).contains(field), "{refused}");
    }
    assert!(control.sandbox.clock_ms() < number(&goes, "nowMs") + 60_000);
}
