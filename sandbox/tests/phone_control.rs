//! The phone over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::control::{Control, error};
use crate::phones::{BOSS, says};

async fn boss_and_shop() -> Control {
    let control = Control::start().await;
    for name in ["boss", "shop"] {
        assert_eq!(control.post("/admin/phones", json!({ "name": name })).await.0, 201);
    }
    control
}

async fn sent(control: &Control, path: &str, body: Value) -> String {
    let (status, answer) = control.post(path, body).await;
    assert_eq!(status, 201, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_phone_writes_and_reads() {
    let control = boss_and_shop().await;
    let (boss, shop) = (control.sandbox.phone("boss"), control.sandbox.phone("shop"));
    let text = json!({ "to": "shop", "text": "hello" });
    let id = sent(&control, "/admin/phones/boss/messages", text).await;
    shop.receives(says("hello")).await.unwrap();

    let (status, page) = control.get("/admin/phones/shop/messages").await;
    assert_eq!((status, &page["next"]), (StatusCode::OK, &json!(1)));
    let message = &page["entries"][0];
    for (field, value) in [
        ("id", json!(id)),
        ("chat", json!(BOSS)),
        ("sender", json!("boss")),
        ("senderDevice", json!(0)),
        ("kind", json!("text")),
        ("text", json!("hello")),
        ("fromMe", json!(false)),
    ] {
        assert_eq!(message[field], value, "{field}");
    }
    let again = json!({ "to": "shop", "message": message["bytes"] });
    let second = sent(&control, "/admin/phones/boss/messages", again).await;
    shop.receives(|one| one.id == second).await.unwrap();
    let (_, page) = control.get("/admin/phones/shop/messages?after=1&limit=1").await;
    assert_eq!((&page["entries"][0]["id"], &page["next"]), (&json!(second), &json!(2)));

    // The third one comes while it is waited for.
    let waits = control.get("/admin/phones/shop/messages?after=2&wait=30");
    let (third, (_, page)) = tokio::join!(boss.sends("shop", "and one more"), waits);
    assert_eq!(page["entries"][0]["id"], json!(third.unwrap()));

    let (status, read) =
        control.post("/admin/phones/shop/read", json!({ "ids": [id, second] })).await;
    assert_eq!((status, read), (StatusCode::OK, json!({ "read": 2 })));
    boss.hears(|receipt| receipt.kind == "read").await.unwrap();
    let (_, receipts) = control.get("/admin/phones/boss/receipts").await;
    let receipts = receipts["entries"].as_array().unwrap();
    assert!(receipts.iter().any(|one| one["kind"] == "read" && one["ids"] == json!([id, second])));
}

#[tokio::test]
async fn a_phone_reacts_edits_and_takes_back() {
    let control = boss_and_shop().await;
    let (boss, shop) = (control.sandbox.phone("boss"), control.sandbox.phone("shop"));
    let id = boss.sends("shop", "helo").await.unwrap();
    shop.receives(says("helo")).await.unwrap();
    sent(&control, "/admin/phones/shop/react", json!({ "id": id, "emoji": "👍" })).await;
    assert_eq!(boss.receives(says("👍")).await.unwrap().target, Some(id.clone()));
    sent(&control, "/admin/phones/boss/edit", json!({ "id": id, "text": "hello" })).await;
    assert_eq!(shop.receives(says("hello")).await.unwrap().target, Some(id.clone()));
    sent(&control, "/admin/phones/boss/revoke", json!({ "id": id })).await;
    shop.receives(|one| one.text.is_none() && one.target.as_ref() == Some(&id)).await.unwrap();
}

#[tokio::test]
async fn what_a_phone_cannot_do_is_refused_with_the_field() {
    let control = boss_and_shop().await;
    let boss = control.sandbox.phone("boss");
    let id = boss.sends("shop", "mine").await.unwrap();
    control.sandbox.phone("shop").receives(says("mine")).await.unwrap();
    let path = |rest: &str| format!("/admin/phones/shop/{rest}");
    for (path, body, status, field) in [
        (path("messages"), json!({ "to": "nobody", "text": "x" }), 404, "to"),
        (path("messages"), json!({ "to": "boss" }), 400, "text"),
        (path("messages"), json!({ "to": "boss", "text": "" }), 400, "text"),
        (path("messages"), json!({ "to": "boss", "text": "x", "message": "" }), 400, "text"),
        (path("messages"), json!({ "to": "boss", "message": "?" }), 400, "message"),
        (path("edit"), json!({ "id": id, "text": "yours" }), 409, "id"),
        (path("revoke"), json!({ "id": id }), 409, "id"),
        (path("react"), json!({ "id": "M", "emoji": "x" }), 404, "id"),
        (path("read"), json!({ "ids": ["M"] }), 404, "ids"),
        ("/admin/phones/nobody/messages".into(), json!({ "to": "boss", "text": "x" }), 404, "name"),
    ] {
        let (refused, answer) = control.post(&path, body).await;
        assert_eq!(refused, status, "{path}: {answer}");
        assert!(error(&answer).contains(&format!("`{field}`")), "{path}: {answer}");
    }
    assert_eq!(control.get("/admin/phones/nobody/messages").await.0, 404);
    for query in ["limit=0", "limit=1001", "wait=61", "after=x", "colour=red"] {
        let status = control.get(&format!("/admin/phones/shop/messages?{query}")).await.0;
        assert_eq!(status, 400, "{query}");
    }
}

#[tokio::test]
async fn what_a_phone_could_not_read_and_was_asked_is_listed() {
    let control = boss_and_shop().await;
    for list in ["peer-requests", "undecrypted", "receipts"] {
        let (status, page) = control.get(&format!("/admin/phones/boss/{list}?after=7")).await;
        assert_eq!((status, page), (StatusCode::OK, json!({ "entries": [], "next": 7 })), "{list}");
    }
    let body = json!({ "withheld": true });
    let answer = control.send(Method::PUT, "/admin/phones/boss/keys", body.clone()).await;
    assert_eq!(answer, (StatusCode::OK, body));
    let answer = control.post("/admin/phones/boss/forget-sessions", json!({})).await;
    assert_eq!(answer, (StatusCode::OK, json!({ "forgotten": true })));
}
