//! Settings and history over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::control::{Control, error};

async fn shop_and_mia() -> Control {
    let control = Control::start().await;
    for name in ["shop", "mia"] {
        assert_eq!(control.post("/admin/phones", json!({ "name": name })).await.0, 201);
    }
    control
}

fn indexes(body: &Value) -> Vec<&str> {
    let settings = body["settings"].as_array().unwrap();
    settings.iter().map(|setting| setting["index"][0].as_str().unwrap()).collect()
}

#[tokio::test]
async fn settings_are_set_read_and_removed() {
    let control = shop_and_mia().await;
    let name = json!({ "pushName": "The Shop" });
    let (status, body) = control.send(Method::PUT, "/admin/phones/shop/push-name", name).await;
    assert_eq!((status, indexes(&body)), (StatusCode::OK, vec!["setting_pushName"]), "{body}");
    let contact = json!({ "who": "mia", "name": "Mia Example" });
    assert_eq!(control.post("/admin/phones/shop/contacts", contact).await.0, StatusCode::OK);
    let chat = json!({ "chat": "mia", "muted": true, "mutedUntil": 9, "pinned": true });
    let (status, body) = control.post("/admin/phones/shop/chats", chat).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(indexes(&body), ["setting_pushName", "contact", "mute", "pin_v1"]);
    assert_eq!(body["settings"][2]["action"]["mute_action"]["mute_end_timestamp"], 9);
    assert_eq!(body["unread"], json!([]));

    let pin = json!({ "action": "pin_v1", "arguments": ["100000000000002@lid"] });
    let (status, body) = control.post("/admin/phones/shop/settings", pin.clone()).await;
    assert_eq!((status, indexes(&body).len()), (StatusCode::OK, 3), "{body}");
    let (status, body) = control.post("/admin/phones/shop/settings", pin).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(error(&body).starts_with("`action`"), "{body}");
    // An empty `SyncActionValue`.
    let empty = json!({ "action": "archive", "arguments": ["100000000000002@lid"], "value": "" });
    assert_eq!(control.post("/admin/phones/shop/settings", empty).await.0, StatusCode::OK);

    let (_, body) = control.get("/admin/phones/shop/settings").await;
    assert_eq!(indexes(&body), ["setting_pushName", "contact", "mute", "archive"]);
    let (status, body) = control.post("/admin/phones/shop/settings/fold", json!({})).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "folded": 6 })));
    let (status, body) = control.post("/admin/phones/shop/settings/rotate-key", json!({})).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "devices": 0 })));
}

#[tokio::test]
async fn errors_name_the_field() {
    let control = shop_and_mia().await;
    let cases = [
        ("contacts", json!({ "who": "leo", "name": "Leo" }), 404, "`who`"),
        ("chats", json!({ "chat": "leo", "muted": true }), 404, "`chat`"),
        ("chats", json!({ "chat": "mia", "mutedUntil": 9 }), 400, "`mutedUntil`"),
        ("settings", json!({ "action": "teleport", "value": "" }), 400, "`action`"),
        ("settings", json!({ "action": "mute", "value": "" }), 400, "`action`"),
        ("settings", json!({ "action": "mute", "value": "?" }), 400, "`value`"),
    ];
    for name in [String::new(), "x".repeat(26)] {
        let body = json!({ "pushName": name });
        let path = "/admin/phones/shop/push-name";
        let (status, answer) = control.send(Method::PUT, path, body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(error(&answer).starts_with("`pushName`"), "{answer}");
    }
    for (path, body, code, field) in cases {
        let (status, answer) = control.post(&format!("/admin/phones/shop/{path}"), body).await;
        assert_eq!(status, code, "{path}: {answer}");
        assert!(error(&answer).starts_with(field), "{path}: {answer}");
    }
    let (status, answer) = control.get("/admin/phones/leo/settings").await;
    assert_eq!(
        (status, error(&answer)),
        (StatusCode::NOT_FOUND, "`name`: there is no phone `leo`")
    );
}

#[tokio::test]
async fn a_past_is_described_in_json() {
    let control = shop_and_mia().await;
    let past = |from: &str| {
        let message = json!({ "id": "A1", "from": from, "text": "hello", "timestamp": 1 });
        json!({ "chats": [{ "chat": "mia", "messages": [message] }], "pushNames": {} })
    };
    let path = "/admin/phones/shop/history";
    let (status, body) = control.send(Method::PUT, path, past("mia")).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "chats": 1, "messages": 1 })));
    let (status, body) = control.send(Method::PUT, path, past("leo")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(error(&body).starts_with("`chats`"), "{body}");
    let (status, _) = control.send(Method::PUT, path, json!({ "chat": [] })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
