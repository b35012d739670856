//! Who must not get in, at every operation of the served document: without a credential that holds, without the
//! capability, into another organization, beyond a key's own sessions. And in what order that is found out.

mod examples;

use axum::{body::Body, http::Request};
use serde_json::json;
use sha2::{Digest, Sha256};
use wharf_storage::{ApiKey, Capability, KeyId, SessionId};

use crate::{
    app::{Answer, Linked, TestApp, UNKNOWN_GROUP},
    operations::{Operation, documented, of_sessions},
};
use examples::{Example, Objects, examples};

const ALL: [Capability; 4] =
    [Capability::Read, Capability::Send, Capability::Manage, Capability::Events];

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

fn objects(linked: &Linked) -> Objects {
    let key = KeyId::generate(7).to_string();
    Objects { session: linked.session.clone(), group: linked.crew.clone(), key }
}

/// Things that there never were, in every form in which somebody may name one; the first is like ours.
fn unknown(like: &Objects) -> Vec<Objects> {
    let never = SessionId::generate(7).to_string();
    let lower = like.session.to_lowercase();
    let forms = [&never, &lower, "01HZ0SESSION0000000000000", "x", "%FF", "%20", "~x", "a:9"];
    let lower = like.key.to_lowercase();
    let keys = ["key_01HZ0000000000000000000000", &lower, "x", "key_x", "%FF", "%20", "~x", "a:9"];
    let groups = [UNKNOWN_GROUP, &like.group].into_iter().cycle();
    let all = forms.into_iter().zip(keys).zip(groups);
    all.map(|((session, key), group)| Objects {
        session: session.to_owned(),
        group: group.to_owned(),
        key: key.to_owned(),
    })
    .collect()
}

async fn call(
    app: &TestApp,
    key: &str,
    (operation, example): (&Operation, &Example),
    on: &Objects,
) -> Answer {
    app.running.call(key, &operation.method, &on.path(operation), example.body(on)).await
}

/// All of an answer that may tell something: no id of the request, no date.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    /// Sorted.
    headers: Vec<(String, Vec<u8>)>,
    body: String,
}

fn told(mut answer: Answer) -> Told {
    for name in ["x-request-id", "date"] {
        answer.headers.remove(name);
    }
    let headers = answer.headers.iter();
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    headers.sort_unstable();
    Told { status: answer.status, headers, body: String::from_utf8(answer.bytes).unwrap() }
}

/// Asserts that to this key what there is and what there never was are the same.
async fn is_absent(app: &TestApp, key: &str, tried: (&Operation, &Example), on: &Objects) {
    let id = tried.0.id;
    let found = told(call(app, key, tried, on).await);
    if tried.0.template.contains('{') {
        assert_eq!(found.status, 404, "{id}: {found:?}");
        for never in unknown(on) {
            assert_eq!(told(call(app, key, tried, &never).await), found, "{id}: {never:?}");
        }
    } else if tried.1.names_something() {
        // It is named in the body, and so the answer may name it too.
        let never = unknown(on).swap_remove(0);
        let other = told(call(app, key, tried, &never).await);
        assert_eq!(found.status, 400, "{id}: {found:?}");
        let nameless =
            |told: Told, on: &Objects| Told { body: told.body.replace(&on.session, "…"), ..told };
        assert_eq!(nameless(other, &never), nameless(found, on), "{id}");
    } else {
        assert!(found.status < 300, "{id}: {found:?}");
        for ours in [&on.session, &on.group, &on.key] {
            assert!(!found.body.contains(ours), "{id}: {found:?}");
        }
    }
}

#[tokio::test]
async fn every_operation_lets_in_whom_it_must_and_nobody_else() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let ours = objects(&linked);
    let other = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
    let only = other["id"].as_str().unwrap().parse().unwrap();
    store_key(&app, "wa_only", |key| ApiKey { sessions: Some(vec![only]), ..key }).await;

    for (operation, example) in examples() {
        let (id, tried) = (operation.id, (&operation, example));
        let on = example.objects(&app, &ours).await;
        let journal = app.sandbox.journal().len();

        let bare = Request::builder().method(operation.method.as_str()).uri(on.path(&operation));
        let answer = app.running.send(bare.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{id}");
        answer.error(401, "unauthorized");

        let wanted = operation.capability().expect("it is not public");
        let others = ALL.into_iter().filter(|one| *one != wanted);
        // All the others together do not make up for the one.
        for carried in others.clone().map(|one| [one].into()).chain([others.collect()]) {
            let key = app.running.key_for("default", carried).await;
            let details = call(&app, &key, tried, &on).await.error(403, "forbidden");
            assert_eq!(details, json!({"reason": "capability"}), "{id}");
        }

        // A stranger of its own, whose lists hold nothing but what this one is answered.
        let elsewhere = format!("elsewhere, for {id}");
        let stranger = app.running.key_for(&elsewhere, wharf::keys::all_capabilities()).await;
        is_absent(&app, &stranger, tried, &on).await;
        let keys = app.running.store.keys(Some(&elsewhere), None, 9).await.unwrap();
        assert_eq!(keys.len(), 1, "{id}");
        if example.whole {
            let details = call(&app, "wa_only", tried, &on).await.error(403, "forbidden");
            assert_eq!(details, json!({"reason": "capability"}), "{id}");
        } else {
            is_absent(&app, "wa_only", tried, &on).await;
        }
        assert_eq!(app.sandbox.journal().len(), journal, "{id}");

        // With the one capability alone, it is what the document promises.
        let key = app.running.key_with(wanted).await;
        let answer = call(&app, &key, tried, &on).await;
        assert_eq!(answer.status, operation.success(), "{id}: {}", answer.body);
    }
    let session = app.running.get(&linked.path("")).await.expect(200).body;
    assert_eq!(session["status"], "working");
    assert_eq!(app.sandbox.phone("shop").devices().len(), 1);
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
    }
    app.running.call("wa_good", "GET", "/api/v1/sessions", None).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_never_depends_on_whose_session_it_names() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let stranger = app.running.key_for("elsewhere", wharf::keys::all_capabilities()).await;
    store_key(&app, "wa_none", |key| ApiKey {
        sessions: Some(vec![SessionId::generate(7)]),
        ..key
    })
    .await;
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
                for key in [&stranger, "wa_none"] {
                    let answer = app.running.call(key, &operation.method, &path, body.clone());
                    answers.push(told(answer.await.expect(400)));
                }
                let ours = app.running.call_as_manager(&operation.method, &path, body.clone());
                answers.push(told(ours.await.expect(400)));
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_405_and_names_those_that_it_has() {
    let app = TestApp::start().await;
    let all = documented();
    for operation in &all {
        let of_path = all.iter().filter(|other| other.template == operation.template);
        let mut has: Vec<_> = of_path.map(|other| other.method.as_str()).collect();
        if has.contains(&"GET") {
            has.push("HEAD");
        }
        has.sort_unstable();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if has.contains(&method) {
                continue;
            }
            let path = operation.anywhere();
            let request = Request::builder().method(method).uri(&path).body(Body::empty()).unwrap();
            let answer = app.running.send(request).await;
            let mut allowed: Vec<_> =
                answer.header("allow").unwrap_or_default().split(',').collect();
            allowed.sort_unstable();
            assert_eq!(allowed, has, "{method} {path}");
            answer.error(405, "method_not_allowed");
        }
    }
}
