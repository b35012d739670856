//! WhatsApp is silent, slow or gone in the middle of an operation.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;
use wharf_sandbox::{Config, Fault, Sandbox};
use wharf_storage::Store;

use crate::app::{Answer, Linked, Running, TestApp, eventually};

/// The time budget of an operation where nobody measures how long one takes.
const SHORT: Duration = Duration::from_secs(2);
/// The budget where somebody does. An operation that had one more for its read-back, or for each field, would be later than
/// [`SLACK`] allows.
const BUDGET: Duration = Duration::from_secs(5);
/// What an answer may take beyond its budget on a machine that is busy.
const SLACK: Duration = Duration::from_secs(3);

async fn hasty() -> TestApp {
    with_budget(SHORT).await
}

async fn with_budget(budget: Duration) -> TestApp {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let config =
        wharf_actors::Config { operation_timeout: budget, ..Running::config(&sandbox.ws_url()) };
    let running = Running::start_with(Store::in_memory().unwrap(), config).await;
    TestApp { sandbox, running }
}

/// Changes the group; the answer must come within the budget.
async fn patch_in_time(app: &TestApp, path: &str, body: Value) -> Answer {
    let begun = Instant::now();
    let answer = app.running.patch(path, body).await;
    assert!(begun.elapsed() < BUDGET + SLACK, "{:?}: {}", begun.elapsed(), answer.body);
    answer
}

/// Every field that a change may have, in its order.
const FIELDS: [&str; 4] = ["subject", "description", "announce", "locked"];

fn all_fields() -> Value {
    json!({"subject": "All", "description": "of it", "announce": true, "locked": true})
}

async fn subject(app: &TestApp, linked: &Linked) -> Value {
    app.running.get(&linked.crew()).await.expect(200).body["subject"].clone()
}

#[tokio::test]
async fn a_field_whose_answer_is_lost_counts_when_it_took_effect() {
    let app = hasty().await;
    let linked = app.linked().await;
    let values = [
        ("subject", json!("Kept")),
        ("description", json!("Kept too")),
        ("announce", json!(true)),
        ("locked", json!(true)),
    ];
    for (field, value) in values {
        app.sandbox.fails_next(&format!("group.{field}"), 1, Fault::silence_after());
        app.running.patch(&linked.crew(), json!({field: value})).await.expect(204);
    }
    let stored = app.running.get(&linked.crew()).await.expect(200).body;
    assert_eq!((&stored["subject"], &stored["description"]), (&json!("Kept"), &json!("Kept too")));
    assert_eq!((&stored["isAnnounce"], &stored["isLocked"]), (&json!(true), &json!(true)));
    // The id of a description that was read back is the current one.
    app.running.patch(&linked.crew(), json!({"description": "Next"})).await.expect(204);
    let operations = app.applied(&linked.crew);
    assert_eq!(operations.iter().filter(|name| *name == "group.description").count(), 2);
}

#[tokio::test]
async fn after_an_answer_that_was_lost_the_rest_goes_on() {
    let app = hasty().await;
    let linked = app.linked().await;
    for field in ["subject", "description", "announce"] {
        app.sandbox.fails_next(&format!("group.{field}"), 1, Fault::silence_after());
        let body =
            json!({"subject": field, "description": field, "announce": true, "locked": true});
        app.running.patch(&linked.crew(), body).await.expect(204);
        assert_eq!(subject(&app, &linked).await, field);
    }
    let all = ["group.subject", "group.description", "group.announce", "group.locked"];
    assert_eq!(app.applied(&linked.crew), [all; 3].concat());
}

#[tokio::test]
async fn a_field_that_did_not_take_effect_in_time_is_a_timeout_that_was_read_back() {
    let app = with_budget(BUDGET).await;
    let linked = app.linked().await;
    app.sandbox.fails_next("group.description", 1, Fault::silence_before());
    let body = json!({"subject": "One", "description": "Lost", "announce": true});
    let answer = patch_in_time(&app, &linked.crew(), body).await;
    let details = answer.error(504, "upstream_timeout");
    assert_eq!(
        details,
        json!({"readBack": true, "applied": ["subject"], "failed": "description", "notAttempted": ["announce"]})
    );
    assert_eq!(subject(&app, &linked).await, "One");
    assert_eq!(app.applied(&linked.crew), ["group.subject"]);
}

#[tokio::test]
async fn a_read_back_that_fails_too_is_said_and_the_store_follows_later() {
    let app = with_budget(BUDGET).await;
    let linked = app.linked().await;
    app.sandbox.fails_next("group.subject", 1, Fault::silence_after());
    app.sandbox.fails_next("group.query", 1, Fault::silence_before());
    let body = json!({"subject": "Late", "locked": true});
    let answer = patch_in_time(&app, &linked.crew(), body).await;
    let details = answer.error(504, "upstream_timeout");
    assert_eq!(
        details,
        json!({"readBack": false, "applied": [], "failed": "subject", "notAttempted": ["locked"]})
    );
    app.running.until(&linked.crew(), |answer| answer.body["subject"] == "Late").await;
}

#[tokio::test]
async fn the_answers_of_all_fields_may_be_lost_and_all_are_read_back_within_one_budget() {
    let app = with_budget(BUDGET).await;
    let linked = app.linked().await;
    for field in FIELDS {
        app.sandbox.fails_next(&format!("group.{field}"), 1, Fault::silence_after());
    }
    patch_in_time(&app, &linked.crew(), all_fields()).await.expect(204);
    assert_eq!(app.applied(&linked.crew), FIELDS.map(|field| format!("group.{field}")));
    let stored = app.running.get(&linked.crew()).await.expect(200).body;
    assert_eq!((&stored["subject"], &stored["description"]), (&json!("All"), &json!("of it")));
    assert_eq!((&stored["isAnnounce"], &stored["isLocked"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn when_every_field_and_every_read_back_is_silent_the_first_ends_the_change_in_time() {
    let app = with_budget(BUDGET).await;
    let linked = app.linked().await;
    for field in FIELDS {
        app.sandbox.fails_next(&format!("group.{field}"), 1, Fault::silence_before());
    }
    app.sandbox.fails_next("group.query", FIELDS.len(), Fault::silence_before());
    let answer = patch_in_time(&app, &linked.crew(), all_fields()).await;
    assert_eq!(
        answer.error(504, "upstream_timeout"),
        json!({"readBack": false, "applied": [], "failed": "subject", "notAttempted": FIELDS[1..]})
    );
    assert!(app.applied(&linked.crew).is_empty());
}

#[tokio::test]
async fn a_connection_lost_during_a_field_is_501_and_the_store_follows_after_the_reconnect() {
    let app = hasty().await;
    let linked = app.linked().await;
    for (index, fault) in [Fault::drop_before(), Fault::drop_after()].into_iter().enumerate() {
        app.sandbox.fails_next("group.subject", 1, fault);
        let name = format!("Dropped {index}");
        let answer = app
            .running
            .patch(&linked.crew(), json!({"subject": name, "description": "never"}))
            .await;
        let message = answer.body["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("may not have been changed"), "{message}");
        let details = answer.error(501, "not_implemented");
        assert_eq!(
            details,
            json!({
                "reason": "session_not_connected", "status": "starting", "applied": [],
                "failed": "subject", "notAttempted": ["description"],
            })
        );
        app.running.until_working(&linked).await;
        let real = app.sandbox.group(&linked.crew).subject();
        assert_eq!(real == name, index == 1);
        app.running.until(&linked.crew(), |answer| answer.body["subject"] == real.as_str()).await;
    }
    assert_eq!(app.sandbox.group(&linked.crew).description(), None);
}

#[tokio::test]
async fn changes_of_one_group_follow_each_other_and_those_of_two_run_side_by_side() {
    let app = Arc::new(TestApp::start().await);
    let linked = Arc::new(app.linked().await);
    app.sandbox.group(&linked.board).by("boss").sets_locked(false);
    let delay = Duration::from_secs(2);
    app.sandbox.fails_next("group.subject", 1, Fault::delay(delay));
    let send = |path: String, body: Value| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.running.patch(&path, body).await })
    };
    let first = send(linked.crew(), json!({"subject": "First"}));
    eventually("the first change", async || {
        let applied = app.applied(&linked.crew);
        if applied == ["group.subject"] { Ok(()) } else { Err(format!("{applied:?}")) }
    })
    .await;
    let second = send(linked.crew(), json!({"subject": "Second"}));
    app.running.patch(&linked.board(), json!({"subject": "Beside"})).await.expect(204);
    assert!(!first.is_finished(), "the other group waited");
    first.await.unwrap().expect(204);
    second.await.unwrap().expect(204);
    assert_eq!(subject(&app, &linked).await, "Second");
    let times: Vec<i64> = app
        .sandbox
        .journal()
        .into_iter()
        .filter(|entry| entry.object == linked.crew && entry.operation == "group.subject")
        .map(|entry| entry.at_ms)
        .collect();
    let between = Duration::from_millis(u64::try_from(times[1] - times[0]).unwrap());
    assert!(between >= delay, "the second did not wait for the answer of the first: {between:?}");
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_nothing() {
    let app = Arc::new(TestApp::start().await);
    let linked = app.linked().await;
    app.sandbox.fails_next("group.subject", 1, Fault::delay(Duration::from_millis(300)));
    let body =
        json!({"subject": "Alone", "description": "Still", "announce": true, "locked": true});
    let (caller, path) = (Arc::clone(&app), linked.crew());
    let call = tokio::spawn(async move { caller.running.patch(&path, body).await });
    eventually("the first field", async || {
        let applied = app.applied(&linked.crew);
        if applied.is_empty() { Err("nothing".to_owned()) } else { Ok(()) }
    })
    .await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let group = app.running.until(&linked.crew(), |answer| answer.body["isLocked"] == true).await;
    assert_eq!(group.body["subject"], "Alone");
    assert_eq!(group.body["description"], "Still");
}

#[tokio::test]
async fn when_whatsapp_hangs_every_caller_has_its_answer_within_the_budget() {
    let app = Arc::new(with_budget(BUDGET).await);
    let linked = Arc::new(app.linked().await);
    app.sandbox.hangs(true);
    let ask = |method: &'static str, path: String, body: Option<Value>| {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let begun = Instant::now();
            let mut request = app.running.request(method, &path);
            if body.is_some() {
                request = request.header("content-type", "application/json");
            }
            let body = body.map(|body| body.to_string()).unwrap_or_default();
            let answer = app.running.send(request.body(body.into()).unwrap()).await;
            (begun.elapsed(), answer)
        })
    };
    let mut calls = Vec::new();
    for index in 0..100 {
        let body = json!({"subject": format!("Hang {index}")});
        calls.push(ask("PATCH", linked.crew(), Some(body)));
    }
    calls.push(ask("GET", format!("{}/invite", linked.crew()), None));
    calls.push(ask("DELETE", format!("{}/invite", linked.board()), None));
    let (mut late, mut busy) = (0, 0);
    for call in calls {
        let (took, answer) = call.await.unwrap();
        assert!(took < BUDGET + SLACK, "{took:?}: {}", answer.body);
        match answer.status {
            504 => late += 1,
            429 => {
                busy += 1;
                assert!(answer.header("retry-after").is_some());
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert!(late > 0 && busy > 0, "{late} in vain, {busy} turned away");
    // What is stored is read all the while.
    assert_eq!(subject(&app, &linked).await, "Crew");
    let in_time = async |verb: &str| {
        let (took, answer) = ask("POST", linked.path(verb), None).await.unwrap();
        assert!(took < Duration::from_secs(10), "{verb} took {took:?}: {}", answer.body);
        assert!([200, 501, 504].contains(&answer.status), "{verb}: {}", answer.body);
    };
    in_time(":restart").await;
    in_time(":stop").await;
    app.sandbox.hangs(false);
    app.running.post(&linked.path(":start"), json!({})).await.expect(200);
    app.running.until_working(&linked).await;
    let real = app.sandbox.group(&linked.crew).subject();
    app.running.until(&linked.crew(), |answer| answer.body["subject"] == real.as_str()).await;

    // Last, for WhatsApp may still carry it out.
    app.sandbox.hangs(true);
    in_time(":logout").await;
}
