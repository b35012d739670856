//! A session without its connection: what is stored is read, what is live is refused.

use serde_json::json;

use crate::{
    app::{Running, TestApp, UNKNOWN_GROUP},
    operations::{Operation, of_sessions},
};

/// Asserts that every live action is refused because of this status, and names it.
async fn live_actions_are_refused(running: &Running, session: &str, group: &str, status: &str) {
    let live: Vec<_> = of_sessions().into_iter().filter(Operation::is_live).collect();
    assert!(live.len() >= 3);
    for operation in live {
        let path = operation.path(session, group);
        let given = operation.fields.is_some();
        for body in [Some(json!({})), Some(json!({"subject": "x"}))] {
            let body = body.filter(|_| given);
            let answer = running.call_as_manager(&operation.method, &path, body).await;
            let details = answer.error(501, "not_implemented");
            let wanted = json!({"reason": "session_not_connected", "status": status});
            assert_eq!(details, wanted, "{}", operation.id);
        }
        // What is wrong with the request itself comes first, whatever the session does.
        let path = operation.path(session, "1@lid");
        let answer = running.call_as_manager(&operation.method, &path, operation.body()).await;
        answer.error(400, "validation_error");
    }
}

#[tokio::test]
async fn a_session_that_was_never_connected_refuses_live_actions_and_has_nothing_stored() {
    let app = TestApp::start().await;
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let session = made["id"].as_str().unwrap();
    live_actions_are_refused(&app.running, session, UNKNOWN_GROUP, "stopped").await;
    let path = format!("/api/v1/sessions/{session}");
    let listed = app.running.get(&format!("{path}/groups")).await.expect(200).body;
    assert_eq!(listed, json!({"data": [], "nextCursor": ""}));
    for rest in ["", "/members"] {
        let path = format!("{path}/groups/{UNKNOWN_GROUP}{rest}");
        let answer = app.running.get(&path).await.expect(404);
        assert_eq!(answer.body["error"]["message"], "group not found");
    }
    app.running.call_as_manager("POST", &format!("{path}:start"), None).await.expect(200);
    app.code(session).await;
    live_actions_are_refused(&app.running, session, UNKNOWN_GROUP, "scan_qr_code").await;
}

#[tokio::test]
async fn stored_reads_answer_and_live_actions_are_501_while_whatsapp_is_away() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let members = format!("{}/members", linked.crew());
    let before = app.running.get(&members).await.expect(200).body;
    app.sandbox.stop().await;
    app.running.until(&linked.path(""), |answer| answer.body["status"] == "starting").await;
    live_actions_are_refused(&app.running, &linked.session, &linked.crew, "starting").await;

    assert_eq!(app.running.get(&linked.crew()).await.expect(200).body["subject"], "Crew");
    assert_eq!(app.running.get(&members).await.expect(200).body, before);
    let listed = app.running.get(&linked.path("/groups")).await.expect(200).body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!(app.running.get(&linked.path("/me")).await.expect(200).body["connected"], false);
}

#[tokio::test]
async fn a_session_that_was_stopped_or_logged_out_refuses_live_actions_and_says_which() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    for (verb, status) in [(":stop", "stopped"), (":logout", "logged_out"), (":stop", "logged_out")]
    {
        let answer = app.running.call_as_manager("POST", &linked.path(verb), None).await;
        assert_eq!(answer.expect(200).body["status"], status);
        live_actions_are_refused(&app.running, &linked.session, &linked.crew, status).await;
        app.running.get(&linked.crew()).await.expect(200);
    }
}

#[tokio::test]
async fn a_session_comes_back_after_its_connection_was_cut() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let before =
        app.running.get(&linked.path("")).await.expect(200).body["lastConnectedAt"].as_i64();
    app.sandbox.drops_connections().await;
    app.running
        .until(&linked.path(""), |answer| {
            answer.body["status"] == "working" && answer.body["lastConnectedAt"].as_i64() > before
        })
        .await;
    app.running.patch(&linked.crew(), json!({"subject": "Back"})).await.expect(204);
}

#[tokio::test]
async fn a_session_that_crashed_comes_back_without_pairing() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let before =
        app.running.get(&linked.path("")).await.expect(200).body["lastConnectedAt"].as_i64();
    let handle = app.running.sessions.find("default", linked.session.parse().unwrap()).unwrap();
    handle.crash(wharf_actors::Crash::Actor).unwrap();
    app.running
        .until(&linked.path(""), |answer| {
            answer.body["status"] == "working" && answer.body["lastConnectedAt"].as_i64() > before
        })
        .await;
    app.running.patch(&linked.crew(), json!({"subject": "Alive"})).await.expect(204);
    assert_eq!(app.sandbox.group(&linked.crew).subject(), "Alive");
}
