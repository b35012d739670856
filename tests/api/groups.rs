//! Groups as they are stored, and their invites.

use axum::body::Body;
use serde_json::json;

use crate::app::{TestApp, UNKNOWN_GROUP};

#[tokio::test]
async fn groups_are_listed_and_read_from_the_store() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let listed = app.running.get(&linked.path("/groups")).await.expect(200).body;
    let jids: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["groupJid"].as_str().unwrap())
        .collect();
    assert!(
        jids.contains(&linked.crew.as_str()) && jids.contains(&linked.board.as_str()),
        "{listed}"
    );
    assert_eq!(listed["nextCursor"], "");

    let crew = app.running.get(&linked.crew()).await.expect(200).body;
    assert_eq!((&crew["subject"], &crew["participantCount"]), (&json!("Crew"), &json!(3)));
    assert_eq!((&crew["isAnnounce"], &crew["isLocked"]), (&json!(false), &json!(false)));
    assert!(
        crew["id"].is_i64() && crew["firstSeenAt"].is_i64() && crew["createdAtWa"].is_i64(),
        "{crew}"
    );
    assert_eq!(app.running.get(&linked.board()).await.expect(200).body["isLocked"], true);

    let unknown = linked.path(&format!("/groups/{UNKNOWN_GROUP}"));
    app.running.get(&unknown).await.error(404, "not_found");
}

#[tokio::test]
async fn what_another_admin_changes_is_seen() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.group(&linked.crew).by("boss").sets_subject("Night crew");
    app.running.until(&linked.crew(), |answer| answer.body["subject"] == "Night crew").await;
    app.sandbox.group(&linked.crew).by("boss").sets_announce(true);
    app.running.until(&linked.crew(), |answer| answer.body["isAnnounce"] == true).await;
}

#[tokio::test]
async fn a_group_that_the_account_left_is_gone() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.group(&linked.board).by("boss").removes("shop");
    app.running.until(&linked.board(), |answer| answer.status == 404).await;
    let listed = app.running.get(&linked.path("/groups")).await.expect(200).body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
}

#[tokio::test]
async fn an_admin_gets_the_invite_and_others_do_not() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let invite = app.running.get(&format!("{}/invite", linked.crew())).await.expect(200).body;
    let code = app.sandbox.group(&linked.crew).invite_code();
    assert_eq!(invite, json!({"invite": format!("https://chat.whatsapp.com/{code}")}));

    let details =
        app.running.get(&format!("{}/invite", linked.board())).await.error(403, "forbidden");
    assert_eq!(details["reason"], "whatsapp");
    let unknown = linked.path(&format!("/groups/{UNKNOWN_GROUP}/invite"));
    app.running.get(&unknown).await.error(404, "not_found");
}

#[tokio::test]
async fn an_invite_that_is_reset_is_another_one_and_others_may_not() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let path = format!("{}/invite", linked.crew());
    let reset = |path: &str| app.running.request("DELETE", path).body(Body::empty()).unwrap();
    let old = app.running.get(&path).await.expect(200).body;
    let new = app.running.send(reset(&path)).await.expect(200).body;
    assert_ne!(new, old);
    assert_eq!(app.running.get(&path).await.expect(200).body, new);

    let board = format!("{}/invite", linked.board());
    let details = app.running.send(reset(&board)).await.error(403, "forbidden");
    assert_eq!(details["reason"], "whatsapp");
    let unknown = linked.path(&format!("/groups/{UNKNOWN_GROUP}/invite"));
    app.running.send(reset(&unknown)).await.error(404, "not_found");
}

#[tokio::test]
async fn members_are_listed_in_pages_from_the_store() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let path = format!("{}/members", linked.crew());
    let all = app.running.get(&path).await.expect(200).body;
    assert_eq!(all["nextCursor"], "");
    let all = all["data"].as_array().unwrap();
    let mut roles: Vec<_> = all.iter().map(|one| one["role"].as_str().unwrap()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["admin", "member", "superadmin"]);
    for member in all {
        assert!(member["lid"].as_str().unwrap().ends_with("@lid"), "{member}");
        assert_eq!(
            (&member["groupJid"], &member["sessionId"]),
            (&json!(linked.crew), &json!(linked.session))
        );
    }

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.running.get(&format!("{path}?limit=1&cursor={cursor}")).await.expect(200);
        seen.extend(page.body["data"].as_array().unwrap().clone());
        page.body["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, *all);
    let unknown = linked.path(&format!("/groups/{UNKNOWN_GROUP}/members"));
    app.running.get(&unknown).await.error(404, "not_found");
    app.running.get(&format!("{path}?cursor=zz")).await.error(400, "validation_error");

    app.sandbox.group(&linked.crew).by("boss").promotes("mia");
    app.running
        .until(&path, |answer| {
            let members = answer.body["data"].as_array().unwrap();
            members.iter().filter(|one| one["role"] == "admin").count() == 2
        })
        .await;
}
