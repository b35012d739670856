//! Callers that close their connection before they have an answer: what they began is brought to its end.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use serde_json::json;
use wharf_sandbox::{Config, Fault, Sandbox};

use crate::{
    app::{TestApp, eventually},
    fleet::{Fleet, all_work, phone},
    wire::{bearer, begun},
};

/// How late WhatsApp answers.
fn late() -> Fault {
    Fault::delay(Duration::from_millis(500))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_cancels_neither_a_change_nor_a_removal() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 1, 1).await;
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    let (session, group) = &fleet.groups[0];
    let session = format!("/api/v1/sessions/{session}");
    let group = format!("{session}/groups/{group}");
    let hangs_up =
        async |method: &str, path: &str, body: &str, begins: &dyn Fn() -> bool| {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
                bearer(gateway.key()),
                body.len()
            );
            let connection = begun(gateway.address(), &head).await;
            eventually("WhatsApp has it", async || {
                if begins() { Ok(()) } else { Err("not yet".to_owned()) }
            })
            .await;
            drop(connection);
        };

    sandbox.fails_next("group.subject", 1, late());
    let change = json!({"subject": "Alone", "locked": true}).to_string();
    let before = sandbox.journal().len();
    hangs_up("PATCH", &group, &change, &|| sandbox.journal().len() > before).await;
    eventually("the change is stored whole", async || {
        let stored = gateway.get(&group).await;
        let whole = stored["subject"] == "Alone" && stored["isLocked"] == true;
        if whole { Ok(()) } else { Err(stored.to_string()) }
    })
    .await;

    sandbox.fails_next("logout", 1, late());
    let unlinked = || sandbox.phone(&phone(0)).devices().is_empty();
    hangs_up("DELETE", &session, "", &unlinked).await;
    // The end of the process waits for it as for any other request.
    assert!(gateway.terminate().await.success());
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    assert_eq!(gateway.call("GET", &session, None).await.unwrap().0, 404);
    assert_eq!(gateway.all("/api/v1/sessions", "cursor").await, [json!(null); 0]);
    assert!(gateway.terminate().await.success());
}

#[tokio::test]
async fn a_session_whose_caller_goes_away_is_made_all_the_same() {
    let app = TestApp::start().await;
    {
        let mut making = pin!(app.running.post("/api/v1/sessions", json!({"start": true})));
        let mut context = Context::from_waker(Waker::noop());
        assert!(making.as_mut().poll(&mut context).is_pending(), "it waits for the store");
    }
    let made = app
        .running
        .until("/api/v1/sessions", |answer| answer.body["data"].as_array().unwrap().len() == 1)
        .await;
    let path = format!("/api/v1/sessions/{}", made.body["data"][0]["id"].as_str().unwrap());
    app.running.until(&path, |answer| answer.body["status"] == "scan_qr_code").await;
}
