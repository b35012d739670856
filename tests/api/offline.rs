//! A session without its connection: what is stored is read, what is live is refused.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn stored_reads_answer_and_live_actions_are_501_while_whatsapp_is_away() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.stop().await;
    app.running.until(&linked.path(""), |answer| answer.body["status"] == "starting").await;

    let details = app
        .running
        .patch(&linked.crew(), json!({"subject": "x"}))
        .await
        .error(501, "not_implemented");
    assert_eq!(details, json!({"reason": "session_not_connected", "status": "starting"}));
    app.running.patch(&linked.crew(), json!({})).await.error(501, "not_implemented");
    app.running.get(&format!("{}/invite", linked.crew())).await.error(501, "not_implemented");

    assert_eq!(app.running.get(&linked.crew()).await.expect(200).body["subject"], "Crew");
    let listed = app.running.get(&linked.path("/groups")).await.expect(200).body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
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
