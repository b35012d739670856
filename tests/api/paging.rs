//! Pages of a list.

use serde_json::json;

use crate::{app::TestApp, operations::documented};

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
async fn a_wrong_limit_or_cursor_is_400_for_every_list_whoevers_it_is() {
    let app = TestApp::start().await;
    let lists: Vec<_> =
        documented().into_iter().filter(|operation| operation.asks("cursor")).collect();
    assert!(lists.len() >= 5);
    for list in lists {
        for (query, field) in [
            ("limit=x", "limit"),
            ("limit=", "limit"),
            ("limit=-1", "limit"),
            ("limit=1.5", "limit"),
            ("limit=%FF", "limit"),
            ("limit=1&limit=2", "limit"),
            ("cursor=x", "cursor"),
            ("cursor=zz", "cursor"),
            ("cursor=%00", "cursor"),
            ("cursor=6e756d626572733a31", "cursor"),
            ("cursor=a&cursor=b", "cursor"),
        ] {
            let answer = app.running.get(&format!("{}?{query}", list.anywhere())).await;
            let details = answer.error(400, "validation_error");
            assert_eq!(details["errors"][0]["field"], field, "{}: {query}", list.id);
        }
    }
}

#[tokio::test]
async fn every_list_takes_any_limit_and_always_says_where_it_goes_on() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    for list in documented().into_iter().filter(|operation| operation.asks("cursor")) {
        let path = list.path(&linked.session, &linked.crew);
        for query in [
            "",
            "limit=0",
            "limit=200",
            "limit=1000",
            "limit=99999999999999999999",
            "cursor=",
            "other=1",
        ] {
            let page = app.running.get(&format!("{path}?{query}")).await.expect(200).body;
            assert!(page["nextCursor"].is_string(), "{}: {page}", list.id);
            assert!(!page["data"].as_array().unwrap().is_empty(), "{}: {page}", list.id);
        }
        let page = app.running.get(&format!("{path}?limit=1")).await.expect(200).body;
        assert_eq!(page["data"].as_array().unwrap().len(), 1, "{}", list.id);
    }
}

#[tokio::test]
async fn a_page_has_fifty_rows_unless_told_and_never_more_than_two_hundred() {
    let app = TestApp::start().await;
    for _ in 0..205 {
        app.running.post("/api/v1/sessions", json!({})).await.expect(201);
    }
    for (query, rows) in
        [("", 50), ("limit=0", 50), ("limit=7", 7), ("limit=200", 200), ("limit=201", 200)]
    {
        let page = app.running.get(&format!("/api/v1/sessions?{query}")).await.expect(200).body;
        assert_eq!(page["data"].as_array().unwrap().len(), rows, "{query}");
        assert_ne!(page["nextCursor"], "", "{query}");
    }
}

#[tokio::test]
async fn pages_are_stable_while_rows_come_and_go() {
    let app = TestApp::start().await;
    let make = async || {
        let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
        made["id"].as_str().unwrap().to_owned()
    };
    let mut kept = Vec::new();
    for _ in 0..6 {
        kept.push(make().await);
    }
    let (mut seen, mut cursor, mut removed) = (Vec::new(), String::new(), None);
    loop {
        let page = app.running.get(&format!("/api/v1/sessions?limit=2&cursor={cursor}")).await;
        let page = page.expect(200).body;
        let ids = page["data"].as_array().unwrap().iter();
        seen.extend(ids.map(|one| one["id"].as_str().unwrap().to_owned()));
        page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
        if removed.is_none() {
            // The row at which the cursor stands goes, and another one comes.
            let last = seen.last().unwrap().clone();
            let path = format!("/api/v1/sessions/{last}");
            app.running.call_as_manager("DELETE", &path, None).await.expect(204);
            removed = Some(last);
            make().await;
        }
    }
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "a row came twice");
    assert!(removed.is_some() && kept.iter().all(|id| seen.contains(id)), "{kept:?}: {seen:?}");
}
