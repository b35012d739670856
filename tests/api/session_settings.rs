//! A session's settings.

use serde_json::{Value, json};
use wharf_storage::{Options, Store};

use crate::app::{Running, TestApp};

async fn made(running: &Running) -> (String, Value) {
    let body = running.post("/api/v1/sessions", json!({"label": "Shop"})).await.expect(201).body;
    (format!("/api/v1/sessions/{}", body["id"].as_str().unwrap()), body)
}

/// A session without the time of its last change.
fn lasting(session: &Value) -> Value {
    let mut session = session.clone();
    session.as_object_mut().unwrap().remove("updatedAt").unwrap();
    session
}

#[tokio::test]
async fn what_is_given_changes_and_the_rest_stays() {
    let app = TestApp::start().await;
    let (path, before) = made(&app.running).await;
    let mut expected = lasting(&before);
    for (field, value) in [
        ("label", json!("Desk")),
        ("autoRead", json!(true)),
        ("presenceTyping", json!(true)),
        ("ratePerMin", json!(7)),
        ("ratePerHour", json!(60_000)),
    ] {
        expected[field] = value.clone();
        let changed = app.running.patch(&path, json!({field: value})).await.expect(200).body;
        assert_eq!(lasting(&changed), expected, "{field}");
        assert_eq!(app.running.get(&path).await.expect(200).body, changed, "{field}");
    }
    let all = json!({"label": "All", "autoRead": false, "presenceTyping": false, "ratePerMin": 1, "ratePerHour": 1});
    let changed = app.running.patch(&path, all.clone()).await.expect(200).body;
    for (field, value) in all.as_object().unwrap() {
        assert_eq!(changed[field], *value);
    }
}

#[tokio::test]
async fn an_empty_change_changes_nothing_and_an_empty_label_takes_the_name_away() {
    let app = TestApp::start().await;
    let (path, before) = made(&app.running).await;
    assert_eq!(app.running.patch(&path, json!({})).await.expect(200).body, before);
    assert_eq!(app.running.get(&path).await.expect(200).body, before);
    let changed = app.running.patch(&path, json!({"label": ""})).await.expect(200).body;
    assert_eq!(changed.get("label"), None, "{changed}");
    let made = app.running.post("/api/v1/sessions", json!({"label": ""})).await.expect(201).body;
    assert_eq!(made.get("label"), None, "{made}");
}

#[tokio::test]
async fn what_breaks_a_rule_is_named_and_nothing_is_changed() {
    let app = TestApp::start().await;
    let (path, before) = made(&app.running).await;
    let long = "x".repeat(201);
    for (field, value) in [
        ("label", json!(long)),
        ("label", json!(null)),
        ("autoRead", json!("true")),
        ("presenceTyping", json!(null)),
        ("ratePerMin", json!(0)),
        ("ratePerMin", json!(-1)),
        ("ratePerMin", json!(1_001)),
        ("ratePerMin", json!(1.5)),
        ("ratePerHour", json!(0)),
        ("ratePerHour", json!(60_001)),
        ("ratePerHour", json!(i64::MAX)),
        ("status", json!("working")),
    ] {
        let body = json!({"label": "Desk", field: value});
        let details = app.running.patch(&path, body).await.error(400, "validation_error");
        assert_eq!(details["errors"][0]["field"], field, "{value}: {details}");
    }
    let longest = "🚢".repeat(200);
    assert_eq!(app.running.get(&path).await.expect(200).body, before);
    let changed = app.running.patch(&path, json!({"label": longest})).await.expect(200).body;
    assert_eq!(changed["label"], longest);
}

#[tokio::test]
async fn settings_change_while_a_session_works_and_it_goes_on_working() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let body = json!({"ratePerMin": 3});
    let changed = app.running.patch(&linked.path(""), body).await.expect(200).body;
    assert_eq!((&changed["ratePerMin"], &changed["status"]), (&json!(3), &json!("working")));
    app.running.patch(&linked.crew(), json!({"subject": "On"})).await.expect(204);
}

#[tokio::test]
async fn settings_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let start = async || {
        let store = Store::open(&path, &Options::default()).unwrap();
        Running::start(store, "ws://127.0.0.1:9/ws/chat").await
    };
    let running = start().await;
    let (session, _) = made(&running).await;
    let body = json!({"label": "Desk", "ratePerHour": 9});
    let changed = running.patch(&session, body).await.expect(200).body;
    running.stop().await;

    let running = start().await;
    assert_eq!(running.get(&session).await.expect(200).body, changed);
    running.stop().await;
}
