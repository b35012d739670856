//! What holds for every request: ids, bodies, methods and paths.

use std::fmt::Write as _;

use axum::body::Body;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, UNKNOWN_GROUP},
    operations::of_sessions,
};

#[tokio::test]
async fn a_request_id_comes_back_if_it_is_short_and_visible_and_else_a_fresh_one() {
    let app = TestApp::start().await;
    for (given, echoed) in
        [("my-id-1", true), (&*"x".repeat(128), true), (&*"x".repeat(129), false), ("a b", false)]
    {
        for path in ["/healthz", "/nowhere"] {
            let request = app
                .running
                .request("GET", path)
                .header("x-request-id", given)
                .body(Body::empty())
                .unwrap();
            let answer = app.running.send(request).await;
            let id = answer.header("x-request-id").unwrap();
            assert!((id == given) == echoed && !id.is_empty(), "{path}: {given}: {id}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_and_the_routers_own_form_of_a_verb_are_404() {
    let app = TestApp::start().await;
    for path in [
        "/",
        "/api/v1",
        "/api/v1/sessions/",
        "/api/v1/sessions/x/~start",
        "/api/v1/sessions/x/%7Estart",
    ] {
        let request = app.running.request("POST", path).body(Body::empty()).unwrap();
        app.running.send(request).await.error(404, "not_found");
    }
}

#[tokio::test]
async fn an_id_that_looks_like_the_routers_own_form_is_checked_like_any_other() {
    let app = TestApp::start().await;
    let send = async |method: &str, path: &str| {
        let request = axum::http::Request::builder().method(method).uri(path);
        app.running.send(request.body(Body::empty()).unwrap()).await
    };
    send("GET", "/api/v1/sessions/~x").await.error(401, "unauthorized");
    send("PUT", "/api/v1/sessions/~x").await.error(405, "method_not_allowed");
    let answer = app.running.get("/api/v1/sessions/x/groups/~1@g.us").await;
    answer.error(400, "validation_error");
}

#[tokio::test]
async fn a_verb_that_does_not_exist_is_a_path_that_does_not() {
    let app = TestApp::start().await;
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let session = format!("/api/v1/sessions/{}", made["id"].as_str().unwrap());
    for path in [
        format!("{session}:halt"),
        format!("{session}:start:halt"),
        format!("{session}:revoke-all"),
        format!("{session}/groups/{UNKNOWN_GROUP}:halt"),
        format!("{session}/groups:start"),
        "/api/v1/sessions:start".to_owned(),
        "/api/v1/sessions/:start".to_owned(),
    ] {
        let request = app.running.request("POST", &path).body(Body::empty()).unwrap();
        let answer = app.running.send(request).await.expect(404);
        assert_eq!(answer.body["error"]["message"], "path not found", "{path}");
    }
    // To the other methods it is an id, like any that we never gave out.
    let answer = app.running.get(&format!("{session}:halt")).await.expect(404);
    assert_eq!(answer.body["error"]["message"], "session not found");
    assert_eq!(app.running.get(&session).await.expect(200).body, made);
}

#[tokio::test]
async fn a_group_is_named_in_one_form_by_every_operation_on_it() {
    let app = TestApp::start().await;
    let operations: Vec<_> =
        of_sessions().into_iter().filter(|operation| operation.has("gid")).collect();
    assert!(operations.len() >= 5);
    for operation in operations {
        let call = async |gid: &str| {
            let path = operation.path("x", gid);
            app.running.call_as_manager(&operation.method, &path, operation.body()).await
        };
        for gid in [UNKNOWN_GROUP.to_owned(), encoded(UNKNOWN_GROUP), "1-2%40g.us".to_owned()] {
            let answer = call(&gid).await.expect(404);
            assert_eq!(answer.body["error"]["message"], "session not found", "{gid}");
        }
        for gid in [
            "1",
            "@g.us",
            "x@g.us",
            "1@g.us.",
            "1@G.US",
            "1@s.whatsapp.net",
            "1@lid",
            "1-@g.us",
            "1-2-3@g.us",
            "1:2@g.us",
            "%FF@g.us",
            "%EF%BC%91@g.us",
            "1@g.us%20",
            "1%2F2@g.us",
            "%00@g.us",
        ] {
            let details = call(gid).await.error(400, "validation_error");
            assert_eq!(details["errors"][0]["field"], "gid", "{}: {gid}", operation.id);
        }
    }
}

#[tokio::test]
async fn a_group_is_reached_by_its_address_raw_or_percent_encoded() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    for (round, gid) in
        [linked.crew.clone(), linked.crew.replace('@', "%40"), encoded(&linked.crew)]
            .into_iter()
            .enumerate()
    {
        for operation in of_sessions().iter().filter(|operation| operation.has("gid")) {
            let subject = format!("Round {round}");
            let body = operation.fields.map(|_| json!({"subject": subject}));
            let path = operation.path(&linked.session, &gid);
            let answer = app.running.call_as_manager(&operation.method, &path, body).await;
            assert!(matches!(answer.status, 200 | 204), "{} {gid}: {}", operation.id, answer.body);
        }
        assert_eq!(app.sandbox.group(&linked.crew).subject(), format!("Round {round}"));
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "%{byte:02X}").unwrap();
        all
    })
}

#[tokio::test]
async fn the_gateway_tells_what_it_is() {
    let app = TestApp::start().await;
    assert_eq!(app.running.get("/healthz").await.expect(200).body, json!({"status": "ok"}));
    let version = app.running.get("/version").await.expect(200).body;
    assert_eq!(
        version,
        json!({"name": "wharf", "version": env!("CARGO_PKG_VERSION"), "sandbox": true})
    );
    assert!(matches!(version["version"], Value::String(_)));
}
