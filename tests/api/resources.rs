//! What a session costs: it is told while the session runs and while it does not, and no count ever goes down.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use wharf_actors::Crash;
use wharf_sandbox::{Fault, StreamEnd};
use wharf_storage::SessionId;

use crate::app::{Linked, TestApp, eventually};

async fn resources(app: &TestApp, session: &str) -> Value {
    let path = format!("/api/v1/sessions/{session}/resources");
    app.running.get(&path).await.expect(200).body
}

fn count(of: &Value, pointer: &str) -> u64 {
    of.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("`{pointer}` of {of}"))
}

/// What is counted since the process started.
const COUNTED: [&str; 7] = [
    "/traffic/bytesIn",
    "/traffic/bytesOut",
    "/traffic/framesIn",
    "/traffic/framesOut",
    "/connects",
    "/reconnects",
    "/cpuUs",
];

/// Asserts that no count went down, and gives the later ones.
#[track_caller]
fn grown(earlier: &Value, later: Value) -> Value {
    for pointer in COUNTED {
        assert!(count(&later, pointer) >= count(earlier, pointer), "{pointer}: {earlier} {later}");
    }
    later
}

#[tokio::test]
async fn bytes_frames_and_time_grow_with_what_a_session_does() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let before = resources(&app, &linked.session).await;
    app.running.patch(&linked.crew(), json!({"subject": "Counted"})).await.expect(204);
    let after = grown(&before, resources(&app, &linked.session).await);

    for pointer in ["/bytesIn", "/bytesOut", "/framesIn", "/framesOut"] {
        let [in_all, of_it] = ["/traffic", "/connection"].map(|part| format!("{part}{pointer}"));
        assert!(count(&after, &in_all) > count(&before, &in_all), "{pointer}: {before} {after}");
        assert!(count(&after, &of_it) > count(&before, &of_it), "{pointer}: {before} {after}");
        // The device was linked on a connection before this one.
        assert!(count(&after, &in_all) > count(&after, &of_it), "{pointer}: {after}");
    }
    // A frame has a head and a seal, and TCP carries more than frames.
    assert!(count(&after, "/connection/bytesOut") > 19 * count(&after, "/connection/framesOut"));
    assert!(count(&after, "/cpuUs") > count(&before, "/cpuUs"), "{before} {after}");
    assert_eq!((count(&after, "/connects"), count(&after, "/reconnects")), (2, 0));
    assert!(after["mailboxWaitUs"].is_u64(), "{after}");
    assert!(count(&after, "/client/builtAt") <= count(&after, "/connection/since"), "{after}");
    assert!(after["client"]["caches"].is_object() && after["client"]["queues"].is_object());
    // The device, its 20 prekeys, two groups with their members, and events.
    assert!(count(&after, "/stored/rows") > 25, "{after}");
    assert!(count(&after, "/stored/bytes") > count(&after, "/stored/rows"), "{after}");
    assert_eq!(after["stored"]["more"], false);
}

#[tokio::test]
async fn operations_that_whatsapp_holds_up_are_running_and_those_behind_them_wait() {
    let app = Arc::new(TestApp::start().await);
    let linked = Arc::new(app.linked().await);
    app.sandbox.group(&linked.board).by("boss").sets_locked(false);
    app.sandbox.fails_next("group.subject", 2, Fault::delay(Duration::from_secs(3)));
    let mut sent = Vec::new();
    for (number, path) in
        [linked.crew(), linked.crew(), linked.crew(), linked.board()].into_iter().enumerate()
    {
        let app = Arc::clone(&app);
        let body = json!({"subject": format!("Held {number}")});
        sent.push(tokio::spawn(async move { app.running.patch(&path, body).await }));
    }
    // One of each group; the others of the first group are behind its first.
    held(&app, &linked, 2, 2).await;
    let meanwhile = resources(&app, &linked.session).await;
    assert!(count(&meanwhile, "/client/queues/unanswered") >= 1, "{meanwhile}");
    assert_eq!(count(&meanwhile, "/operations/runningLimit"), 8);
    assert_eq!(count(&meanwhile, "/operations/waitingLimit"), 64);
    for answer in sent {
        answer.await.unwrap().expect(204);
    }
    held(&app, &linked, 0, 0).await;
}

/// Waits until so many operations run and wait.
async fn held(app: &TestApp, linked: &Linked, running: u64, waiting: u64) {
    eventually("that many operations", async || {
        let found = resources(app, &linked.session).await;
        let depth = (count(&found, "/operations/running"), count(&found, "/operations/waiting"));
        if depth == (running, waiting) { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_session_that_never_ran_costs_nothing_and_one_that_is_stopped_keeps_its_counts() {
    let app = TestApp::start().await;
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let new = resources(&app, made["id"].as_str().unwrap()).await;
    for pointer in &COUNTED[..6] {
        assert_eq!(count(&new, pointer), 0, "{pointer}: {new}");
    }
    assert!(new.get("connection").is_none() && new.get("client").is_none(), "{new}");
    assert_eq!(count(&new, "/stored/rows"), 1, "{new}");

    let linked = app.linked().await;
    let ran = resources(&app, &linked.session).await;
    app.running.post(&linked.path(":stop"), json!({})).await.expect(200);
    let stopped = grown(&ran, resources(&app, &linked.session).await);
    assert!(stopped.get("connection").is_none() && stopped.get("client").is_none(), "{stopped}");
    assert_eq!((count(&stopped, "/operations/running"), count(&stopped, "/connects")), (0, 2));

    app.running.post(&linked.path(":start"), json!({})).await.expect(200);
    app.running.until_working(&linked).await;
    let again = grown(&stopped, resources(&app, &linked.session).await);
    assert_eq!((count(&again, "/connects"), count(&again, "/reconnects")), (3, 0), "{again}");
    assert!(count(&again, "/connection/bytesIn") < count(&again, "/traffic/bytesIn"), "{again}");
    assert!(count(&again, "/client/builtAt") > count(&ran, "/client/builtAt"), "{again}");
}

#[tokio::test]
async fn counts_outlive_a_connection_that_is_lost_and_a_crash() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let first = resources(&app, &linked.session).await;
    assert_eq!(app.sandbox.ends_streams(StreamEnd::Plain), 1);
    let lost = eventually("another connection", async || {
        let found = resources(&app, &linked.session).await;
        if count(&found, "/connects") == 3 { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    let lost = grown(&first, lost);
    assert_eq!(count(&lost, "/reconnects"), 1, "{lost}");
    // The same client on another connection.
    assert_eq!(lost["client"]["builtAt"], first["client"]["builtAt"]);
    assert!(count(&lost, "/connection/since") > count(&first, "/connection/since"), "{lost}");

    app.running.until_working(&linked).await;
    let session: SessionId = linked.session.parse().unwrap();
    app.running.sessions.find("default", session).unwrap().crash(Crash::Actor).unwrap();
    let crashed = eventually("another client", async || {
        let found = grown(&lost, resources(&app, &linked.session).await);
        let built = found.pointer("/client/builtAt").and_then(Value::as_u64);
        if built > Some(count(&lost, "/client/builtAt")) {
            Ok(found)
        } else {
            Err(found.to_string())
        }
    })
    .await;
    assert_eq!(count(&crashed, "/operations/running"), 0);
}
