//! What WhatsApp refuses, and what the caller is told.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_sandbox::{Fault, RateLimit};

use crate::app::{Linked, TestApp, eventually};

/// What WhatsApp may answer, and what that is here.
const REFUSALS: [(u16, u16, &str); 9] = [
    (401, 403, "forbidden"),
    (403, 403, "forbidden"),
    (404, 404, "not_found"),
    (409, 409, "conflict"),
    (410, 404, "not_found"),
    (429, 429, "rate_limited"),
    (400, 502, "upstream_error"),
    (500, 502, "upstream_error"),
    (503, 502, "upstream_error"),
];

/// All four fields, in another value than a new group has.
fn everything() -> Value {
    json!({"subject": "Night crew", "description": "From ten to six", "announce": true, "locked": true})
}

const FIELDS: [&str; 4] = ["subject", "description", "announce", "locked"];

/// The stored group's four fields.
async fn stored(app: &TestApp, linked: &Linked) -> Value {
    let group = app.running.get(&linked.crew()).await.expect(200).body;
    json!({
        "subject": group["subject"], "description": group["description"],
        "announce": group["isAnnounce"], "locked": group["isLocked"],
    })
}

/// The fields of the group's changes that the event log tells, in order, from the event `after` on.
async fn told(app: &TestApp, linked: &Linked, after: &str) -> Vec<String> {
    let page = app.running.get(&format!("/api/v1/events?limit=200{after}")).await.expect(200).body;
    let changes = page["data"].as_array().unwrap().iter().filter(|event| {
        event["event"] == "group.update" && event["payload"]["groupJid"] == linked.crew
    });
    changes
        .flat_map(|event| event["payload"].as_object().unwrap().keys())
        .filter(|field| {
            ["subject", "description", "isAnnounce", "isLocked"].contains(&field.as_str())
        })
        .cloned()
        .collect()
}

/// Where the event log ends, as a parameter.
async fn so_far(app: &TestApp) -> String {
    let page = app.running.get("/api/v1/events?limit=200").await.expect(200).body;
    format!("&after={}", page["nextCursor"].as_str().unwrap())
}

#[tokio::test]
async fn every_refusal_of_whatsapp_has_its_status_and_changes_nothing() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let (before, log) = (stored(&app, &linked).await, so_far(&app).await);
    for (whatsapp, status, code) in REFUSALS {
        for field in FIELDS {
            let fault = Fault::code(whatsapp).text("no").backoff(7);
            // A conflict of a description is tried once more.
            app.sandbox.fails_next(&format!("group.{field}"), 2, fault);
            let answer =
                app.running.patch(&linked.crew(), json!({field: everything()[field]})).await;
            app.sandbox.heals();
            let retry = answer.header("retry-after").map(str::to_owned);
            assert_eq!(retry, (status == 429).then(|| "7".to_owned()), "{whatsapp} {field}");
            let details = answer.error(status, code);
            assert_eq!(details["whatsappCode"], whatsapp, "{field}");
            assert_eq!(details["reason"], json!((status == 403).then_some("whatsapp")));
            let progress = (&details["applied"], &details["failed"], &details["notAttempted"]);
            assert_eq!(progress, (&json!([]), &json!(field), &json!([])));
        }
        for method in ["GET", "DELETE"] {
            let operation = if method == "GET" { "group.invite" } else { "group.revoke_invite" };
            app.sandbox.fails_next(operation, 1, Fault::code(whatsapp).text("no").backoff(7));
            let request = app.running.request(method, &format!("{}/invite", linked.crew()));
            let answer = app.running.send(request.body(axum::body::Body::empty()).unwrap()).await;
            app.sandbox.heals();
            assert_eq!(answer.error(status, code)["whatsappCode"], whatsapp, "{operation}");
        }
    }
    assert_eq!(stored(&app, &linked).await, before);
    assert_eq!(told(&app, &linked, &log).await, Vec::<String>::new());
    assert_eq!(app.applied(&linked.crew), Vec::<String>::new());
    app.running.patch(&linked.crew(), everything()).await.expect(204);
    assert_eq!(stored(&app, &linked).await, everything());
}

#[tokio::test]
async fn who_asks_whatsapp_too_often_is_told_when_to_come_back() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.freezes_clock(true);
    app.sandbox.limits_requests(RateLimit::new(3, Duration::from_mins(1)));
    let mut answered = 0;
    let answer = loop {
        let subject = json!({"subject": format!("Crew {answered}")});
        let answer = app.running.patch(&linked.crew(), subject).await;
        if answer.status != 204 {
            break answer;
        }
        answered += 1;
    };
    assert!(answered <= 3, "{answered}");
    assert_eq!(answer.header("retry-after"), Some("20"));
    assert_eq!(answer.error(429, "rate_limited")["whatsappCode"], 429);
    app.sandbox.advances_clock(Duration::from_mins(1));
    app.running.patch(&linked.crew(), json!({"subject": "Later"})).await.expect(204);
}

#[tokio::test]
async fn a_failure_part_way_tells_how_far_it_came_and_keeps_what_took_effect() {
    for (index, failing) in FIELDS.into_iter().enumerate() {
        let app = TestApp::start().await;
        let linked = app.linked().await;
        let (mut expected, log) = (stored(&app, &linked).await, so_far(&app).await);
        app.sandbox.fails_next(&format!("group.{failing}"), 1, Fault::code(403));
        let details = app.running.patch(&linked.crew(), everything()).await.error(403, "forbidden");
        assert_eq!(
            details,
            json!({
                "reason": "whatsapp", "whatsappCode": 403, "applied": FIELDS[..index], "failed": failing,
                "notAttempted": FIELDS[index + 1..],
            })
        );
        for field in &FIELDS[..index] {
            expected[*field] = everything()[*field].clone();
        }
        assert_eq!(stored(&app, &linked).await, expected);
        let names = ["subject", "description", "isAnnounce", "isLocked"];
        assert_eq!(told(&app, &linked, &log).await, names[..index]);
        let operations: Vec<String> =
            FIELDS[..index].iter().map(|field| format!("group.{field}")).collect();
        assert_eq!(app.applied(&linked.crew), operations);
        app.running.stop().await;
    }
}

#[tokio::test]
async fn a_description_that_somebody_replaced_meanwhile_is_replaced_all_the_same() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let crew = app.sandbox.group(&linked.crew);
    app.running.patch(&linked.crew(), json!({"description": "One"})).await.expect(204);
    // The stored id is out of date for as long as the news of the other's change are on their way.
    app.sandbox.fails_next("group.description", 1, Fault::code(409));
    app.running.patch(&linked.crew(), json!({"description": "Two"})).await.expect(204);
    assert_eq!(crew.description().as_deref(), Some("Two"));
    for text in ["", "Three", "", "Four"] {
        crew.by("boss").sets_description(&format!("not {text}"));
        app.running.patch(&linked.crew(), json!({"description": text})).await.expect(204);
        assert_eq!(crew.description().unwrap_or_default(), text);
        let path = linked.crew();
        app.running
            .until(&path, |answer| answer.body["description"].as_str().unwrap_or_default() == text)
            .await;
    }
    app.sandbox.fails_next("group.description", 2, Fault::code(409));
    app.running.patch(&linked.crew(), json!({"description": "Five"})).await.error(409, "conflict");
    assert_eq!(crew.description().as_deref(), Some("Four"));
}

#[tokio::test]
async fn changes_by_another_admin_reach_the_stored_group_and_the_event_log() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let log = so_far(&app).await;
    let boss = app.sandbox.group(&linked.crew).by("boss");
    boss.sets_subject("Theirs");
    boss.sets_description("Of theirs");
    boss.sets_announce(true);
    boss.sets_locked(true);
    let wanted = json!({
        "subject": "Theirs", "description": "Of theirs", "announce": true, "locked": true,
    });
    eventually("the store follows", async || {
        let found = stored(&app, &linked).await;
        if found == wanted { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    let names = ["subject", "description", "isAnnounce", "isLocked"];
    assert_eq!(told(&app, &linked, &log).await, names);

    boss.promotes("mia");
    boss.demotes("mia");
    boss.removes("mia");
    boss.adds("mia");
    let page = format!("/api/v1/events?limit=200{log}");
    let members = app
        .running
        .until(&page, |answer| {
            let events = answer.body["data"].as_array().unwrap();
            events.iter().filter(|event| event["event"] == "group.participant").count() == 4
        })
        .await;
    let kinds: Vec<&str> = members.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["event"] == "group.participant")
        .flat_map(|event| event["payload"].as_object().unwrap().keys())
        .map(String::as_str)
        .filter(|kind| ["join", "leave", "promote", "demote"].contains(kind))
        .collect();
    assert_eq!(kinds, ["promote", "demote", "leave", "join"]);
}
