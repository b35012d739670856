//! Who must not get in, at every operation: without a credential that holds, and into another organization's session.

use axum::{body::Body, http::Request};
use serde_json::json;
use sha2::{Digest, Sha256};
use wharf_storage::{ApiKey, Capability, KeyId};

use crate::{
    app::{TestApp, UNKNOWN_GROUP},
    operations::{documented, of_sessions},
};

/// A key that may do all, as it stands in the store, with this secret.
async fn store_key(app: &TestApp, secret: &str, change: impl FnOnce(ApiKey) -> ApiKey) {
    let key = ApiKey {
        id: KeyId::generate(1),
        organization: "default".to_owned(),
        name: "test".to_owned(),
        capabilities: wharf::keys::all_capabilities(),
        sessions: None,
        created_at: 1,
        expires_at: None,
        revoked_at: None,
    };
    app.running.store.add_key(change(key), Sha256::digest(secret).into()).await.unwrap();
}

#[tokio::test]
async fn no_operation_is_open_to_a_credential_that_does_not_hold() {
    let app = TestApp::start().await;
    store_key(&app, "wa_good", |key| key).await;
    store_key(&app, "wa_expired", |key| ApiKey { expires_at: Some(2), ..key }).await;
    store_key(&app, "wa_revoked", |key| ApiKey { revoked_at: Some(2), ..key }).await;
    let headers: [&[(&str, &str)]; 12] = [
        &[],
        &[("authorization", "Bearer wa_wrong")],
        &[("authorization", "Bearer wa_expired")],
        &[("authorization", "Bearer wa_revoked")],
        &[("authorization", "Bearer WA_GOOD")],
        &[("authorization", "Bearer")],
        &[("authorization", "Basic d2FfZ29vZA==")],
        &[("authorization", "wa_good")],
        &[("x-api-key", "wa_revoked")],
        &[("x-api-key", "")],
        &[("x-api-key", "wa_good"), ("x-api-key", "wa_good")],
        &[("authorization", "Bearer wa_good"), ("x-api-key", "wa_good")],
    ];
    for operation in documented().into_iter().filter(|operation| !operation.public) {
        let path = operation.anywhere();
        for given in headers {
            let mut request = Request::builder().method(operation.method.as_str()).uri(&path);
            for (name, value) in given {
                request = request.header(*name, *value);
            }
            // Nothing that comes after the credential is looked at.
            let request = request.header("content-type", "text/plain").body(Body::from("["));
            let answer = app.running.send(request.unwrap()).await;
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{given:?}");
            answer.error(401, "unauthorized");
        }
        for name in ["key", "api_key", "apiKey", "x-api-key", "authorization", "token", "ticket"] {
            let path = format!("{path}?{name}=wa_good");
            let request = Request::builder().method(operation.method.as_str()).uri(path);
            let answer = app.running.send(request.body(Body::empty()).unwrap()).await;
            answer.error(401, "unauthorized");
        }
        let answer = app.running.call("wa_good", &operation.method, &path, operation.body()).await;
        assert!(
            matches!(answer.status, 200 | 201 | 400 | 404),
            "{}: {}",
            operation.id,
            answer.body
        );
    }
}

#[tokio::test]
async fn a_credential_wants_the_capability_that_the_contract_names_and_no_other_will_do() {
    let app = TestApp::start().await;
    let all = [Capability::Read, Capability::Send, Capability::Manage, Capability::Events];
    for operation in documented() {
        let Some(wanted) = operation.capability() else { continue };
        let path = operation.anywhere();
        for carried in all {
            let key = app.running.key_with(carried).await;
            let answer = app.running.call(&key, &operation.method, &path, operation.body()).await;
            if carried == wanted {
                let passed = matches!(answer.status, 200 | 201 | 400 | 404);
                assert!(passed, "{}: {}", operation.id, answer.body);
            } else {
                let details = answer.error(403, "forbidden");
                assert_eq!(details, json!({"reason": "capability"}), "{}", operation.id);
            }
        }
        // All the others together do not make up for the one.
        let others = all.into_iter().filter(|one| *one != wanted).collect();
        let key = app.running.key_for("default", others).await;
        let answer = app.running.call(&key, &operation.method, &path, operation.body()).await;
        answer.error(403, "forbidden");
    }
}

#[tokio::test]
async fn another_organizations_session_is_absent_to_every_operation_and_stays_as_it_is() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let stranger = app.running.key_for("elsewhere", wharf::keys::all_capabilities()).await;
    let other = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let other = other["id"].as_str().unwrap();
    let only = other.parse().unwrap();
    store_key(&app, "wa_only", |key| ApiKey { sessions: Some(vec![only]), ..key }).await;
    let lower = linked.session.to_lowercase();
    let forms = [
        linked.session.as_str(),
        &lower,
        "01HZ0SESSION0000000000000",
        "x",
        "%FF",
        "%20",
        "~x",
        "a:9",
    ];
    let journal = app.sandbox.journal().len();
    let mut seen = 0;
    for operation in of_sessions() {
        for key in [stranger.as_str(), "wa_only"] {
            let mut answers = Vec::new();
            for session in forms {
                for group in [linked.crew.as_str(), UNKNOWN_GROUP] {
                    let path = operation.path(session, group);
                    let answer =
                        app.running.call(key, &operation.method, &path, operation.body()).await;
                    answers.push(answer.expect(404).bytes);
                    seen += 1;
                }
            }
            let first = String::from_utf8_lossy(&answers[0]).into_owned();
            assert!(first.contains("session not found"), "{}: {first}", operation.id);
            assert!(answers.iter().all(|bytes| *bytes == answers[0]), "{}", operation.id);
        }
    }
    assert!(seen >= 13 * 2 * forms.len() * 2);
    assert_eq!(app.sandbox.journal().len(), journal);
    let listed = app.running.call(&stranger, "GET", "/api/v1/sessions", None).await.expect(200);
    assert_eq!(listed.body, json!({"data": [], "nextCursor": ""}));
    let session = app.running.get(&linked.path("")).await.expect(200).body;
    assert_eq!(session["status"], "working");
    assert_eq!(app.sandbox.phone("shop").devices().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_never_depends_on_whose_session_it_names() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let stranger = app.running.key_for("elsewhere", wharf::keys::all_capabilities()).await;
    for operation in of_sessions() {
        let mut faulty = Vec::new();
        if operation.fields.is_some() {
            faulty.push((operation.path("{}", UNKNOWN_GROUP), Some(json!({"nonsense": 1}))));
        }
        if operation.has("gid") {
            faulty.push((operation.path("{}", "bad"), operation.body()));
        }
        if operation.asks("cursor") {
            faulty.push((format!("{}?cursor=zz", operation.path("{}", UNKNOWN_GROUP)), None));
            faulty.push((format!("{}?limit=-1", operation.path("{}", UNKNOWN_GROUP)), None));
        }
        for (path, body) in faulty {
            let mut answers = Vec::new();
            for session in [linked.session.as_str(), "x"] {
                let path = path.replace("{}", session);
                let answer =
                    app.running.call(&stranger, &operation.method, &path, body.clone()).await;
                answers.push(answer.expect(400).bytes);
                let ours = app.running.call_as_manager(&operation.method, &path, body.clone());
                answers.push(ours.await.expect(400).bytes);
            }
            assert!(answers.iter().all(|bytes| *bytes == answers[0]), "{}", operation.id);
        }
    }
}
