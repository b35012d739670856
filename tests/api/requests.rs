//! What holds for every request: ids, bodies, methods and paths.

use std::fmt::Write as _;

use axum::body::Body;
use serde_json::{Value, json};

use crate::app::{TestApp, UNKNOWN_GROUP};

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
async fn a_wrong_method_names_the_right_ones() {
    let app = TestApp::start().await;
    for (method, path, right) in [
        ("DELETE", "/api/v1/sessions", "POST"),
        ("GET", "/api/v1/sessions/x:start", "POST"),
        ("POST", "/healthz", "GET"),
        ("PUT", "/api/v1/sessions/x/groups/1@g.us", "PATCH"),
    ] {
        let answer =
            app.running.send(app.running.request(method, path).body(Body::empty()).unwrap()).await;
        let allowed = answer.header("allow").unwrap_or_default().to_owned();
        assert!(allowed.contains(right), "{method} {path}: {allowed}");
        answer.error(405, "method_not_allowed");
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
async fn a_body_must_be_a_json_object_of_known_fields() {
    let app = TestApp::start().await;
    let group = format!("/api/v1/sessions/x/groups/{UNKNOWN_GROUP}");
    let faults = [
        ("", "body"),
        ("[]", "body"),
        ("null", "body"),
        ("{", "body"),
        (r#"{"subject": null}"#, "subject"),
        (r#"{"subjekt": "x"}"#, "subjekt"),
        (r#"{"announce": "true"}"#, "announce"),
        (r#"{"subject": ""}"#, "subject"),
        (r#"{"subject": " \t "}"#, "subject"),
    ];
    for (body, field) in faults {
        let request =
            app.running.request("PATCH", &group).header("content-type", "application/json");
        let details = app
            .running
            .send(request.body(Body::from(body)).unwrap())
            .await
            .error(400, "validation_error");
        assert_eq!(details["errors"][0]["field"], field, "{body}");
    }
    let request = app.running.request("PATCH", &group).body(Body::empty()).unwrap();
    app.running.send(request).await.error(400, "validation_error");
    let request = app.running.request("PATCH", &group).header("content-type", "text/plain");
    app.running
        .send(request.body(Body::from("{}")).unwrap())
        .await
        .error(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_body_that_is_nested_deeply_is_400_and_hurts_nobody() {
    let app = TestApp::start().await;
    for (open, close, depth) in [("[", "]", 100_000), ("{\"a\":", "}", 10_000), ("[", "]", 120)] {
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        for body in [nested.clone(), format!("{{\"subject\": {nested}}}")] {
            let group = format!("/api/v1/sessions/x/groups/{UNKNOWN_GROUP}");
            let request =
                app.running.request("PATCH", &group).header("content-type", "application/json");
            let answer = app.running.send(request.body(Body::from(body)).unwrap()).await;
            answer.error(400, "validation_error");
        }
    }
    app.running.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn lengths_are_counted_in_unicode_scalar_values() {
    let app = TestApp::start().await;
    let group = format!("/api/v1/sessions/x/groups/{UNKNOWN_GROUP}");
    for (field, longest) in [("subject", 100), ("description", 2048)] {
        let body = json!({field: "🚢".repeat(longest)});
        app.running.patch(&group, body).await.error(404, "not_found");
        let body = json!({field: "🚢".repeat(longest + 1)});
        let details = app.running.patch(&group, body).await.error(400, "validation_error");
        assert_eq!(details["errors"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_cut_off_at_the_limit() {
    let app = TestApp::start().await;
    let body = Body::from_stream(endless(1 << 20));
    let request =
        app.running.request("POST", "/api/v1/sessions").header("content-type", "application/json");
    app.running.send(request.body(body).unwrap()).await.error(413, "payload_too_large");
}

/// More than `limit` bytes of an object that never ends.
fn endless(limit: usize) -> impl futures_util::Stream<Item = Result<String, std::io::Error>> {
    let chunk = " ".repeat(limit / 4);
    futures_util::stream::iter((0..5).map(move |_| Ok(chunk.clone())))
}

#[tokio::test]
async fn an_address_comes_raw_or_percent_encoded() {
    let app = TestApp::start().await;
    for gid in [UNKNOWN_GROUP.to_owned(), encoded(UNKNOWN_GROUP)] {
        let answer = app.running.get(&format!("/api/v1/sessions/x/groups/{gid}")).await;
        assert_eq!(answer.expect(404).body["error"]["message"], "session not found", "{gid}");
    }
    for gid in [
        "1",
        "@g.us",
        "x@g.us",
        "1@s.whatsapp.net",
        "1-2-3@g.us",
        "1:2@g.us",
        "%FF@g.us",
        "1@g.us%20",
    ] {
        let details = app
            .running
            .get(&format!("/api/v1/sessions/x/groups/{gid}"))
            .await
            .error(400, "validation_error");
        assert_eq!(details["errors"][0]["field"], "gid", "{gid}: {details}");
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
