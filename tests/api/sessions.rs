//! Sessions: made, linked by a code, seen, started.

use axum::body::Body;
use serde_json::json;

use crate::app::{TestApp, eventually};

#[tokio::test]
async fn a_session_is_made_stopped_and_read_back() {
    let app = TestApp::start().await;
    let made = app
        .running
        .post("/api/v1/sessions", json!({"label": "Shop", "autoRead": true}))
        .await
        .expect(201)
        .body;
    assert_eq!(made["status"], "stopped");
    assert_eq!(
        (&made["label"], &made["autoRead"], &made["presenceTyping"]),
        (&json!("Shop"), &json!(true), &json!(false))
    );
    assert_eq!((&made["ratePerMin"], &made["ratePerHour"]), (&json!(20), &json!(600)));
    assert_eq!((&made["gatewayId"], &made["organizationId"]), (&json!("test"), &json!("default")));
    assert!(made.as_object().unwrap().values().all(|value| !value.is_null()), "{made}");
    let read = app
        .running
        .get(&format!("/api/v1/sessions/{}", made["id"].as_str().unwrap()))
        .await
        .expect(200)
        .body;
    assert_eq!(read, made);
}

#[tokio::test]
async fn a_session_is_linked_by_its_code_and_works() {
    let app = TestApp::start().await;
    app.sandbox.add_phone("shop");
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let session = made["id"].as_str().unwrap();
    let path = format!("/api/v1/sessions/{session}");

    // Asking for the code begins the pairing; until it is there, the answer says when to come back.
    let first = app.running.get(&format!("{path}/qr")).await;
    assert_eq!(first.header("cache-control"), Some("no-store"));
    if first.status == 404 {
        assert!(first.header("retry-after").is_some());
        assert_eq!(first.error(404, "not_found")["reason"], "qr_pending");
    }
    let code = app.code(session).await;
    let shown = app.running.get(&path).await.expect(200).body;
    assert_eq!(shown["status"], "scan_qr_code");

    app.sandbox.phone("shop").scans(&code).await.unwrap();
    let working = app.running.until(&path, |answer| answer.body["status"] == "working").await.body;
    let jid = working["waJid"].as_str().unwrap();
    assert_eq!(format!("{}@s.whatsapp.net", working["phoneNumber"].as_str().unwrap()), jid);
    assert!(working["waLid"].as_str().unwrap().ends_with("@lid"));
    assert!(working["lastConnectedAt"].is_i64() && working["lastInboundAt"].is_i64(), "{working}");

    app.running.get(&format!("{path}/qr")).await.error(409, "conflict");
    // Starting what runs changes nothing.
    let started = app
        .running
        .send(app.running.request("POST", &format!("{path}:start")).body(Body::empty()).unwrap());
    assert_eq!(started.await.expect(200).body["status"], "working");
}

#[tokio::test]
async fn the_code_comes_as_a_picture_to_who_prefers_one() {
    let app = TestApp::start().await;
    let made = app.running.post("/api/v1/sessions", json!({"start": true})).await.expect(201).body;
    let session = made["id"].as_str().unwrap();
    app.code(session).await;
    let path = format!("/api/v1/sessions/{session}/qr");
    for (accepted, begins) in [("image/png", &b"\x89PNG"[..]), ("image/svg+xml", b"<?xml")] {
        let request = app
            .running
            .request("GET", &path)
            .header("accept", accepted)
            .body(Body::empty())
            .unwrap();
        let answer = app.running.send(request).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(accepted));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.bytes.starts_with(begins));
    }
    let plain = app.running.get(&path).await.expect(200);
    assert!(plain.body["expiresAt"].is_i64(), "{}", plain.body);
}

#[tokio::test]
async fn a_session_is_listed_with_the_status_it_has() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    eventually("the list says working", async || {
        let listed = app.running.get("/api/v1/sessions").await.expect(200).body;
        let one = &listed["data"][0];
        let right = one["id"] == linked.session && one["status"] == "working";
        if right { Ok(()) } else { Err(listed.to_string()) }
    })
    .await;
}
