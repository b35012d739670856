//! Logins that are refused, and what each reason ends in at the client.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wharf_sandbox::{LoginFailure, Sandbox};
use whatsapp_rust::types::events::Event;

use crate::client::{Device, disconnected};
use crate::control::{Control, error};
use crate::groups::{crew, links};

/// What a client makes of a refusal.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    LoggedOut(i32),
    Failed(i32),
    Outdated,
    Banned(i32, i64),
}

fn heard(event: &Event) -> Option<Heard> {
    Some(match event {
        Event::LoggedOut(event) if event.on_connect => Heard::LoggedOut(event.reason.code()),
        Event::ConnectFailure(event) => Heard::Failed(event.reason.code()),
        Event::ClientOutdated(_) => Heard::Outdated,
        Event::TemporaryBan(event) => Heard::Banned(event.code.code(), event.expire.num_seconds()),
        _ => return None,
    })
}

/// A client of `shop` that is linked and away.
async fn away() -> (Sandbox, Device) {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    shop.client.disconnect().await;
    (sandbox, shop)
}

async fn comes_back(sandbox: &Sandbox, shop: &Device) -> Device {
    Device::stored_in(shop.saved().await, &sandbox.ws_url()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_ends_in_the_event_that_clients_have_for_it() {
    let (sandbox, shop) = away().await;
    for (reason, expected) in [
        (400, Heard::Failed(400)),
        (401, Heard::LoggedOut(401)),
        (402, Heard::Failed(402)),
        (403, Heard::LoggedOut(403)),
        (405, Heard::Outdated),
        (406, Heard::LoggedOut(406)),
        (409, Heard::Failed(409)),
        (413, Heard::Failed(413)),
        (414, Heard::Failed(414)),
        (415, Heard::Failed(415)),
        (416, Heard::Failed(416)),
        (418, Heard::Failed(418)),
        (501, Heard::Failed(501)),
    ] {
        sandbox.fails_logins(1, LoginFailure::reason(reason));
        let refused = comes_back(&sandbox, &shop).await;
        assert_eq!(refused.sees(heard).await, expected);
    }
    comes_back(&sandbox, &shop).await.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_comes_back_by_itself_when_the_server_is_only_unwell() {
    let (sandbox, shop) = away().await;
    for reason in [500, 503] {
        sandbox.fails_logins(1, LoginFailure::reason(reason));
        let refused = comes_back(&sandbox, &shop).await;
        assert_eq!(refused.sees(heard).await, Heard::Failed(i32::from(reason)));
        refused.connects().await;
        refused.client.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_refusal_reach_the_client() {
    let (sandbox, shop) = away().await;
    let failure = LoginFailure::reason(403).logout_message("Locked", "Ask your phone");
    sandbox.fails_logins(1, failure);
    let refused = comes_back(&sandbox, &shop).await;
    let message = refused
        .sees(|event| match event {
            Event::LoggedOut(event) => event.logout_message.clone(),
            _ => None,
        })
        .await;
    assert_eq!(message.header.as_deref(), Some("Locked"));
    assert_eq!(message.subtext.as_deref(), Some("Ask your phone"));

    sandbox.fails_logins(1, LoginFailure::reason(501).message("not yet"));
    let refused = comes_back(&sandbox, &shop).await;
    let message = refused
        .sees(|event| match event {
            Event::ConnectFailure(event) => event.message.clone(),
            _ => None,
        })
        .await;
    assert_eq!(message, "not yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_one_account_does_not_meet_another() {
    let (sandbox, shop) = away().await;
    sandbox.phone("mia").fails_logins(1, LoginFailure::reason(401));
    comes_back(&sandbox, &shop).await.connects().await;
    sandbox.phone("shop").fails_logins(2, LoginFailure::reason(401));
    for _ in 0..2 {
        let refused = comes_back(&sandbox, &shop).await;
        assert_eq!(refused.sees(heard).await, Heard::LoggedOut(401));
    }
    comes_back(&sandbox, &shop).await.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_to_be_linked_meets_a_refusal_for_all() {
    let (sandbox, _) = crew().await;
    sandbox.phone("shop").fails_logins(1, LoginFailure::reason(401));
    sandbox.fails_logins(1, LoginFailure::reason(405));
    let refused = Device::starts(&sandbox.ws_url()).await;
    assert_eq!(refused.sees(heard).await, Heard::Outdated);
    // What is left concerns the devices of `shop`; it is forgotten with everything else.
    sandbox.heals();
    links(&sandbox, "shop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_account_stays_out_until_it_is_pardoned() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    sandbox.phone("shop").gets_banned(101, Duration::from_hours(1));
    shop.sees(disconnected).await;
    let Heard::Banned(code, left) = shop.sees(heard).await else { panic!("not a ban") };
    assert!(code == 101 && (3500..=3600).contains(&left), "{code}: {left} s");
    assert!(mia.client.is_logged_in());
    // Healing is for disturbances, and this is none.
    sandbox.heals();
    let again = comes_back(&sandbox, &shop).await;
    assert!(matches!(again.sees(heard).await, Heard::Banned(101, _)));
    assert!(sandbox.phone("shop").gets_pardoned());
    assert!(!sandbox.phone("shop").gets_pardoned());
    comes_back(&sandbox, &shop).await.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_by_itself() {
    let (sandbox, shop) = away().await;
    sandbox.freezes_clock(true);
    sandbox.phone("shop").gets_banned(106, Duration::from_mins(10));
    sandbox.advances_clock(Duration::from_secs(599));
    let refused = comes_back(&sandbox, &shop).await;
    assert_eq!(refused.sees(heard).await, Heard::Banned(106, 1));
    sandbox.advances_clock(Duration::from_secs(1));
    comes_back(&sandbox, &shop).await.connects().await;
}

#[tokio::test]
#[should_panic(expected = "there is no phone `nobody`")]
async fn nobody_cannot_be_banned() {
    let (sandbox, _) = crew().await;
    sandbox.phone("nobody").gets_banned(101, Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_bans_are_ordered_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let shop = links(&control.sandbox, "shop").await;
    let path = "/admin/login-failures";
    let order = json!({ "phone": "shop", "count": 3, "reason": 402, "code": 104, "expire": 60 });
    let (status, ordered) = control.post(path, order).await;
    assert_eq!((status.as_u16(), ordered), (201, json!({ "reason": 402, "count": 3 })));
    control.sandbox.drops_connections().await;
    assert_eq!(shop.sees(heard).await, Heard::Banned(104, 60));
    let (_, healed) = control.send(Method::DELETE, "/admin/faults", Value::Null).await;
    assert_eq!(healed, json!({ "forgotten": 2 }));

    let path = "/admin/phones/shop/ban";
    let body = json!({ "code": 101, "seconds": 600 });
    let (status, banned) = control.send(Method::PUT, path, body).await;
    assert_eq!((status.as_u16(), banned), (200, json!({ "banned": true })));
    let again = comes_back(&control.sandbox, &shop).await;
    assert!(matches!(again.sees(heard).await, Heard::Banned(101, _)));
    let (_, pardoned) = control.send(Method::DELETE, path, Value::Null).await;
    assert_eq!(pardoned, json!({ "pardoned": true }));
    comes_back(&control.sandbox, &shop).await.connects().await;
}

#[tokio::test]
async fn refusals_and_bans_that_make_no_sense_are_refused() {
    let control = Control::start().await;
    control.crew().await;
    let path = "/admin/login-failures";
    for (order, status, field) in [
        (json!({}), 400, "reason"),
        (json!({ "reason": 200 }), 400, "reason"),
        (json!({ "reason": 600 }), 400, "reason"),
        (json!({ "reason": 503, "count": 0 }), 400, "count"),
        (json!({ "reason": 503, "phone": "nobody" }), 404, "phone"),
        (json!({ "reason": 503, "code": 101 }), 400, "code"),
        (json!({ "reason": 503, "expire": 1 }), 400, "expire"),
        (json!({ "reason": 402, "code": 101 }), 400, "expire"),
        (json!({ "reason": 402, "expire": 1 }), 400, "code"),
        (json!({ "reason": 402, "code": 101, "expire": 0 }), 400, "expire"),
        (json!({ "reason": 503, "colour": 1 }), 400, "colour"),
    ] {
        let (got, refused) = control.post(path, order).await;
        assert_eq!(got, status, "{refused}");
        assert!(error(&refused).contains(field), "{field}: {refused}");
    }
    for (path, body, status) in [
        ("/admin/phones/nobody/ban", json!({ "code": 101, "seconds": 1 }), 404),
        ("/admin/phones/shop/ban", json!({ "code": 101, "seconds": 0 }), 400),
        ("/admin/phones/shop/ban", json!({ "code": 101 }), 400),
    ] {
        assert_eq!(control.send(Method::PUT, path, body).await.0, status);
    }
    let pardon = control.send(Method::DELETE, "/admin/phones/nobody/ban", Value::Null).await;
    assert_eq!(pardon.0, 404);
    let (_, healed) = control.send(Method::DELETE, "/admin/faults", Value::Null).await;
    assert_eq!(healed, json!({ "forgotten": 0 }));
}
