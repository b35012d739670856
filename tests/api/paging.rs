//! Pages of a list.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn every_row_comes_once_over_all_pages() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        let body = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
        made.push(body["id"].clone());
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app
            .running
            .get(&format!("/api/v1/sessions?limit=2&cursor={cursor}"))
            .await
            .expect(200)
            .body;
        seen.extend(page["data"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
        // What is added meanwhile comes at the end and disturbs no page.
        assert!(seen.len() < 5);
    }
    seen.sort_by_key(|id| id.as_str().unwrap().to_owned());
    made.sort_by_key(|id| id.as_str().unwrap().to_owned());
    assert_eq!(seen, made);
}

#[tokio::test]
async fn groups_come_in_pages_too_and_their_cursor_fits_no_other_list() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let first = app.running.get(&linked.path("/groups?limit=1")).await.expect(200).body;
    let cursor = first["nextCursor"].as_str().unwrap();
    let last = app
        .running
        .get(&linked.path(&format!("/groups?limit=1&cursor={cursor}")))
        .await
        .expect(200)
        .body;
    assert_ne!(first["data"][0]["groupJid"], last["data"][0]["groupJid"]);
    assert_eq!(last["nextCursor"], "");
    let details = app
        .running
        .get(&format!("/api/v1/sessions?cursor={cursor}"))
        .await
        .error(400, "validation_error");
    assert_eq!(details["errors"][0]["field"], "cursor");
}

#[tokio::test]
async fn a_wrong_limit_or_cursor_is_400_whoevers_session_it_is() {
    let app = TestApp::start().await;
    for query in ["limit=x", "limit=-1", "cursor=x", "limit=1&limit=2"] {
        app.running
            .get(&format!("/api/v1/sessions/x/groups?{query}"))
            .await
            .error(400, "validation_error");
    }
    for query in ["", "limit=0", "limit=1000", "limit=5&other=1"] {
        app.running.get(&format!("/api/v1/sessions?{query}")).await.expect(200);
    }
}
