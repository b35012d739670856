//! A gateway that carries as much as it may: nothing is added, and what runs goes on.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use wharf_sandbox::{Config, Sandbox};
use wharf_storage::Store;

use crate::{
    app::eventually,
    fleet::{Fleet, all_work, phone},
    metrics,
    process::{Data, Gateway},
    wire::{ask, bearer},
};

const METRICS: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

/// A gateway without sessions.
async fn empty(options: &[&str]) -> (Sandbox, Data, Gateway) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store: Store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), options).await;
    (sandbox, data, gateway)
}

async fn makes(gateway: &Gateway, body: Value) -> (u16, Value) {
    gateway.call("POST", "/api/v1/sessions", Some(&body)).await.unwrap()
}

#[track_caller]
fn refused(answer: &(u16, Value), reason: &str) {
    let (status, body) = answer;
    let error = &body["error"];
    assert_eq!((*status, &error["code"]), (503, &json!("gateway_unavailable")), "{body}");
    assert_eq!(error["details"]["reason"], reason, "{body}");
}

/// Asserts that all that would run one more session is refused for the reason.
async fn takes_on_nothing(gateway: &Gateway, session: &str, reason: &str) {
    let of = |rest: &str| format!("/api/v1/sessions/{session}{rest}");
    let phone = json!({"phone": "15550000001"});
    for (method, path, body) in [
        ("POST", of(":start"), None),
        ("POST", of(":restart"), None),
        ("GET", of("/qr"), None),
        ("POST", of("/pairing-code"), Some(&phone)),
    ] {
        refused(&gateway.call(method, &path, body).await.unwrap(), reason);
    }
    refused(&makes(gateway, json!({"start": true})).await, reason);
    assert_eq!(gateway.get(&of("")).await["status"], "stopped");
}

async fn verb(gateway: &Gateway, session: &str, verb: &str) -> (u16, Value) {
    gateway.call("POST", &format!("/api/v1/sessions/{session}:{verb}"), None).await.unwrap()
}

/// When each of these sessions has connected, in epoch milliseconds.
async fn connected_at(gateway: &Gateway, sessions: &[String]) -> Vec<i64> {
    let mut times = Vec::new();
    for session in sessions {
        let read = gateway.get(&format!("/api/v1/sessions/{session}")).await;
        times.push(read["lastConnectedAt"].as_i64().unwrap());
    }
    times
}

/// Asserts that the sessions work, take a change, and may be started and restarted as ever.
async fn goes_on(gateway: &Gateway, fleet: &Fleet, running: &[String]) {
    all_work(gateway, |session| running.iter().any(|one| one == session)).await;
    for (session, group) in fleet.groups.iter().filter(|(session, _)| running.contains(session)) {
        let path = format!("/api/v1/sessions/{session}/groups/{group}");
        let subject = json!({"subject": "Goes on"});
        assert_eq!(gateway.call("PATCH", &path, Some(&subject)).await.unwrap().0, 204);
        assert_eq!(verb(gateway, session, "start").await.0, 200);
    }
    assert_eq!(verb(gateway, &running[0], "restart").await.0, 200);
    all_work(gateway, |session| running.iter().any(|one| one == session)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sessions_made_at_once_as_many_are_made_as_there_is_room_for() {
    let options = [&METRICS[..], &["--max-sessions", "10"]].concat();
    let (_sandbox, data, gateway) = empty(&options).await;
    let mut making = JoinSet::new();
    for _ in 0..100 {
        let caller = gateway.caller();
        making.spawn(async move {
            caller.call("POST", "/api/v1/sessions", Some(&json!({}))).await.unwrap()
        });
    }
    let (made, others): (Vec<_>, Vec<_>) =
        making.join_all().await.into_iter().partition(|(status, _)| *status == 201);
    for answer in &others {
        refused(answer, "max_sessions");
    }
    assert_eq!((made.len(), others.len()), (10, 90));
    assert_eq!(gateway.all("/api/v1/sessions", "cursor").await.len(), 10);
    let limits = gateway.get("/readyz").await["limits"].take();
    assert_eq!(limits["sessions"], json!({"used": 10, "allowed": 10}));

    // One that is there may be started: it is counted already.
    let session = made[0].1["id"].as_str().unwrap();
    assert_eq!(verb(&gateway, session, "start").await.0, 200);
    let path = format!("/api/v1/sessions/{session}");
    assert_eq!(gateway.call("DELETE", &path, None).await.unwrap().0, 204);
    assert_eq!(makes(&gateway, json!({})).await.0, 201);
    refused(&makes(&gateway, json!({})).await, "max_sessions");

    let text = metrics::scraped(&data).await;
    metrics::exactly(&text, "wharf_admission_refusals_total{reason=\"max_sessions\"}", 91);
    metrics::exactly(&text, "wharf_admission_refusals_total{reason=\"max_memory\"}", 0);
    metrics::exactly(&text, "wharf_admission_used{limit=\"sessions\"}", 10);
    metrics::exactly(&text, "wharf_admission_allowed{limit=\"sessions\"}", 10);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_more_sessions_than_may_be_those_that_shall_run_do_and_no_other_is_started() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 3, 1).await;
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    assert_eq!(verb(&gateway, &fleet.sessions[2], "stop").await.0, 200);
    assert!(gateway.terminate().await.success());

    let gateway = fleet.data.serve(&sandbox.ws_url(), &["--max-sessions", "2"]).await;
    assert!(fleet.data.logged().contains("more than `--max-sessions`"), "{}", fleet.data.logged());
    goes_on(&gateway, &fleet, &fleet.sessions[..2]).await;
    takes_on_nothing(&gateway, &fleet.sessions[2], "max_sessions").await;
    // They come back by themselves when their connections drop, too.
    let before = connected_at(&gateway, &fleet.sessions[..2]).await;
    for index in 0..2 {
        sandbox.phone(&phone(index)).drops_connections().await;
    }
    eventually("both have connected again", async || {
        let now = connected_at(&gateway, &fleet.sessions[..2]).await;
        let all = now.iter().zip(&before).all(|(now, before)| now > before);
        if all { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    goes_on(&gateway, &fleet, &fleet.sessions[..2]).await;
    let path = format!("/api/v1/sessions/{}", fleet.sessions[0]);
    assert_eq!(gateway.call("DELETE", &path, None).await.unwrap().0, 204);
    assert_eq!(verb(&gateway, &fleet.sessions[2], "start").await.0, 200);
    all_work(&gateway, |_| true).await;
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_nothing_takes_nothing_away() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 1, 1).await;
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    let session = &fleet.sessions[0];
    assert_eq!(verb(&gateway, session, "stop").await.0, 200);
    let used = async || {
        let limits = gateway.get("/readyz").await["limits"].take();
        limits["descriptors"]["used"].as_u64().unwrap()
    };
    let before = used().await;
    // It is linked already, so none of these starts it.
    for _ in 0..100 {
        let path = format!("/api/v1/sessions/{session}/qr");
        assert_eq!(gateway.call("GET", &path, None).await.unwrap().0, 409);
    }
    let after = used().await;
    assert!(after < before + 50, "{before} descriptors before, {after} after");
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_memory_a_gateway_takes_on_nothing_and_what_runs_goes_on() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 2, 1).await;
    let options = [&METRICS[..], &["--max-memory", "1MiB"]].concat();
    let gateway = fleet.data.serve(&sandbox.ws_url(), &options).await;
    goes_on(&gateway, &fleet, &fleet.sessions).await;
    assert_eq!(verb(&gateway, &fleet.sessions[1], "stop").await.0, 200);
    takes_on_nothing(&gateway, &fleet.sessions[1], "max_memory").await;
    refused(&makes(&gateway, json!({})).await, "max_memory");
    goes_on(&gateway, &fleet, &fleet.sessions[..1]).await;

    let start = format!("/api/v1/sessions/{}:start", fleet.sessions[1]);
    let answer = ask(gateway.address(), "POST", &start, &[bearer(gateway.key())]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
    assert!(
        answer.body.contains("bytes of memory are used, 1048576 are allowed"),
        "{}",
        answer.body
    );
    let text = metrics::scraped(&fleet.data).await;
    metrics::exactly(&text, "wharf_admission_refusals_total{reason=\"max_memory\"}", 7);
    metrics::exactly(&text, "wharf_admission_allowed{limit=\"memory\"}", 1 << 20);
    assert!(gateway.terminate().await.success());

    let gateway = fleet.data.serve(&sandbox.ws_url(), &["--max-memory", "0"]).await;
    assert!(gateway.get("/readyz").await["limits"]["memory"].get("allowed").is_none());
    assert_eq!(verb(&gateway, &fleet.sessions[1], "start").await.0, 200);
    all_work(&gateway, |_| true).await;
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_on_descriptors_is_raised_and_bounds_how_many_sessions_are_started() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store: Store| store.close().await.unwrap()).await;
    let prepare = "ulimit -S -n 40; ulimit -H -n 64";
    let gateway = data.serve_after(prepare, &sandbox.ws_url(), &[]).await;
    let said = |words: &str| {
        let logged = data.logged();
        if logged.contains(words) { Ok(()) } else { Err(logged) }
    };
    said("may have 64 descriptors open, and was started with a limit of 40").unwrap();
    said("raise the hard limit").unwrap_err();
    // They pair, so each holds a descriptor, or will.
    let mut made = Vec::new();
    let answer = eventually("there is no room for another one", async || {
        let (status, body) = makes(&gateway, json!({"start": true})).await;
        assert!(made.len() < 64, "{made:?}");
        if status == 201 {
            made.push(body["id"].as_str().unwrap().to_owned());
            return Err(body.to_string());
        }
        Ok((status, body))
    })
    .await;
    refused(&answer, "max_descriptors");
    assert!(!made.is_empty());
    let descriptors = gateway.get("/readyz").await["limits"]["descriptors"].take();
    assert_eq!(descriptors["allowed"], 48);
    // One that is only made needs none, and one that runs has its own.
    let (status, idle) = makes(&gateway, json!({})).await;
    assert_eq!(status, 201);
    takes_on_nothing(&gateway, idle["id"].as_str().unwrap(), "max_descriptors").await;
    assert_eq!(verb(&gateway, &made[0], "restart").await.0, 200);

    for session in &made {
        assert_eq!(verb(&gateway, session, "stop").await.0, 200);
    }
    eventually("there is room again", async || {
        let (status, body) = verb(&gateway, &made[0], "start").await;
        if status == 200 { Ok(()) } else { Err(body.to_string()) }
    })
    .await;
    assert!(gateway.terminate().await.success());

    // With sessions that are stored the limit is too low for as many callers as it lets in.
    let gateway = data.serve_after(prepare, &sandbox.ws_url(), &[]).await;
    said("raise the hard limit").unwrap();
    assert!(gateway.terminate().await.success());
}
