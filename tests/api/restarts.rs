//! The gateway is started again: after kills at any moment, and while WhatsApp refuses or hangs.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use wharf_sandbox::{Config, Sandbox};

use crate::{
    app::eventually,
    fleet::{Fleet, all_work},
    process::{Gateway, random, rounds},
};

/// Asserts that the sessions that were stopped are so, and waits until all others work.
async fn as_wished(gateway: &Gateway, stopped: &BTreeSet<String>) {
    all_work(gateway, |session| !stopped.contains(session)).await;
    for session in stopped {
        let found = gateway.get(&format!("/api/v1/sessions/{session}")).await;
        assert_eq!(found["status"], "stopped", "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_of_a_restart_every_session_is_back_without_pairing() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 100, 0).await;
    let whatsapp = sandbox.ws_url();
    let mut stopped = BTreeSet::new();
    for round in 0..rounds(2) {
        // The whole of a cold start, from before the store is open until after the last login.
        let moment = Duration::from_millis(random(4_000));
        let mut child = fleet.data.spawn(&whatsapp, &[]);
        let ended = tokio::time::timeout(moment, child.wait()).await;
        assert!(ended.is_err(), "round {round}: it ended by itself: {ended:?}");
        child.kill().await.unwrap();

        let gateway = fleet.data.serve(&whatsapp, &[]).await;
        as_wished(&gateway, &stopped).await;
        // What is wished for is changed too, and killed right after the answer.
        let session = &fleet.sessions[round % fleet.sessions.len()];
        let verb = if stopped.contains(session) { "start" } else { "stop" };
        let path = format!("/api/v1/sessions/{session}:{verb}");
        assert_eq!(gateway.call("POST", &path, None).await.unwrap().0, 200);
        if !stopped.remove(session) {
            stopped.insert(session.clone());
        }
        gateway.kill_9().await;
    }
    let gateway = fleet.data.serve(&whatsapp, &[]).await;
    as_wished(&gateway, &stopped).await;
    assert!(gateway.terminate().await.success());
    fleet.was_never_paired_again(&sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn started_while_whatsapp_refuses_or_hangs_every_session_is_back_later() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 10, 1).await;
    let whatsapp = sandbox.ws_url();
    for hangs in [false, true] {
        if hangs {
            sandbox.hangs(true);
        } else {
            sandbox.refuses_connections(true);
        }
        let gateway = fleet.data.serve(&whatsapp, &[]).await;
        let sessions = gateway.all("/api/v1/sessions", "cursor").await;
        assert_eq!(sessions.len(), 10);
        for session in &sessions {
            assert_eq!(session["status"], "starting", "{session}");
        }
        // What is stored is read, what is live is refused at once.
        for (session, group) in &fleet.groups {
            let path = format!("/api/v1/sessions/{session}/groups/{group}");
            assert_eq!(gateway.get(&path).await["groupJid"], json!(group));
            let (status, body) =
                gateway.call("PATCH", &path, Some(&json!({"locked": true}))).await.unwrap();
            assert_eq!((status, &body["error"]["details"]["status"]), (501, &json!("starting")));
        }
        assert!(gateway.terminate().await.success());
        sandbox.heals();

        // Once more in trouble, and it passes while the gateway runs.
        sandbox.refuses_connections(true);
        let gateway = fleet.data.serve(&whatsapp, &[]).await;
        sandbox.heals();
        all_work(&gateway, |_| true).await;
        assert!(gateway.terminate().await.success());
    }
    fleet.was_never_paired_again(&sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp_comes_back_with_another_key_to_a_gateway_that_runs_or_is_away_and_nobody_is_paired_again()
 {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 5, 1).await;
    let whatsapp = sandbox.ws_url();
    let mut gateway = fleet.data.serve(&whatsapp, &[]).await;
    for away in [false, true] {
        all_work(&gateway, |_| true).await;
        let before = sandbox.fallbacks();
        if away {
            gateway.kill_9().await;
            sandbox.restarts().await.unwrap();
            gateway = fleet.data.serve(&whatsapp, &[]).await;
        } else {
            sandbox.restarts().await.unwrap();
        }
        // Each knows the old key, and learns the new one.
        eventually("five handshakes that fell back", async || match sandbox.fallbacks() - before {
            5 => Ok(()),
            other => Err(format!("{other} of them")),
        })
        .await;
        all_work(&gateway, |_| true).await;
        let (session, group) = &fleet.groups[0];
        let path = format!("/api/v1/sessions/{session}/groups/{group}");
        let body = json!({"subject": format!("Away: {away}")});
        assert_eq!(gateway.call("PATCH", &path, Some(&body)).await.unwrap().0, 204);
    }
    assert!(gateway.terminate().await.success());
    fleet.was_never_paired_again(&sandbox);
}
