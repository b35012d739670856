//! The audit log: who did what to which object, from where, and what came of it.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use wharf_sandbox::{Config, Fault, Sandbox};
use wharf_storage::{Actor, AuditRecord, Capability, KeyId};

use crate::{
    app::{TestApp, UNKNOWN_GROUP, eventually},
    process::Data,
};

const AUDIT: &str = "/api/v1/audit";

/// The log, newest first.
async fn log(app: &TestApp, query: &str) -> Vec<Value> {
    let mut body = app.running.get(&format!("{AUDIT}?{query}")).await.expect(200).body;
    serde_json::from_value(body["data"].take()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn what_is_done_is_noted_with_who_did_it_and_what_came_of_it() {
    let app = TestApp::start().await;
    let keys = app.running.get("/api/v1/api-keys").await.expect(200).body;
    let actor = &keys["data"][0]["id"];
    let made = app.running.post("/api/v1/sessions", json!({"label": "Shop"})).await.expect(201);
    let session = text(&made.body["id"]).to_owned();
    let path = format!("/api/v1/sessions/{session}");
    let request = app.running.request("PATCH", &path).header("x-request-id", "mine");
    let request = request.header("content-type", "application/json");
    let request = request.body(Body::from(json!({"autoRead": true}).to_string())).unwrap();
    app.running.send(request).await.expect(200);
    let group = format!("{path}/groups/{UNKNOWN_GROUP}");
    app.running.patch(&group, json!({"subject": "x"})).await.error(501, "not_implemented");
    app.running.patch(&group, json!({"subject": ""})).await.error(400, "validation_error");

    let entries = log(&app, "").await;
    assert_eq!(entries.len(), 4, "{entries:?}");
    let seen = entries.iter().map(|entry| {
        (text(&entry["operation"]), entry["status"].as_i64().unwrap(), entry["code"].as_str())
    });
    let expected = [
        ("updateGroup", 400, Some("validation_error")),
        ("updateGroup", 501, Some("not_implemented")),
        ("updateSession", 200, None),
        ("createSession", 201, None),
    ];
    assert!(seen.eq(expected), "{entries:?}");
    assert_eq!(entries[0]["object"], json!({"session": session, "gid": UNKNOWN_GROUP}));
    assert_eq!(entries[2]["object"], json!({"session": session}));
    assert_eq!(entries[2]["requestId"], "mine");
    assert_eq!(entries[3]["object"], json!({"session": session}), "what was made is named");
    assert_eq!(made.header("x-request-id"), entries[3]["requestId"].as_str());
    for entry in &entries {
        assert!(text(&entry["id"]).starts_with("aud_") && entry["timestamp"].is_i64(), "{entry}");
        assert_eq!((&entry["actor"], &entry["actorKind"]), (actor, &json!("key")));
    }
}

#[tokio::test]
async fn what_is_refused_or_not_found_is_noted_and_reads_and_strangers_are_not() {
    let app = TestApp::start().await;
    let reader = app.running.key_with(Capability::Read).await;
    let body = || Some(json!({}));
    app.running.call(&reader, "POST", "/api/v1/sessions", body()).await.error(403, "forbidden");
    let absent = "/api/v1/sessions/x";
    app.running.call_as_manager("DELETE", absent, None).await.error(404, "not_found");
    app.running.get(&format!("{absent}/qr")).await.error(404, "not_found");
    let elsewhere = Request::builder()
        .method("DELETE")
        .uri(absent)
        .header("authorization", format!("Bearer {reader}"))
        .header("x-organization", "other")
        .body(Body::empty());
    app.running.send(elsewhere.unwrap()).await.error(403, "forbidden");
    let ready = log(&app, "").await.len();

    app.running.get("/api/v1/sessions").await.expect(200);
    app.running.get(absent).await.error(404, "not_found");
    app.running.call("wa_wrong", "DELETE", absent, None).await.error(401, "unauthorized");
    app.running.call_as_manager("PUT", absent, None).await.error(405, "method_not_allowed");
    app.running.call_as_manager("POST", "/nowhere", None).await.error(404, "not_found");

    let entries = log(&app, "").await;
    assert_eq!((entries.len(), ready), (4, 4), "{entries:?}");
    let seen = entries.iter().map(|entry| (text(&entry["operation"]), text(&entry["code"])));
    let expected = [
        ("deleteSession", "forbidden"),
        ("sessionQR", "not_found"),
        ("deleteSession", "not_found"),
        ("createSession", "forbidden"),
    ];
    assert!(seen.eq(expected), "{entries:?}");
}

#[tokio::test]
async fn the_log_is_the_organizations_own_and_a_key_for_some_sessions_does_not_read_it() {
    let app = TestApp::start().await;
    let stranger = app.running.key_for("elsewhere", wharf::keys::all_capabilities()).await;
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let wanted = json!({"name": "one", "permissions": ["manage"], "sessions": [made["id"]]});
    let one = app.running.post("/api/v1/api-keys", wanted).await.expect(201).body;
    let path = format!("/api/v1/sessions/{}", text(&made["id"]));
    app.running.call(text(&one["key"]), "PATCH", &path, Some(json!({}))).await.expect(200);
    app.running.call(&stranger, "PATCH", &path, Some(json!({}))).await.error(404, "not_found");

    let answer = app.running.call(text(&one["key"]), "GET", AUDIT, None).await;
    assert_eq!(answer.error(403, "forbidden"), json!({"reason": "capability"}));
    let theirs = app.running.call(&stranger, "GET", AUDIT, None).await.expect(200).body;
    assert_eq!(theirs["data"].as_array().unwrap().len(), 1, "{theirs}");
    assert_eq!(theirs["data"][0]["status"], 404);

    // What the key made is named as its object, and what it did by its own id.
    let ours = log(&app, "").await;
    assert_eq!(ours.len(), 3, "{ours:?}");
    assert_eq!(ours[1]["object"], json!({"id": one["id"]}));
    assert_eq!(ours[0]["actor"], one["id"]);
    assert_eq!(log(&app, &format!("actor={}", text(&one["id"]))).await, ours[..1]);
    let of_session = log(&app, &format!("session={}", text(&made["id"]))).await;
    assert_eq!(of_session, [ours[0].clone(), ours[2].clone()]);
    assert_eq!(log(&app, "session=x").await, [json!(null); 0]);
}

#[tokio::test]
async fn the_newest_comes_first_and_the_log_outlives_what_it_tells_of() {
    let app = TestApp::start().await;
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let path = format!("/api/v1/sessions/{}", text(&made["id"]));
    app.running.patch(&path, json!({})).await.expect(200);
    app.running.call_as_manager("DELETE", &path, None).await.expect(204);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.running.get(&format!("{AUDIT}?limit=2&cursor={cursor}")).await.expect(200);
        let data = page.body["data"].as_array().unwrap();
        seen.extend(data.iter().map(|entry| text(&entry["operation"]).to_owned()));
        page.body["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
        // What is noted meanwhile disturbs no page.
        app.running.patch(&path, json!({})).await.error(404, "not_found");
    }
    assert_eq!(seen, ["deleteSession", "updateSession", "createSession"]);
}

#[tokio::test]
async fn a_caller_who_hangs_up_is_noted_too() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.fails_next("group.subject", 1, Fault::silence_after());
    let crew = linked.crew();
    tokio::select! {
        answer = app.running.patch(&crew, json!({"subject": "Kept"})) => {
            panic!("it was answered: {answer:?}");
        }
        () = eventually("it is under way", async || {
            let applied = app.applied(&linked.crew);
            if applied.is_empty() { Err("nothing is".to_owned()) } else { Ok(()) }
        }) => {}
    }
    let entry = log(&app, "limit=1").await.remove(0);
    assert_eq!(entry["operation"], "updateGroup");
    assert_eq!((entry.get("status"), entry.get("code")), (None, None), "{entry}");
}

#[tokio::test]
async fn what_was_answered_is_in_the_log_of_a_process_that_was_told_to_end() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    for _ in 0..20 {
        let (status, _) = gateway.call("POST", "/api/v1/sessions", Some(&json!({}))).await.unwrap();
        assert_eq!(status, 201);
    }
    assert!(gateway.terminate().await.success());

    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    let entries = gateway.all(AUDIT, "cursor").await;
    assert_eq!(entries.len(), 20);
    assert!(entries.iter().all(|entry| entry["address"] == "127.0.0.1"), "{entries:?}");
    assert!(gateway.terminate().await.success());
}

#[tokio::test]
async fn entries_that_were_kept_long_enough_go_by_themselves() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store| {
        let record = AuditRecord {
            at: 1_000,
            actor: Actor::Key(KeyId::generate(1)),
            operation: "stopSession".to_owned(),
            object: [("session".to_owned(), "x".to_owned())].into(),
            address: None,
            status: Some(404),
            code: Some("not_found".to_owned()),
            request: "r".to_owned(),
        };
        store.record_audit(vec![("default".to_owned(), record)]).await.unwrap();
        store.close().await.unwrap();
    })
    .await;
    let gateway = data.serve(&sandbox.ws_url(), &["--audit-retention", "1h"]).await;
    eventually("the entry is gone", async || match &gateway.all(AUDIT, "cursor").await[..] {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .await;
    assert!(gateway.terminate().await.success());
}
