//! In which order the changes of a group are stored and told: as WhatsApp made them, and nothing goes back.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use serde_json::{Value, json};
use wharf_sandbox::{Fault, GroupLever, NewGroup};
use wharf_storage::{GroupSnapshot, SessionId};

use crate::app::{Answer, Linked, Running, TestApp, eventually};

/// How long an answer is held back here, while the group goes on changing.
const DELAY: Duration = Duration::from_millis(1_500);

/// How often something was asked of WhatsApp and ended so.
fn ended(running: &Running, kind: &str, outcome: &str) -> u64 {
    let operations = running.sessions.figures().operations;
    let done = operations.iter().filter(|one| one.kind == kind && one.outcome == outcome);
    done.map(|one| one.microseconds.count()).sum()
}

fn answered(running: &Running, kind: &str) -> u64 {
    ended(running, kind, "ok")
}

/// Waits until this ended so once more than `before`.
async fn ends_again(running: &Running, kind: &str, outcome: &str, before: u64) {
    eventually(kind, async || {
        let now = ended(running, kind, outcome);
        if now > before { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}

/// Has the session lose its connection. The first list on the new one is refused: the session works then, and asks again a
/// while later, and that answer is held back.
async fn asks_for_the_list_again(app: &TestApp, linked: &Linked) {
    let refused = ended(&app.running, "list_groups", "refused");
    app.sandbox.fails_next("group.participating", 1, Fault::code(500));
    app.sandbox.fails_next("group.participating", 1, Fault::delay(DELAY));
    app.sandbox.drops_connections().await;
    ends_again(&app.running, "list_groups", "refused", refused).await;
    app.running.until_working(linked).await;
}

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

/// The number that is the subject of the stored group; 0 before there is one.
async fn stored(app: &TestApp, linked: &Linked) -> u32 {
    let group = app.running.get(&linked.crew()).await.expect(200).body;
    group["subject"].as_str().unwrap().parse().unwrap_or_default()
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

/// Another admin counts in the subject until WhatsApp has answered a question of this kind once more than `before`; what is
/// stored meanwhile never goes back.
async fn counts_until_answered(app: &TestApp, linked: &Linked, kind: &str, before: u64) {
    let boss = app.sandbox.group(&linked.crew).by("boss");
    let (mut number, mut seen) = (0, 0);
    eventually(kind, async || {
        number += 1;
        boss.sets_subject(&number.to_string());
        let now = stored(app, linked).await;
        assert!(now >= seen, "{now} is stored after {seen}");
        seen = now;
        if answered(&app.running, kind) > before { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_of_groups_does_not_undo_what_others_changed_while_it_was_on_its_way() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let (log, lists) = (so_far(&app).await, answered(&app.running, "list_groups"));
    app.sandbox.fails_next("group.participating", 1, Fault::delay(DELAY));
    app.sandbox.drops_connections().await;
    counts_until_answered(&app, &linked, "list_groups", lists).await;
    app.running.until_working(&linked).await;
    nothing_went_back(&app, &linked, &log).await;
}

#[tokio::test]
async fn a_list_of_groups_does_not_undo_what_we_changed_while_it_was_on_its_way() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let (log, lists) = (so_far(&app).await, answered(&app.running, "list_groups"));
    asks_for_the_list_again(&app, &linked).await;
    let mut number = 0;
    eventually("the second list has come", async || {
        number += 1;
        let subject = json!({"subject": number.to_string()});
        app.running.patch(&linked.crew(), subject).await.expect(204);
        assert_eq!(stored(&app, &linked).await, number);
        if answered(&app.running, "list_groups") > lists { Ok(()) } else { Err(number.to_string()) }
    })
    .await;
    nothing_went_back(&app, &linked, &log).await;
}

#[tokio::test]
async fn a_list_of_groups_does_not_undo_that_one_was_left_or_joined_while_it_was_on_its_way() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let path = |group: &GroupLever| linked.path(&format!("/groups/{}", group.gid()));
    let with_shop = || app.sandbox.add_group(NewGroup::new("Club").owner("boss").member("shop"));
    let mut clubs: Vec<_> = (0..30).map(|_| with_shop()).collect();
    for club in &clubs {
        app.running.until(&path(club), |answer| answer.status == 200).await;
    }
    let (log, lists) = (so_far(&app).await, answered(&app.running, "list_groups"));
    asks_for_the_list_again(&app, &linked).await;
    let (mut tick, mut left, mut joined) = (0, Vec::new(), Vec::new());
    eventually("the second list has come", async || {
        tick += 1;
        if tick % 5 == 0
            && let Some(club) = clubs.pop()
        {
            club.by("boss").removes("shop");
            left.push(club);
            joined.push(with_shop());
        }
        if answered(&app.running, "list_groups") > lists { Ok(()) } else { Err(tick.to_string()) }
    })
    .await;
    // Of those that it may be wrong about, some are left.
    ends_again(&app.running, "get_group", "refused", 0).await;
    for club in &left {
        app.running.until(&path(club), |answer| answer.status == 404).await;
        let told = told(&app, &club.gid(), &log).await;
        assert!(told.len() == 1 && told[0]["reason"] == "left", "{told:?}");
    }
    for club in &joined {
        app.running.until(&path(club), |answer| answer.status == 200).await;
        let told = told(&app, &club.gid(), &log).await;
        assert!(told.len() == 1 && told[0]["subject"] == "Club", "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_that_is_read_does_not_undo_what_others_changed_meanwhile() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let (log, reads) = (so_far(&app).await, answered(&app.running, "get_group"));
    // What others change while a change of ours is under way makes us read the group.
    app.sandbox.fails_next("group.locked", 1, Fault::delay(DELAY / 4));
    app.sandbox.fails_next("group.query", 1, Fault::delay(DELAY));
    let path = linked.crew();
    let ours = app.running.patch(&path, json!({"locked": true}));
    let theirs = counts_until_answered(&app, &linked, "get_group", reads);
    let (ours, ()) = tokio::join!(ours, theirs);
    ours.expect(204);
    nothing_went_back(&app, &linked, &log).await;
}

/// A store whose writer waits: what the session is told meanwhile piles up before its actor.
#[tokio::test]
async fn what_others_changed_before_us_is_told_before_ours_though_it_waits_to_be_stored() {
    let app = Arc::new(TestApp::start().await);
    let linked = app.linked().await;
    let (log, done) = (so_far(&app).await, answered(&app.running, "set_subject"));
    app.sandbox.hangs(true);
    let ours = tokio::spawn({
        let (app, path) = (Arc::clone(&app), linked.crew());
        async move { app.running.patch(&path, json!({"subject": "Ours"})).await }
    });
    app.running
        .until(&linked.path("/resources"), |answer| answer.body["operations"]["running"] == 1)
        .await;

    let (entered, mut is_in) = tokio::sync::mpsc::unbounded_channel();
    let (goes_on, may_go_on) = mpsc::channel::<()>();
    let (store, session) =
        (app.running.store.clone(), linked.session.parse::<SessionId>().unwrap());
    let held = tokio::spawn(async move {
        let hold = move |_: &_| {
            entered.send(()).unwrap();
            may_go_on.recv().unwrap();
            Vec::new()
        };
        let another = GroupSnapshot::of("120363111111111111@g.us".parse().unwrap());
        store.put_group(session, another, 1, hold).await
    });
    is_in.recv().await.unwrap();
    let boss = app.sandbox.group(&linked.crew).by("boss");
    boss.sets_announce(true);
    boss.sets_subject("Theirs");
    app.sandbox.hangs(false);
    ends_again(&app.running, "set_subject", "ok", done).await;
    goes_on.send(()).unwrap();
    held.await.unwrap().unwrap();
    ours.await.unwrap().expect(204);
    assert_eq!(subjects(&app, &linked.crew, &log).await, ["Theirs", "Ours"]);
}

/// A group that WhatsApp knows, and of which the session was never told.
async fn unheard_of(app: &TestApp, linked: &Linked) -> String {
    app.sandbox.fails_next("deliver.notification", 1, Fault::silence_before());
    let group = app.sandbox.add_group(NewGroup::new("Untold").owner("shop"));
    let path = linked.path(&format!("/groups/{}", group.gid()));
    app.running.get(&path).await.error(404, "not_found");
    path
}

fn changed(answer: &Answer) -> bool {
    answer.body["subject"] == "Told"
}

#[tokio::test]
async fn a_group_that_is_not_stored_is_stored_and_told_once_it_is_changed() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let log = so_far(&app).await;
    let path = unheard_of(&app, &linked).await;
    app.running.patch(&path, json!({"subject": "Told", "locked": true})).await.expect(204);
    let group = app.running.get(&path).await.expect(200);
    assert!(changed(&group) && group.body["isLocked"] == true, "{}", group.body);
    let gid = path.rsplit('/').next().unwrap();
    assert_eq!(subjects(&app, gid, &log).await, ["Told"]);
}

#[tokio::test]
async fn a_changed_group_that_is_not_stored_and_cannot_be_read_at_once_is_read_later() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let log = so_far(&app).await;
    let path = unheard_of(&app, &linked).await;
    app.sandbox.fails_next("group.query", 1, Fault::code(500));
    app.running.patch(&path, json!({"subject": "Told"})).await.expect(204);
    app.running.until(&path, changed).await;
    let gid = path.rsplit('/').next().unwrap();
    assert_eq!(subjects(&app, gid, &log).await, ["Told"]);
}

/// A store that is closed under way stands for one that takes nothing.
#[tokio::test]
async fn what_our_store_refuses_is_not_said_to_be_whatsapps_answer() {
    let app = Arc::new(TestApp::start().await);
    let linked = app.linked().await;
    app.sandbox.fails_next("group.subject", 1, Fault::delay(DELAY));
    let send = |body: Value| {
        let (app, path) = (Arc::clone(&app), linked.crew());
        tokio::spawn(async move { app.running.patch(&path, body).await })
    };
    let first = send(json!({"subject": "Ours", "locked": true}));
    let resources = linked.path("/resources");
    app.running.until(&resources, |answer| answer.body["operations"]["running"] == 1).await;
    let second = send(json!({"description": "Ours"}));
    app.running.until(&resources, |answer| answer.body["operations"]["waiting"] == 1).await;
    app.running.store.close().await.unwrap();

    let message = |answer: &Answer| answer.body["error"]["message"].as_str().unwrap().to_owned();
    let first = first.await.unwrap();
    let said = message(&first);
    assert!(said.starts_with("`subject` was changed at WhatsApp and is not stored yet"), "{said}");
    assert_eq!(
        first.error(503, "gateway_unavailable"),
        json!({"applied": ["subject"], "failed": "subject", "notAttempted": ["locked"]})
    );
    let second = second.await.unwrap();
    let said = message(&second);
    assert!(said.starts_with("`description` was not changed"), "{said}");
    assert_eq!(
        second.error(503, "gateway_unavailable"),
        json!({"applied": [], "failed": "description", "notAttempted": []})
    );
    assert_eq!(app.applied(&linked.crew), ["group.subject"]);
}
