//! Request bodies: what no operation takes, and that it then does nothing.

use axum::{body::Body, http::header};
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, UNKNOWN_GROUP},
    operations::{Operation, documented},
};

const MIB: usize = 1 << 20;

fn with_body() -> Vec<Operation> {
    let all: Vec<_> =
        documented().into_iter().filter(|operation| operation.fields.is_some()).collect();
    assert!(all.len() >= 3);
    all
}

async fn send(
    app: &TestApp,
    operation: &Operation,
    media: &[&str],
    body: impl Into<Body>,
) -> Answer {
    let mut request = app.running.request(&operation.method, &operation.anywhere());
    for media in media {
        request = request.header(header::CONTENT_TYPE, *media);
    }
    app.running.send(request.body(body.into()).unwrap()).await
}

/// Asserts that the body is refused for the sake of this field.
async fn refused(app: &TestApp, operation: &Operation, body: &str, field: &str) {
    let answer = send(app, operation, &["application/json"], body.to_owned()).await;
    let shown: String = body.chars().take(80).collect();
    assert_eq!(answer.status, 400, "{}: {shown}: {}", operation.id, answer.body);
    let details = answer.error(400, "validation_error");
    let named: Vec<_> =
        details["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert!(named.contains(&&json!(field)), "{}: {shown}: {details}", operation.id);
}

/// Asserts that no request has made a session.
async fn nothing_was_made(app: &TestApp) {
    let sessions = app.running.get("/api/v1/sessions").await.expect(200).body;
    assert_eq!(sessions["data"], json!([]));
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_by_every_operation() {
    let app = TestApp::start().await;
    for operation in with_body() {
        for body in [
            "",
            " ",
            "null",
            "true",
            "1",
            "\"x\"",
            "[]",
            "[{}]",
            "{",
            "{} {}",
            "{}x",
            "{\"",
            "{'a': 1}",
            "{\"a\":}",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":NaN}",
            "\u{feff}{}",
            "// {}\n{}",
        ] {
            refused(&app, &operation, body, "body").await;
        }
        for bytes in [&b"{\"a\": \"\xff\"}"[..], b"{\"\xff\": 1}", b"\x00", b"{}\x00"] {
            let answer = send(&app, &operation, &["application/json"], bytes).await;
            answer.error(400, "validation_error");
        }
    }
    nothing_was_made(&app).await;
}

#[tokio::test]
async fn a_field_that_is_unknown_null_of_another_type_or_given_twice_is_named() {
    let app = TestApp::start().await;
    for operation in with_body() {
        for name in ["nonsense", "id", "organization", "Subject", "subject ", ""] {
            refused(&app, &operation, &json!({name: 1}).to_string(), name).await;
        }
        for (name, schema) in operation.fields.unwrap() {
            refused(&app, &operation, &json!({name: null}).to_string(), name).await;
            let (right, wrong): (Value, &[Value]) = match schema["type"].as_str().unwrap() {
                "string" => (json!("x"), &[json!(1), json!(true), json!(["x"])]),
                "boolean" => (json!(true), &[json!("true"), json!(1), json!(0)]),
                "integer" => (json!(1), &[json!("1"), json!(1.5), json!(1e300), json!(true)]),
                "array" => (json!([]), &[json!("x"), json!([1]), json!([null]), json!([[]])]),
                other => panic!("`{name}` is `{other}`"),
            };
            for wrong in wrong.iter().chain([&json!({})]) {
                refused(&app, &operation, &json!({name: wrong}).to_string(), name).await;
            }
            let twice = format!("{{\"{name}\": {right}, \"{name}\": {right}}}");
            refused(&app, &operation, &twice, name).await;
        }
    }
    nothing_was_made(&app).await;
}

#[tokio::test]
async fn a_body_of_another_type_is_415_and_an_empty_one_is_400_whatever_its_type() {
    let app = TestApp::start().await;
    let types: [&[&str]; 6] = [
        &[],
        &[""],
        &["text/plain"],
        &["application/x-www-form-urlencoded"],
        &["application/jsonp"],
        &["application/json", "application/json"],
    ];
    for operation in with_body() {
        for media in types {
            let answer = send(&app, &operation, media, "{}").await;
            answer.error(415, "unsupported_media_type");
            send(&app, &operation, media, "").await.error(400, "validation_error");
        }
        for media in ["application/json; charset=utf-8", "Application/JSON"] {
            refused(&app, &operation, "[]", "body").await;
            let answer = send(&app, &operation, &[media], "{}").await;
            assert_ne!(answer.status, 415, "{}: {media}", operation.id);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_nested_deeply_is_400_and_hurts_nobody() {
    let app = TestApp::start().await;
    for operation in with_body() {
        let name = operation.fields.unwrap().keys().next().unwrap();
        for (open, close, depth) in [("[", "]", 100_000), ("{\"a\":", "}", 10_000), ("[", "]", 120)]
        {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for body in [nested.clone(), format!("{{\"{name}\": {nested}}}")] {
                let answer = send(&app, &operation, &["application/json"], body).await;
                answer.error(400, "validation_error");
            }
        }
    }
    app.running.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not_and_one_at_the_limit_is_read() {
    let app = TestApp::start().await;
    for operation in with_body() {
        let chunks = |count: usize| {
            let chunk = " ".repeat(MIB / 4);
            let whole = (0..count).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
            Body::from_stream(futures_util::stream::iter(whole))
        };
        let answer = send(&app, &operation, &["application/json"], chunks(5)).await;
        answer.error(413, "payload_too_large");
        let answer = send(&app, &operation, &["application/json"], chunks(4)).await;
        answer.error(400, "validation_error");
        refused(&app, &operation, &format!("{}[]", " ".repeat(MIB - 2)), "body").await;
    }
    // What is announced is refused at once, by every operation and where there is none.
    let all = documented().into_iter().map(|operation| (operation.anywhere(), operation.method));
    for (path, method) in all.chain([("/nowhere".to_owned(), "POST".to_owned())]) {
        let request = app.running.request(&method, &path).header(header::CONTENT_LENGTH, MIB + 1);
        let answer = app.running.send(request.body(Body::empty()).unwrap()).await;
        answer.error(413, "payload_too_large");
    }
    nothing_was_made(&app).await;
}

#[tokio::test]
async fn lengths_are_counted_in_unicode_scalar_values_and_blanks_are_no_subject() {
    let app = TestApp::start().await;
    let group = format!("/api/v1/sessions/x/groups/{UNKNOWN_GROUP}");
    for (field, longest) in [("subject", 100), ("description", 2048)] {
        for text in ["🚢".repeat(longest), "e\u{301}".repeat(longest / 2)] {
            app.running.patch(&group, json!({field: text})).await.error(404, "not_found");
        }
        let body = json!({field: "🚢".repeat(longest + 1)});
        let details = app.running.patch(&group, body).await.error(400, "validation_error");
        assert_eq!(details["errors"][0]["field"], field);
    }
    for blank in ["", " ", " \t\r\n ", "\u{a0}\u{2003}\u{3000}"] {
        let answer = app.running.patch(&group, json!({"subject": blank})).await;
        assert_eq!(answer.error(400, "validation_error")["errors"][0]["field"], "subject");
    }
    app.running.patch(&group, json!({"description": ""})).await.error(404, "not_found");
    let made = app.running.post("/api/v1/sessions", json!({"label": "🚢".repeat(200)})).await;
    assert_eq!(made.expect(201).body["label"].as_str().unwrap().chars().count(), 200);
    let answer = app.running.post("/api/v1/sessions", json!({"label": "x".repeat(201)})).await;
    assert_eq!(answer.error(400, "validation_error")["errors"][0]["field"], "label");
}

#[tokio::test]
async fn every_fault_of_a_body_is_named_and_none_of_its_good_fields_takes_effect() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let before = app.running.get(&linked.crew()).await.expect(200).body;
    let journal = app.sandbox.journal().len();
    let body = json!({
        "subject": "Fine", "description": 1, "announce": null, "locked": true, "zeal": 9,
    });
    let details = app.running.patch(&linked.crew(), body).await.error(400, "validation_error");
    let mut named: Vec<_> = details["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    named.sort_unstable();
    assert_eq!(named, ["announce", "description", "zeal"]);
    assert_eq!(app.sandbox.journal().len(), journal);
    assert_eq!(app.running.get(&linked.crew()).await.expect(200).body, before);
}
