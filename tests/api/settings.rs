//! Group settings, to the letter of the contract.

use serde_json::json;
use wharf_sandbox::NewGroup;

use crate::app::{TestApp, UNKNOWN_GROUP};

#[tokio::test]
async fn the_four_fields_are_applied_in_order_and_stored() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let before = app.applied(&linked.crew).len();
    // Given in another order than the one in which they are applied.
    let body = json!({"locked": true, "announce": true, "description": "All hands", "subject": "Day crew"});
    assert!(app.running.patch(&linked.crew(), body).await.expect(204).bytes.is_empty());

    let applied = app.applied(&linked.crew);
    assert_eq!(
        applied[before..],
        ["group.subject", "group.description", "group.announce", "group.locked"]
    );
    let truth = app.sandbox.group(&linked.crew);
    assert_eq!(
        (truth.subject(), truth.description()),
        ("Day crew".to_owned(), Some("All hands".to_owned()))
    );
    assert!(truth.announce() && truth.locked());

    let stored = app.running.get(&linked.crew()).await.expect(200).body;
    assert_eq!(
        (&stored["subject"], &stored["description"]),
        (&json!("Day crew"), &json!("All hands"))
    );
    assert_eq!((&stored["isAnnounce"], &stored["isLocked"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn a_text_with_an_at_is_no_address() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let truth = app.sandbox.group(&linked.crew);
    for text in ["Crew @ 8", "@", "desk@lid", "a@b@c", "12:30@noon", "a_1@b", "5:7@s.whatsapp.net"]
    {
        let body = json!({"subject": text, "description": text});
        app.running.patch(&linked.crew(), body).await.expect(204);
        assert_eq!((truth.subject().as_str(), truth.description().as_deref()), (text, Some(text)));
        let stored = app.running.get(&linked.crew()).await.expect(200).body;
        assert_eq!((&stored["subject"], &stored["description"]), (&json!(text), &json!(text)));
    }
    // What others call it comes as it is, too.
    truth.by("boss").sets_subject("Night @ 10");
    truth.by("boss").sets_description("desk@night");
    app.running.until(&linked.crew(), |answer| answer.body["description"] == "desk@night").await;
    assert_eq!(app.running.get(&linked.crew()).await.expect(200).body["subject"], "Night @ 10");
}

#[tokio::test]
async fn an_account_whose_own_name_has_an_at_stays_connected() {
    let app = TestApp::start().await;
    let shop = app.sandbox.add_phone("shop");
    shop.sets_push_name("shop@work").unwrap();
    let crew = app.sandbox.add_group(NewGroup::new("Crew").owner("shop")).gid();
    let made = app.running.post("/api/v1/sessions", json!({"start": true})).await.expect(201);
    let session = made.body["id"].as_str().unwrap();
    let path = format!("/api/v1/sessions/{session}");
    shop.scans(&app.code(session).await).await.unwrap();
    for round in 0..3 {
        app.running.until(&path, |answer| answer.body["status"] == "working").await;
        // The client gives its name before it is ready for this.
        let subject = json!({"subject": format!("Round {round}")});
        app.running.patch(&format!("{path}/groups/{crew}"), subject).await.expect(204);
        app.running.post(&format!("{path}:restart"), json!({})).await.expect(200);
    }
}

#[tokio::test]
async fn an_absent_field_is_left_alone_and_an_empty_description_clears_it() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.running.patch(&linked.crew(), json!({"description": "first"})).await.expect(204);
    app.running.patch(&linked.crew(), json!({"description": "second"})).await.expect(204);
    assert_eq!(app.sandbox.group(&linked.crew).description().as_deref(), Some("second"));
    app.running.patch(&linked.crew(), json!({"description": ""})).await.expect(204);
    let truth = app.sandbox.group(&linked.crew);
    assert_eq!((truth.subject(), truth.description()), ("Crew".to_owned(), None));
    let stored = app.running.get(&linked.crew()).await.expect(200).body;
    assert_eq!(stored["subject"], "Crew");
    assert!(stored.get("description").is_none_or(|text| text == ""), "{stored}");
}

#[tokio::test]
async fn an_empty_change_asks_nothing_of_whatsapp() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let before = app.sandbox.journal().len();
    app.running.patch(&linked.board(), json!({})).await.expect(204);
    assert_eq!(app.sandbox.journal().len(), before);
}

#[tokio::test]
async fn what_only_admins_may_is_refused_to_a_member() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    for (body, field) in
        [(json!({"subject": "Mine"}), "subject"), (json!({"announce": true}), "announce")]
    {
        let details = app.running.patch(&linked.board(), body).await.error(403, "forbidden");
        assert_eq!((&details["reason"], &details["failed"]), (&json!("whatsapp"), &json!(field)));
        assert!(matches!(details["whatsappCode"].as_u64(), Some(401 | 403)), "{details}");
    }
    assert_eq!(app.sandbox.group(&linked.board).subject(), "Board");
}

#[tokio::test]
async fn a_failure_part_way_says_how_far_it_came_and_stores_that_much() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    // A plain member of a group that is not locked may change its subject, but not who may write.
    app.sandbox.group(&linked.board).by("boss").sets_locked(false);
    app.running.until(&linked.board(), |answer| answer.body["isLocked"] == false).await;
    let body = json!({"subject": "Ours", "announce": true, "locked": true});
    let details = app.running.patch(&linked.board(), body).await.error(403, "forbidden");
    assert_eq!(details["applied"], json!(["subject"]));
    assert_eq!(
        (&details["failed"], &details["notAttempted"]),
        (&json!("announce"), &json!(["locked"]))
    );
    let stored = app.running.get(&linked.board()).await.expect(200).body;
    assert_eq!((&stored["subject"], &stored["isAnnounce"]), (&json!("Ours"), &json!(false)));
}

#[tokio::test]
async fn a_right_that_was_lost_shows_at_the_next_change() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.running.patch(&linked.crew(), json!({"locked": true})).await.expect(204);
    app.sandbox.group(&linked.crew).demotes("shop");
    app.running.patch(&linked.crew(), json!({"subject": "No"})).await.error(403, "forbidden");
    app.sandbox.group(&linked.crew).promotes("shop");
    app.running.patch(&linked.crew(), json!({"subject": "Yes"})).await.expect(204);
}

#[tokio::test]
async fn only_whatsapp_knows_whether_a_group_exists() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let unknown = linked.path(&format!("/groups/{UNKNOWN_GROUP}"));
    let details =
        app.running.patch(&unknown, json!({"subject": "x"})).await.error(404, "not_found");
    assert_eq!(details["failed"], "subject");
}
