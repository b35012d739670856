//! Linking by a code that is typed on the phone.

use serde_json::{Value, json};
use wharf_sandbox::Fault;

use crate::{
    app::{Answer, TestApp},
    states::impatient,
};

/// A session that is stopped, and the number of the phone `shop`.
async fn unpaired(app: &TestApp) -> (String, String) {
    let number = app.sandbox.add_phone("shop").number().unwrap();
    let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    (made["id"].as_str().unwrap().to_owned(), number)
}

async fn ask(app: &TestApp, session: &str, phone: &str) -> Answer {
    let path = format!("/api/v1/sessions/{session}/pairing-code");
    let answer = app.running.post(&path, json!({"phone": phone})).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer
}

fn code(answer: Answer) -> String {
    let code = answer.expect(200).body["code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 8);
    code
}

#[tokio::test]
async fn a_code_that_is_typed_on_the_phone_links_it() {
    let app = TestApp::start().await;
    let (session, number) = unpaired(&app).await;
    let code = code(ask(&app, &session, &number).await);
    app.running.until_status(&session, "scan_qr_code").await;
    app.sandbox.phone("shop").enters_code(&code).await.unwrap();
    let linked = app.running.until_status(&session, "working").await;
    assert_eq!(linked["phoneNumber"], number.as_str());
    let answer = ask(&app, &session, &number).await;
    answer.error(409, "conflict");
    // The code is told to nobody but whoever asked for it.
    let events = app.running.get("/api/v1/events").await.expect(200).body.to_string();
    assert!(events.contains("auth.code") && !events.contains(&code), "{events}");
}

#[tokio::test]
async fn a_wrong_code_leaves_the_right_one_good() {
    let app = TestApp::start().await;
    let (session, number) = unpaired(&app).await;
    let code = code(ask(&app, &session, &number).await);
    app.sandbox.phone("shop").enters_code("11111111").await.unwrap_err();
    app.sandbox.phone("shop").enters_code(&code).await.unwrap();
    app.running.until_status(&session, "working").await;
}

#[tokio::test]
async fn asked_again_it_is_the_same_code_and_for_another_phone_a_conflict_until_it_ends() {
    let app = TestApp::start().await;
    let (session, number) = unpaired(&app).await;
    let other = app.sandbox.add_phone("till").number().unwrap();
    let (one, same) = tokio::join!(ask(&app, &session, &number), ask(&app, &session, &number));
    let one = code(one);
    assert_eq!(one, code(same));
    assert_eq!(one, code(ask(&app, &session, &number).await));
    let refused = ask(&app, &session, &other).await;
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((60..=180).contains(&seconds), "{seconds}");
    assert_eq!(refused.error(409, "conflict"), json!({"reason": "pairing_code_outstanding"}));

    let path = format!("/api/v1/sessions/{session}:restart");
    app.running.call_as_manager("POST", &path, None).await.expect(200);
    let another = code(ask(&app, &session, &other).await);
    assert_ne!(one, another);
    app.sandbox.phone("till").enters_code(&another).await.unwrap();
    let linked = app.running.until_status(&session, "working").await;
    assert_eq!(linked["phoneNumber"], other.as_str());
}

#[tokio::test]
async fn a_code_that_whatsapp_calls_void_is_replaced_when_it_is_asked_for() {
    let app = TestApp::start().await;
    let (session, number) = unpaired(&app).await;
    let first = code(ask(&app, &session, &number).await);
    app.sandbox.phone("shop").expires_code(true).unwrap();
    let second = crate::app::eventually("another code", async || {
        let next = code(ask(&app, &session, &number).await);
        if next == first { Err(next) } else { Ok(next) }
    })
    .await;
    app.sandbox.phone("shop").enters_code(&second).await.unwrap();
    app.running.until_status(&session, "working").await;
}

#[tokio::test]
async fn whatsapps_refusals_have_their_statuses_and_the_next_request_is_free() {
    let app = TestApp::start().await;
    let (session, number) = unpaired(&app).await;
    for (refusal, status, name, details) in [
        (Fault::code(400).backoff(7), 429, "rate_limited", json!({"whatsappCode": 400})),
        (Fault::code(429), 429, "rate_limited", json!({"whatsappCode": 429})),
        (Fault::code(403), 403, "forbidden", json!({"reason": "whatsapp", "whatsappCode": 403})),
        (Fault::code(452), 403, "forbidden", json!({"reason": "whatsapp", "whatsappCode": 452})),
        (Fault::code(500), 502, "upstream_error", json!({"whatsappCode": 500})),
    ] {
        app.sandbox.fails_next("pairing.code", 1, refusal);
        let answer = ask(&app, &session, &number).await;
        let retry = answer.header("retry-after").map(str::to_owned);
        assert_eq!(answer.error(status, name), details);
        assert_eq!(retry.is_some(), status == 429);
        if details["whatsappCode"] == 400 {
            assert_eq!(retry.as_deref(), Some("7"));
        }
    }
    let code = code(ask(&app, &session, &number).await);
    app.sandbox.phone("shop").enters_code(&code).await.unwrap();
    app.running.until_status(&session, "working").await;
}

#[tokio::test]
async fn silence_is_a_timeout_and_a_lost_connection_is_501() {
    let app = impatient().await;
    let (session, number) = unpaired(&app).await;
    app.sandbox.fails_next("pairing.code", 1, Fault::silence_before());
    ask(&app, &session, &number).await.error(504, "upstream_timeout");
    app.sandbox.fails_next("pairing.code", 1, Fault::drop_before());
    let details = ask(&app, &session, &number).await.error(501, "not_implemented");
    assert_eq!(details, json!({"reason": "session_not_connected", "status": "starting"}));
    code(ask(&app, &session, &number).await);
}

#[tokio::test]
async fn a_session_that_does_not_reach_whatsapp_says_so_in_time() {
    let app = impatient().await;
    let (session, number) = unpaired(&app).await;
    app.sandbox.refuses_connections(true);
    let details = ask(&app, &session, &number).await.error(501, "not_implemented");
    assert_eq!(details, json!({"reason": "session_not_connected", "status": "failed"}));
    app.sandbox.heals();
    code(ask(&app, &session, &number).await);
}

#[tokio::test]
async fn only_a_whole_number_of_digits_is_a_phone() {
    let app = TestApp::start().await;
    let (session, number) = unpaired(&app).await;
    let path = format!("/api/v1/sessions/{session}/pairing-code");
    let spaced = format!("{} {}", &number[..4], &number[4..]);
    for phone in [
        json!(""),
        json!("123456"),
        json!("1234567890123456"),
        json!("0123456789"),
        json!(format!("+{number}")),
        json!(spaced),
        json!("１５５５００００００１"),
        json!(15_550_000_001_u64),
        Value::Null,
    ] {
        let answer = app.running.post(&path, json!({"phone": phone})).await;
        let details = answer.error(400, "validation_error");
        assert_eq!(details["errors"][0]["field"], "phone", "{phone}");
    }
    let details = app.running.post(&path, json!({})).await.error(400, "validation_error");
    assert_eq!(details["errors"][0]["field"], "phone");
    let unmoved = app.running.get(&format!("/api/v1/sessions/{session}")).await.expect(200).body;
    assert_eq!(unmoved["status"], "stopped");
}
