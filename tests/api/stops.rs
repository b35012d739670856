//! The gateway's process is stopped for a while, as by a debugger or a machine that is overloaded, and goes on.

use std::time::Duration;

use serde_json::Value;
use wharf_actors::now_ms;
use wharf_sandbox::{Config, Sandbox};

use crate::{
    app::eventually,
    fleet::{Fleet, all_work, phone},
    process::Caller,
};

/// For how many seconds: few by default, `STOPPED` for long runs.
fn stopped() -> Duration {
    let seconds = std::env::var("STOPPED").map(|text| text.parse().expect("seconds"));
    Duration::from_secs(seconds.unwrap_or(3))
}

/// All sessions, none of which says that it works without having heard of WhatsApp for longer than the contract allows.
async fn truthful(caller: &Caller) -> Vec<Value> {
    let (status, mut page) = caller.call("GET", "/api/v1/sessions", None).await.unwrap();
    assert_eq!(status, 200, "{page}");
    let Value::Array(sessions) = page["data"].take() else { panic!("no list: {page}") };
    for session in sessions.iter().filter(|session| session["status"] == "working") {
        let silence = now_ms() - session["lastInboundAt"].as_i64().expect("it was heard of");
        assert!(silence < 91_000, "it works after {silence} ms of silence: {session}");
    }
    sessions
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_says_of_no_session_that_it_works_before_it_has_heard_of_it() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 3, 1).await;
    let mut gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    let lost = format!("/api/v1/sessions/{}", fleet.sessions[0]);
    let before = gateway.get(&lost).await["since"].as_i64();

    gateway.signal("STOP");
    sandbox.phone(&phone(0)).drops_connections().await;
    let ended = tokio::time::timeout(stopped(), gateway.has_ended()).await;
    assert!(ended.is_err(), "it ended: {ended:?}");
    // Callers that come just then have their answers before anything else is looked at.
    let caller = gateway.caller();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { truthful(&caller).await })
        })
        .collect();
    gateway.signal("CONT");

    for answer in waiting {
        assert_eq!(answer.await.unwrap().len(), 3);
    }
    eventually("every session works, the lost one anew", async || {
        let sessions = truthful(&caller).await;
        let works = |session: &Value| {
            let anew = session["id"] != *fleet.sessions[0] || session["since"].as_i64() > before;
            anew && session["status"] == "working"
        };
        if sessions.iter().all(works) { Ok(()) } else { Err(format!("{sessions:?}")) }
    })
    .await;
    assert!(gateway.terminate().await.success());
    fleet.was_never_paired_again(&sandbox);
}
