//! Who may call, and in what order a request is checked.

use axum::{body::Body, http::Request};
use serde_json::json;
use wharf_storage::{ApiKey, Capability, KeyId, SessionId};

use crate::app::{TestApp, UNKNOWN_GROUP};

#[tokio::test]
async fn a_key_comes_in_either_header_but_not_in_both() {
    let app = TestApp::start().await;
    let key = app.running.key_with(Capability::Read).await;
    let path = "/api/v1/sessions";
    let plain = Request::builder().uri(path).header("x-api-key", &key).body(Body::empty()).unwrap();
    app.running.send(plain).await.expect(200);
    app.running.call(&key, "GET", path, None).await.expect(200);
    let both =
        app.running.request("GET", path).header("x-api-key", &key).body(Body::empty()).unwrap();
    app.running.send(both).await.error(401, "unauthorized");
}

#[tokio::test]
async fn a_key_with_a_session_list_sees_those_sessions_and_makes_none() {
    use sha2::{Digest, Sha256};
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201);
        ids.push(made.body["id"].as_str().unwrap().to_owned());
    }
    // Ids of one millisecond are in no order; lists are in the order of ids.
    ids.sort_unstable();
    let listed: Vec<SessionId> = ids[1..].iter().map(|id| id.parse().unwrap()).collect();
    let key = ApiKey {
        id: KeyId::generate(1),
        organization: "default".to_owned(),
        name: "some".to_owned(),
        capabilities: wharf::keys::all_capabilities(),
        sessions: Some(listed),
        created_at: 1,
        expires_at: None,
        revoked_at: None,
    };
    app.running.store.add_key(key, Sha256::digest("wa_some").into()).await.unwrap();
    let call =
        async |method, path: String, body| app.running.call("wa_some", method, &path, body).await;
    call("GET", format!("/api/v1/sessions/{}", ids[0]), None).await.error(404, "not_found");
    call("GET", format!("/api/v1/sessions/{}", ids[1]), None).await.expect(200);
    let all = call("GET", "/api/v1/sessions".to_owned(), None).await.expect(200).body;
    let seen: Vec<_> =
        all["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(seen, ids[1..].iter().map(String::as_str).collect::<Vec<_>>());
    let first = call("GET", "/api/v1/sessions?limit=1".to_owned(), None).await.expect(200).body;
    let cursor = first["nextCursor"].as_str().unwrap();
    let last = call("GET", format!("/api/v1/sessions?limit=1&cursor={cursor}"), None)
        .await
        .expect(200)
        .body;
    assert_eq!((&last["data"][0]["id"], &last["nextCursor"]), (&json!(ids[2]), &json!("")));
    // Refused before its body is looked at.
    call("POST", "/api/v1/sessions".to_owned(), None).await.error(403, "forbidden");
}

#[tokio::test]
async fn a_request_is_checked_in_the_promised_order() {
    let app = TestApp::start().await;
    let reader = app.running.key_with(Capability::Read).await;
    let sender = app.running.key_with(Capability::Send).await;
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201);
    let ours = format!("/api/v1/sessions/{}/groups", made.body["id"].as_str().unwrap());
    let theirs = "/api/v1/sessions/x/groups";
    let wrong = Some(json!({"subject": null}));

    let huge =
        Request::builder().method("PATCH").uri("/nowhere").header("content-length", "1048577");
    app.running.send(huge.body(Body::empty()).unwrap()).await.error(413, "payload_too_large");
    app.running.call("wa_wrong", "PATCH", "/nowhere", None).await.error(404, "not_found");
    app.running
        .call("wa_wrong", "PUT", &format!("{theirs}/bad"), None)
        .await
        .error(405, "method_not_allowed");
    app.running
        .call("wa_wrong", "PATCH", &format!("{theirs}/bad"), wrong.clone())
        .await
        .error(401, "unauthorized");
    app.running
        .call(&reader, "PATCH", &format!("{theirs}/bad"), wrong.clone())
        .await
        .error(403, "forbidden");
    app.running
        .call(&sender, "PATCH", &format!("{theirs}/bad"), Some(json!({})))
        .await
        .error(400, "validation_error");
    let path = format!("{theirs}/{UNKNOWN_GROUP}");
    app.running.call(&sender, "PATCH", &path, wrong).await.error(400, "validation_error");
    app.running.call(&sender, "PATCH", &path, Some(json!({}))).await.error(404, "not_found");
    let path = format!("{ours}/{UNKNOWN_GROUP}");
    let details = app
        .running
        .call(&sender, "PATCH", &path, Some(json!({})))
        .await
        .error(501, "not_implemented");
    assert_eq!(details, json!({"reason": "session_not_connected", "status": "stopped"}));
}
