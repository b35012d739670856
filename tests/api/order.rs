//! In which order the changes of a group are stored and told: as WhatsApp made them, and nothing goes back.

use serde_json::Value;

use crate::app::{Linked, TestApp};

/// What the event log tells of a group, in order, from the event `after` on.
async fn told(app: &TestApp, group: &str, after: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), after.to_owned());
    loop {
        let path = format!("/api/v1/events?limit=200&after={after}");
        let mut page = app.running.get(&path).await.expect(200).body;
        page["nextCursor"].as_str().unwrap().clone_into(&mut after);
        let Value::Array(data) = page["data"].take() else { panic!("no list: {page}") };
        if data.is_empty() {
            return found;
        }
        let payloads = data.into_iter().map(|mut event| event["payload"].take());
        found.extend(payloads.filter(|payload| payload["groupJid"] == group));
    }
}

/// The subjects among them.
async fn subjects(app: &TestApp, group: &str, after: &str) -> Vec<String> {
    let told = told(app, group, after).await;
    told.iter().filter_map(|payload| payload["subject"].as_str()).map(str::to_owned).collect()
}

async fn so_far(app: &TestApp) -> String {
    let page = app.running.get("/api/v1/events?limit=200").await.expect(200).body;
    page["nextCursor"].as_str().unwrap().to_owned()
}

/// Asserts that the log tells numbers that rise, and that what is stored is the last of them, as at WhatsApp.
async fn nothing_went_back(app: &TestApp, linked: &Linked, after: &str) {
    let truth = app.sandbox.group(&linked.crew).subject();
    app.running.until(&linked.crew(), |answer| answer.body["subject"] == truth.as_str()).await;
    let told = subjects(app, &linked.crew, after).await;
    let numbers: Vec<u32> = told.iter().map(|one| one.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(numbers.last().map(u32::to_string), Some(truth));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_that_come_all_at_once_are_told_in_their_order() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let log = so_far(&app).await;
    let boss = app.sandbox.group(&linked.crew).by("boss");
    app.sandbox.hangs(true);
    for number in 1..=50 {
        boss.sets_subject(&number.to_string());
    }
    app.sandbox.hangs(false);
    nothing_went_back(&app, &linked, &log).await;
    assert_eq!(subjects(&app, &linked.crew, &log).await.len(), 50);
}
