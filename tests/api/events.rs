//! The event log over the API.

use serde_json::{Value, json};
use wharf_storage::Capability;

use crate::app::TestApp;

const EVENTS: &str = "/api/v1/events";

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().unwrap();
    data.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_log_is_read_in_pages_and_polled_from_its_end() {
    let app = TestApp::start().await;
    let empty = app.running.get(EVENTS).await.expect(200).body;
    assert_eq!(empty["data"], json!([]));
    let begin = empty["nextCursor"].as_str().unwrap().to_owned();
    assert!(begin.starts_with("evt_"), "{begin}");

    let linked = app.linked().await;
    let all = app.running.get(&format!("{EVENTS}?limit=200")).await.expect(200).body;
    let wanted = ids(&all);
    assert!(wanted.is_sorted_by(|one, next| one < next));
    let names: Vec<_> =
        all["data"].as_array().unwrap().iter().map(|one| one["event"].as_str().unwrap()).collect();
    for name in ["session.status", "auth.qr", "auth.code", "group.update"] {
        assert!(names.contains(&name), "no `{name}` in {names:?}");
    }
    for event in all["data"].as_array().unwrap() {
        assert_eq!(
            (&event["schema"], &event["organization"], &event["session"]),
            (&json!("v1"), &json!("default"), &json!(linked.session))
        );
    }

    for parameter in ["after", "cursor"] {
        let (mut seen, mut cursor) = (Vec::new(), begin.clone());
        loop {
            let path = format!("{EVENTS}?limit=3&{parameter}={cursor}");
            let page = app.running.get(&path).await.expect(200).body;
            assert!(!page["nextCursor"].as_str().unwrap().is_empty());
            if page["data"] == json!([]) {
                assert_eq!(page["nextCursor"], cursor, "an end that moves");
                break;
            }
            seen.extend(ids(&page));
            page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        }
        assert_eq!(seen, wanted);
    }

    let end = all["nextCursor"].as_str().unwrap();
    app.running.patch(&linked.crew(), json!({"subject": "News"})).await.expect(204);
    let news = app.running.get(&format!("{EVENTS}?after={end}")).await.expect(200).body;
    let [event] = &news["data"].as_array().unwrap()[..] else { panic!("{news}") };
    assert_eq!(
        (&event["event"], &event["payload"]["subject"]),
        (&json!("group.update"), &json!("News"))
    );
    assert_eq!(event["payload"]["groupJid"], linked.crew);
}

#[tokio::test]
async fn a_cursor_that_is_none_or_of_another_log_is_400_and_one_that_is_no_longer_kept_is_410() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let future = format!("after=evt_{}", "7Z".repeat(13));
    for query in ["after=x", "cursor=x", "after=evt_x", &future, "limit=x", "after=a&after=b"] {
        app.running.get(&format!("{EVENTS}?{query}")).await.error(400, "validation_error");
    }
    for name in ["after", "cursor"] {
        for event in ["x".to_owned(), format!("evt_{}", "7Z".repeat(13))] {
            let answer = app.running.get(&format!("{EVENTS}?{name}={event}")).await;
            let details = answer.error(400, "validation_error");
            assert_eq!(details["errors"][0]["field"], name, "{event}");
        }
    }
    let all = app.running.get(EVENTS).await.expect(200).body;
    let first = ids(&all)[0].clone();
    let both = format!("{EVENTS}?after={first}&cursor={first}");
    app.running.get(&both).await.error(400, "validation_error");

    app.running.store.sweep_events(i64::MAX, 1_000).await.unwrap();
    app.running.get(&format!("{EVENTS}?after={first}")).await.error(410, "gone");
    let rest = app.running.get(EVENTS).await.expect(200).body;
    assert_eq!(rest["data"], json!([]));
    let end = rest["nextCursor"].as_str().unwrap();
    app.running.patch(&linked.crew(), json!({"locked": true})).await.expect(204);
    let news = app.running.get(&format!("{EVENTS}?after={end}")).await.expect(200).body;
    assert_eq!(news["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_organization_and_every_key_sees_its_own_events_only() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let stranger = app.running.key_for("elsewhere", wharf::keys::all_capabilities()).await;
    let theirs = app.running.call(&stranger, "GET", EVENTS, None).await.expect(200).body;
    assert_eq!(theirs["data"], json!([]));
    let reader = app.running.key_with(Capability::Read).await;
    app.running.call(&reader, "GET", EVENTS, None).await.error(403, "forbidden");

    let other = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    for (session, sees) in [(&json!(linked.session), true), (&other["id"], false)] {
        let wanted = json!({"name": "one", "permissions": ["events"], "sessions": [session]});
        let key = app.running.post("/api/v1/api-keys", wanted).await.expect(201).body;
        let key = key["key"].as_str().unwrap();
        let page = app.running.call(key, "GET", EVENTS, None).await.expect(200).body;
        assert_eq!(!page["data"].as_array().unwrap().is_empty(), sees, "{page}");
        assert_ne!(page["nextCursor"], "");
    }
}
