//! API keys over the API.

use axum::body::Body;
use serde_json::{Value, json};
use wharf_storage::{Capability, SessionId};

use crate::app::{Answer, TestApp};

const KEYS: &str = "/api/v1/api-keys";

async fn revoke(app: &TestApp, id: &str) -> Answer {
    let path = format!("{KEYS}/{id}");
    app.running.send(app.running.request("DELETE", &path).body(Body::empty()).unwrap()).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_key_is_made_used_listed_and_revoked() {
    let app = TestApp::start().await;
    let wanted = json!({"name": "Desk", "permissions": ["read", "events"]});
    let made = app.running.post(KEYS, wanted).await.expect(201).body;
    let (id, secret) = (text(&made["id"]), text(&made["key"]));
    assert!(
        id.starts_with("key_") && secret.starts_with("wa_") && secret.len() >= 3 + 64,
        "{made}"
    );
    assert_eq!((&made["name"], &made["permissions"]), (&json!("Desk"), &json!(["read", "events"])));
    app.running.call(secret, "GET", "/api/v1/sessions", None).await.expect(200);
    app.running.call(secret, "GET", "/api/v1/events", None).await.expect(200);
    app.running.call(secret, "GET", KEYS, None).await.error(403, "forbidden");

    let listed = app.running.get(KEYS).await.expect(200);
    assert!(!String::from_utf8_lossy(&listed.bytes).contains(secret), "the secret is told again");
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("key");
    assert!(listed.body["data"].as_array().unwrap().contains(&shown), "{}", listed.body);

    assert!(revoke(&app, id).await.expect(204).bytes.is_empty());
    app.running.call(secret, "GET", "/api/v1/sessions", None).await.error(401, "unauthorized");
    revoke(&app, id).await.error(404, "not_found");
    let listed = app.running.get(KEYS).await.expect(200).body;
    assert!(listed["data"].as_array().unwrap().iter().all(|key| key["id"] != id), "{listed}");
}

#[tokio::test]
async fn a_key_that_breaks_a_rule_is_refused_with_every_field() {
    let app = TestApp::start().await;
    let other = app.running.key_for("elsewhere", wharf::keys::all_capabilities()).await;
    let theirs = app.running.call(&other, "POST", "/api/v1/sessions", Some(json!({}))).await;
    let theirs = theirs.expect(201).body["id"].clone();
    let many = vec![SessionId::generate(1).to_string(); 1_001];
    let faults = [
        (json!({}), "name"),
        (json!({"name": "x"}), "permissions"),
        (json!({"permissions": ["read"]}), "name"),
        (json!({"name": " ", "permissions": ["read"]}), "name"),
        (json!({"name": "x".repeat(201), "permissions": ["read"]}), "name"),
        (json!({"name": 1, "permissions": ["read"]}), "name"),
        (json!({"name": "x", "permissions": []}), "permissions"),
        (json!({"name": "x", "permissions": ["admin"]}), "permissions"),
        (json!({"name": "x", "permissions": "read"}), "permissions"),
        (json!({"name": "x", "permissions": [1]}), "permissions"),
        (json!({"name": "x", "permissions": null}), "permissions"),
        (json!({"name": "x", "permissions": ["read"], "expiresAt": 1}), "expiresAt"),
        (json!({"name": "x", "permissions": ["read"], "expiresAt": "soon"}), "expiresAt"),
        (json!({"name": "x", "permissions": ["read"], "sessions": ["nonsense"]}), "sessions"),
        (json!({"name": "x", "permissions": ["read"], "sessions": []}), "sessions"),
        (json!({"name": "x", "permissions": ["read"], "sessions": many}), "sessions"),
        (json!({"name": "x", "permissions": ["read"], "sessions": [theirs]}), "sessions"),
        (json!({"name": "x", "permissions": ["read"], "organization": "y"}), "organization"),
    ];
    for (body, field) in faults {
        let label = body.to_string();
        let details = app.running.post(KEYS, body).await.error(400, "validation_error");
        let fields: Vec<_> =
            details["errors"].as_array().unwrap().iter().map(|one| text(&one["field"])).collect();
        assert!(fields.contains(&field), "{label}: {details}");
    }
}

#[tokio::test]
async fn a_key_makes_none_that_is_stronger_than_itself() {
    let app = TestApp::start().await;
    let manager = app.running.key_with(Capability::Manage).await;
    let wanted = json!({"name": "x", "permissions": ["manage", "send"]});
    let details =
        app.running.call(&manager, "POST", KEYS, Some(wanted)).await.error(403, "forbidden");
    assert_eq!(details["reason"], "capability");
    let wanted = json!({"name": "x", "permissions": ["manage"]});
    app.running.call(&manager, "POST", KEYS, Some(wanted)).await.expect(201);

    let end = 4_000_000_000_000_i64;
    let wanted = json!({"name": "short", "permissions": ["manage"], "expiresAt": end});
    let short = app.running.post(KEYS, wanted).await.expect(201).body;
    assert_eq!(short["expiresAt"], end);
    let wanted = json!({"name": "long", "permissions": ["manage"], "expiresAt": end + 1});
    app.running.call(text(&short["key"]), "POST", KEYS, Some(wanted)).await.error(403, "forbidden");
    let wanted = json!({"name": "as long", "permissions": ["manage"]});
    let child = app.running.call(text(&short["key"]), "POST", KEYS, Some(wanted)).await;
    assert_eq!(child.expect(201).body["expiresAt"], end);
}

#[tokio::test]
async fn a_key_for_some_sessions_sees_those_alone_and_manages_no_keys() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = app.running.post("/api/v1/sessions", json!({})).await.expect(201).body;
        ids.push(text(&made["id"]).to_owned());
    }
    let wanted = json!({"name": "one", "permissions": ["read", "manage"], "sessions": [ids[1]]});
    let made = app.running.post(KEYS, wanted).await.expect(201).body;
    assert_eq!(made["sessions"], json!([ids[1]]));
    let key = text(&made["key"]);
    let path = |id: &str| format!("/api/v1/sessions/{id}");
    app.running.call(key, "GET", &path(&ids[0]), None).await.error(404, "not_found");
    app.running.call(key, "GET", &path(&ids[1]), None).await.expect(200);
    app.running.call(key, "GET", KEYS, None).await.error(403, "forbidden");
}

#[tokio::test]
async fn keys_come_in_pages_oldest_first() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c"] {
        let wanted = json!({"name": name, "permissions": ["read"]});
        app.running.post(KEYS, wanted).await.expect(201);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.running.get(&format!("{KEYS}?limit=2&cursor={cursor}")).await.expect(200);
        let data = page.body["data"].as_array().unwrap();
        names.extend(data.iter().map(|key| text(&key["name"]).to_owned()));
        page.body["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["test", "a", "b", "c"]);
    app.running.get(&format!("{KEYS}?cursor=zz")).await.error(400, "validation_error");
}
