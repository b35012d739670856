//! Faults and connections, over the control API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::control::{Control, error};
use crate::groups::{links, subject};

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_ordered_over_http_is_met_and_what_is_left_forgotten() {
    let control = Control::start().await;
    let gid = control.crew().await;
    let shop = links(&control.sandbox, "shop").await;
    let order = json!({
        "operation": "group.subject", "count": 3, "code": 429, "text": "slow down", "backoff": 9
    });
    let (status, ordered) = control.post("/admin/faults", order).await;
    assert_eq!(status, 201);
    assert_eq!(ordered, json!({ "operation": "group.subject", "count": 3 }));
    let gid: whatsapp_rust::Jid = gid.parse().unwrap();
    let groups = shop.client.groups();
    let refused = groups.set_subject(&gid, subject("No")).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(429));
    let (status, healed) = control.send(Method::DELETE, "/admin/faults", Value::Null).await;
    assert_eq!((status.as_u16(), healed), (200, json!({ "forgotten": 2 })));
    groups.set_subject(&gid, subject("Yes")).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_fault_can_be_ordered() {
    let control = Control::start().await;
    for fault in [
        json!({ "code": 403 }),
        json!({ "delayMs": 0 }),
        json!({ "kind": "silence_before" }),
        json!({ "kind": "silence_after" }),
        json!({ "kind": "drop_before" }),
        json!({ "kind": "drop_after" }),
        json!({ "kind": "half_open_before" }),
        json!({ "kind": "half_open_after" }),
        json!({ "kind": "wrong_order" }),
        json!({ "kind": "duplicate" }),
        json!({ "kind": "corrupted" }),
    ] {
        let mut order = fault;
        order["operation"] = json!("any");
        let (status, ordered) = control.post("/admin/faults", order).await;
        assert_eq!((status.as_u16(), &ordered["count"]), (201, &json!(1)), "{ordered}");
    }
    let (_, healed) = control.send(Method::DELETE, "/admin/faults", Value::Null).await;
    assert_eq!(healed["forgotten"], 11);
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused() {
    let control = Control::start().await;
    control.crew().await;
    for (order, field) in [
        (json!({ "code": 500 }), "operation"),
        (json!({ "operation": "group.colour", "code": 500 }), "operation"),
        (json!({ "operation": "any" }), "kind"),
        (json!({ "operation": "any", "kind": "noise" }), "kind"),
        (json!({ "operation": "any", "kind": "drop_after", "code": 500 }), "kind"),
        (json!({ "operation": "any", "code": 500, "delayMs": 1 }), "kind"),
        (json!({ "operation": "deliver.message", "code": 500 }), "code"),
        (json!({ "operation": "deliver.iq", "kind": "duplicate" }), "operation"),
        (json!({ "operation": "media.download", "kind": "duplicate" }), "kind"),
        (json!({ "operation": "media.upload", "kind": "wrong_order" }), "kind"),
        (json!({ "operation": "pairing.code", "code": 429, "phone": "shop" }), "phone"),
        (json!({ "operation": "pairing.finish", "kind": "duplicate", "phone": "shop" }), "phone"),
        (json!({ "operation": "any", "code": 200 }), "code"),
        (json!({ "operation": "any", "code": 70_000 }), "code"),
        (json!({ "operation": "any", "delayMs": 600_001 }), "delayMs"),
        (json!({ "operation": "any", "delayMs": -1 }), "delayMs"),
        (json!({ "operation": "any", "code": 500, "count": 0 }), "count"),
        (json!({ "operation": "any", "code": 500, "count": "1" }), "count"),
        (json!({ "operation": "any", "kind": "drop_after", "text": "x" }), "text"),
        (json!({ "operation": "any", "delayMs": 1, "backoff": 1 }), "backoff"),
        (json!({ "operation": "any", "code": 500, "colour": 1 }), "colour"),
    ] {
        let (status, refused) = control.post("/admin/faults", order).await;
        assert_eq!(status, 400, "{refused}");
        assert!(error(&refused).contains(field), "{field}: {refused}");
    }
    let (_, healed) = control.send(Method::DELETE, "/admin/faults", Value::Null).await;
    assert_eq!(healed["forgotten"], 0);
}

#[tokio::test]
async fn connections_are_refused_hang_and_open_again() {
    let control = Control::start().await;
    let path = "/admin/connections";
    assert_eq!(control.get(path).await.1, json!({ "mode": "open", "open": 0, "goodbyes": 0 }));
    for mode in ["refuse", "hang", "open", "hang"] {
        let (status, set) = control.send(Method::PUT, path, json!({ "mode": mode })).await;
        assert_eq!((status.as_u16(), &set["mode"]), (200, &json!(mode)));
        assert_eq!(control.get(path).await.1["mode"], mode);
        let upgrade = control.request(Method::GET, "/ws/chat").headers(upgrade());
        if mode == "refuse" {
            assert_eq!(upgrade.send().await.unwrap().status(), 503);
        }
    }
    control.send(Method::DELETE, "/admin/faults", Value::Null).await;
    assert_eq!(control.get(path).await.1["mode"], "open");
    for body in [json!({}), json!({ "mode": "shut" }), json!({ "mode": "open", "more": 1 })] {
        let (status, refused) = control.send(Method::PUT, path, body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains("mo"), "{refused}");
    }
}

fn upgrade() -> reqwest::header::HeaderMap {
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    headers
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .into_iter()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_of_one_phone_are_dropped_and_counted() {
    let control = Control::start().await;
    control.crew().await;
    let shop = links(&control.sandbox, "shop").await;
    let mia = links(&control.sandbox, "mia").await;
    let drop = |name: &str| format!("/admin/phones/{name}/drop-connections");
    assert_eq!(control.post(&drop("boss"), Value::Null).await.1, json!({ "dropped": 0 }));
    assert_eq!(control.post(&drop("shop"), Value::Null).await.1, json!({ "dropped": 1 }));
    shop.connects().await;
    assert!(mia.client.is_logged_in());
    let (status, refused) = control.post(&drop("nobody"), Value::Null).await;
    assert_eq!(status, 404);
    assert!(error(&refused).contains("`name`"), "{refused}");
}

#[tokio::test]
async fn members_are_moved_in_the_name_of_another_admin() {
    let control = Control::start().await;
    let gid = control.crew().await;
    let path = |rest: &str| format!("/admin/groups/{gid}/{rest}");
    let by = |by: &str, name: &str| json!({ "by": by, "name": name });
    assert_eq!(control.post(&path("promote"), by("shop", "mia")).await.0, 200);
    assert_eq!(control.post(&path("demote"), by("mia", "shop")).await.0, 200);
    assert_eq!(control.post(&path("demote"), by("shop", "mia")).await.0, 403);
    let (status, refused) = control.post(&path("demote"), by("nobody", "mia")).await;
    assert_eq!(status, 404);
    assert!(error(&refused).contains("`by`"), "{refused}");

    let (status, group) = control.post(&path("leave"), json!({ "name": "shop" })).await;
    assert_eq!(status, 200, "{group}");
    assert_eq!(group["members"].as_array().unwrap().len(), 2);
    assert_eq!(control.post(&path("leave"), json!({ "name": "shop" })).await.0, 403);
    let (status, refused) = control.post(&path("leave"), json!({ "name": "nobody" })).await;
    assert_eq!(status, 404);
    assert!(error(&refused).contains("`name`"), "{refused}");
    let journal = control.sandbox.journal();
    let made: Vec<(&str, &str)> =
        journal[1..].iter().map(|one| (one.account.as_str(), one.operation.as_str())).collect();
    assert_eq!(made, [("shop", "group.promote"), ("mia", "group.demote"), ("shop", "group.leave")]);
}

#[tokio::test]
async fn the_number_of_qr_codes_is_read_and_set() {
    let control = Control::start().await;
    let path = "/admin/pairing";
    assert_eq!(control.get(path).await.1, json!({ "qrRefs": 6 }));
    let (status, set) = control.send(Method::PUT, path, json!({ "qrRefs": 0 })).await;
    assert_eq!((status.as_u16(), set), (200, json!({ "qrRefs": 0 })));
    assert_eq!(control.get(path).await.1, json!({ "qrRefs": 0 }));
    for body in [json!({}), json!({ "qrRefs": 101 }), json!({ "qrRefs": -1 })] {
        let (status, refused) = control.send(Method::PUT, path, body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains("qrRefs"), "{refused}");
    }
}
