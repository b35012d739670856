//! What a caller does with a session as a whole.

use axum::body::Body;
use serde_json::json;

use crate::app::{Answer, Linked, TestApp};

async fn verb(app: &TestApp, linked: &Linked, verb: &str) -> Answer {
    let request = app.running.request("POST", &linked.path(verb)).body(Body::empty()).unwrap();
    app.running.send(request).await
}

#[tokio::test]
async fn a_session_is_stopped_started_and_restarted_as_often_as_one_likes() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    for _ in 0..2 {
        let stopped = verb(&app, &linked, ":stop").await.expect(200).body;
        assert_eq!((&stopped["status"], stopped.get("statusReason")), (&json!("stopped"), None));
    }
    let details = app.running.patch(&linked.crew(), json!({})).await.error(501, "not_implemented");
    assert_eq!(details, json!({"reason": "session_not_connected", "status": "stopped"}));
    app.running.get(&linked.crew()).await.expect(200);

    for _ in 0..2 {
        let started = verb(&app, &linked, ":start").await.expect(200).body;
        assert!(["starting", "working"].contains(&started["status"].as_str().unwrap()));
    }
    app.running.until_working(&linked).await;
    assert_eq!(verb(&app, &linked, ":restart").await.expect(200).body["status"], "starting");
    app.running.until_working(&linked).await;
    app.running.patch(&linked.crew(), json!({"subject": "Again"})).await.expect(204);
    assert_eq!(app.sandbox.phone("shop").devices().len(), 1);
}

#[tokio::test]
async fn a_session_that_is_logged_out_is_unlinked_at_its_phone_and_pairs_anew() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    for _ in 0..2 {
        let out = verb(&app, &linked, ":logout").await.expect(200).body;
        let status = (&out["status"], &out["statusReason"]);
        assert_eq!(status, (&json!("logged_out"), &json!("logged_out_by_user")));
        assert_eq!(app.sandbox.phone("shop").devices(), []);
    }
    assert_eq!(verb(&app, &linked, ":stop").await.expect(200).body["status"], "logged_out");
    verb(&app, &linked, ":start").await.expect(200);
    let code = app.code(&linked.session).await;
    app.sandbox.phone("shop").scans(&code).await.unwrap();
    app.running.until_working(&linked).await;
}

#[tokio::test]
async fn a_logout_that_whatsapp_refuses_changes_nothing() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.fails_next("logout", 1, wharf_sandbox::Fault::code(500));
    let details = verb(&app, &linked, ":logout").await.error(502, "upstream_error");
    assert_eq!(details["whatsappCode"], 500);
    app.running.until_working(&linked).await;
    assert_eq!(app.sandbox.phone("shop").devices().len(), 1);
    app.running.patch(&linked.crew(), json!({"subject": "Still"})).await.expect(204);
}

#[tokio::test]
async fn a_session_that_was_never_paired_is_stopped_restarted_and_logged_out_too() {
    let app = TestApp::start().await;
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let id = made["id"].as_str().unwrap();
    let linked = Linked { session: id.to_owned(), crew: String::new(), board: String::new() };
    assert_eq!(verb(&app, &linked, ":stop").await.expect(200).body["status"], "stopped");
    verb(&app, &linked, ":restart").await.expect(200);
    app.code(id).await;
    let me = app.running.get(&linked.path("/me")).await.expect(200).body;
    assert_eq!(me, json!({"sessionId": id, "status": "scan_qr_code", "connected": false}));
    assert_eq!(verb(&app, &linked, ":logout").await.expect(200).body["status"], "logged_out");
}

#[tokio::test]
async fn the_account_is_told_as_it_is_stored_whether_live_or_not() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let live = app.running.get(&linked.path("/me")).await.expect(200).body;
    assert_eq!((&live["connected"], &live["status"]), (&json!(true), &json!("working")));
    let jid = live["waJid"].as_str().unwrap();
    assert_eq!(jid, format!("{}@s.whatsapp.net", live["phoneNumber"].as_str().unwrap()));
    verb(&app, &linked, ":stop").await.expect(200);
    let mut stored = app.running.get(&linked.path("/me")).await.expect(200).body;
    assert_eq!((&stored["connected"], &stored["status"]), (&json!(false), &json!("stopped")));
    stored["connected"] = json!(true);
    stored["status"] = json!("working");
    assert_eq!(stored, live);
}

#[tokio::test]
async fn a_removed_session_is_logged_out_and_all_of_it_is_gone() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let stranger = app.running.key_for("elsewhere", wharf::keys::all_capabilities()).await;
    let session = linked.path("");
    app.running.call(&stranger, "DELETE", &session, None).await.error(404, "not_found");

    let remove = || app.running.request("DELETE", &session).body(Body::empty()).unwrap();
    assert!(app.running.send(remove()).await.expect(204).bytes.is_empty());
    assert_eq!(app.sandbox.phone("shop").devices(), []);
    app.running.send(remove()).await.error(404, "not_found");
    for path in [session.clone(), linked.crew(), linked.path("/groups"), linked.path("/me")] {
        let answer = app.running.get(&path).await;
        assert_eq!(answer.expect(404).body["error"]["message"], "session not found");
    }
    let listed = app.running.get("/api/v1/sessions").await.expect(200).body;
    assert_eq!(listed["data"], json!([]));
    let events = app.running.get("/api/v1/events").await.expect(200).body;
    assert_eq!(events["data"], json!([]));
}

#[tokio::test]
async fn a_session_is_removed_though_whatsapp_is_away() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.hangs(true);
    let request = app.running.request("DELETE", &linked.path("")).body(Body::empty()).unwrap();
    app.running.send(request).await.expect(204);
    app.running.get(&linked.path("")).await.error(404, "not_found");
}

#[tokio::test]
async fn a_session_that_is_linked_to_another_account_shows_nothing_of_the_first() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let listed = async || {
        let page = app.running.get(&linked.path("/groups")).await.expect(200).body;
        let groups = page["data"].as_array().unwrap().clone();
        groups
            .into_iter()
            .map(|group| group["groupJid"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed().await.len(), 2);
    app.running.post(&linked.path(":logout"), json!({})).await.expect(200);
    app.running.post(&linked.path(":start"), json!({})).await.expect(200);
    let code = app.code(&linked.session).await;
    assert_eq!(listed().await, [""; 0]);

    let before = app.running.get("/api/v1/events?limit=200").await.expect(200).body;
    app.sandbox.phone("mia").scans(&code).await.unwrap();
    app.running.until(&linked.path(""), |answer| answer.body["status"] == "working").await;
    // She is in one of the two.
    assert_eq!(listed().await, [linked.crew.as_str()]);
    let since = before["nextCursor"].as_str().unwrap();
    let news = app.running.get(&format!("/api/v1/events?after={since}")).await.expect(200).body;
    let updates =
        news["data"].as_array().unwrap().iter().filter(|one| one["event"] == "group.update");
    let told: Vec<_> = updates.map(|update| update["payload"]["groupJid"].clone()).collect();
    assert_eq!(told, [json!(linked.crew)]);
}
