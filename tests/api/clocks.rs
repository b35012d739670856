//! The wall clock of the gateway's machine is set forth and back.

use serde_json::{Value, json};
use wharf_sandbox::{Config, Sandbox};

use crate::{
    app::eventually,
    fleet::{Fleet, all_work},
    process::Gateway,
};

/// In milliseconds.
const A_YEAR: i64 = 365 * 86_400_000;

/// The ids of all events, which must be in order.
async fn event_ids(gateway: &Gateway) -> Vec<String> {
    let events = gateway.all("/api/v1/events", "after").await;
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    let ids: Vec<String> = events.iter().map(id).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "events out of order: {ids:?}");
    ids
}

/// Changes a group and finds its event behind all that there were.
async fn changes(gateway: &Gateway, (session, group): &(String, String), subject: &str) {
    let before = event_ids(gateway).await;
    let path = format!("/api/v1/sessions/{session}/groups/{group}");
    let body = json!({"subject": subject});
    assert_eq!(gateway.call("PATCH", &path, Some(&body)).await.unwrap().0, 204);
    let events = gateway.all("/api/v1/events", "after").await;
    let told = events.iter().find(|event| event["payload"]["subject"] == subject);
    let told = told.unwrap_or_else(|| panic!("`{subject}` is not told: {events:?}"));
    assert!(told["id"].as_str() > before.last().map(String::as_str), "{told} is not the last");
    let after = event_ids(gateway).await;
    assert!(after.starts_with(&before), "events are lost");
}

/// Makes a session that shows a code; gives its path and the code.
async fn pairs(gateway: &Gateway) -> (String, String) {
    let body = json!({"start": true});
    let (status, made) = gateway.call("POST", "/api/v1/sessions", Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{made}");
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().unwrap());
    let code = eventually("a code", async || {
        let (_, qr) = gateway.call("GET", &format!("{path}/qr"), None).await.unwrap();
        qr["code"].as_str().map(str::to_owned).ok_or_else(|| qr.to_string())
    })
    .await;
    (path, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_a_year_ends_nothing_and_holds_nothing_up() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 2, 1).await;
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    for (turn, ahead) in [A_YEAR, -A_YEAR, 0].into_iter().enumerate() {
        let (session, code) = pairs(&gateway).await;
        fleet.data.sets_clock_ahead(ahead).await;

        // A code holds as long as WhatsApp says, and what works goes on.
        let qr = gateway.get(&format!("{session}/qr")).await;
        assert_eq!(qr["code"], json!(code));
        all_work(&gateway, |one| !session.ends_with(one)).await;
        changes(&gateway, &fleet.groups[0], &format!("Turn {turn}")).await;
        let phone = format!("late-{turn}");
        sandbox.add_phone(&phone).scans(&code).await.unwrap();
        all_work(&gateway, |_| true).await;

        // What is lost comes back.
        let before = sandbox.resumptions();
        sandbox.drops_connections().await;
        eventually("all are there again", async || {
            let back = sandbox.resumptions() - before;
            if back >= 3 + turn as u64 { Ok(()) } else { Err(format!("{back} logins")) }
        })
        .await;
        all_work(&gateway, |_| true).await;
        changes(&gateway, &fleet.groups[1], &format!("Return {turn}")).await;
    }
    fleet.data.sets_clock_ahead(A_YEAR).await;
    changes(&gateway, &fleet.groups[0], "Ahead").await;
    let before = event_ids(&gateway).await;
    assert!(gateway.terminate().await.success());

    // The next process has the right time, and what it tells comes after what was told in the future.
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    changes(&gateway, &fleet.groups[0], "Right again").await;
    assert!(event_ids(&gateway).await.starts_with(&before), "events are lost");
    assert!(gateway.terminate().await.success());
    fleet.was_never_paired_again(&sandbox);
}
