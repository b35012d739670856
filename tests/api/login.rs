//! People with login tokens: what each role may do, and in which organization.

mod attacks;
mod fetching;
mod issuer;
mod serving;
mod signer;

use axum::{body::Body, http::Request};
use serde_json::json;
use wharf::auth::{Login, Settings};
use wharf_storage::{Capability, Store};

use crate::{
    app::{Answer, Running},
    operations::documented,
};
use issuer::{Issuer, claims};
use signer::Signer;

const SESSIONS: &str = "/api/v1/sessions";

/// A gateway without a WhatsApp that takes the tokens of an issuer.
async fn gateway(settings: Settings) -> Running {
    let config = Running::config("ws://127.0.0.1:9/ws/chat");
    let login = Login::start(settings).unwrap();
    Running::start_as(Store::in_memory().unwrap(), config, |state| state.with_login(login)).await
}

/// The same, with its issuer and a key of it.
async fn door() -> (Running, Issuer, Signer) {
    let signer = Signer::ed25519("one");
    let issuer = Issuer::of(&[&signer]).await;
    (gateway(issuer.settings()).await, issuer, signer)
}

/// The list of sessions, asked for with this token.
async fn list(gateway: &Running, token: &str) -> Answer {
    gateway.call(token, "GET", SESSIONS, None).await
}

/// A request with more headers than a credential.
async fn with_headers(gateway: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.send(request.body(Body::empty()).unwrap()).await
}

/// The session list, asked for in the organization that the header names.
async fn list_in(gateway: &Running, token: &str, organization: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-organization", organization)];
    with_headers(gateway, SESSIONS, &headers).await
}

fn ids(answer: &Answer) -> Vec<&str> {
    let sessions = answer.body["data"].as_array().unwrap().iter();
    sessions.map(|session| session["id"].as_str().unwrap()).collect()
}

/// A new session of an organization, made with a key.
async fn session_of(gateway: &Running, organization: &str) -> String {
    let key = gateway.key_for(organization, wharf::keys::all_capabilities()).await;
    let made = gateway.call(&key, "POST", SESSIONS, Some(json!({}))).await.expect(201).body;
    assert!(made.get("createdByUserId").is_none(), "{made}");
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_of_each_algorithm_opens_what_its_role_allows() {
    let signers = [Signer::ed25519("ed"), Signer::p256("ec"), Signer::rsa("rsa")];
    let issuer = Issuer::of(&[&signers[0], &signers[1], &signers[2]]).await;
    let gateway = gateway(issuer.settings()).await;
    for signer in &signers {
        list(&gateway, &signer.mint(&claims(&json!({})))).await.expect(200);
    }
    assert_eq!(issuer.asked(), ["/jwks"]);
}

#[tokio::test]
async fn every_role_may_do_what_goes_with_it_at_every_operation_and_no_more() {
    let (gateway, issuer, signer) = door().await;
    let all = wharf::keys::all_capabilities();
    let member = [Capability::Read, Capability::Send, Capability::Events].into();
    let roles = [
        (json!({"orgRole": "owner"}), all.clone()),
        (json!({"orgRole": "admin"}), all.clone()),
        (json!({"orgRole": "member"}), member),
        (json!({"orgRole": "guest"}), [].into()),
        (json!({"orgRole": null}), [].into()),
        (json!({"orgRole": null, "role": "super_admin"}), all),
        (json!({"orgRole": null, "role": "admin"}), [].into()),
    ];
    for (role, capabilities) in roles {
        let token = signer.mint(&claims(&role));
        for operation in documented() {
            let Some(wanted) = operation.capability() else { continue };
            let path = operation.anywhere();
            let answer = gateway.call(&token, &operation.method, &path, operation.body()).await;
            if capabilities.contains(&wanted) {
                let passed = !matches!(answer.status, 401 | 403 | 500..);
                assert!(passed, "{role}: {}: {}", operation.id, answer.body);
            } else {
                let details = answer.error(403, "forbidden");
                assert_eq!(details, json!({"reason": "capability"}), "{role}: {}", operation.id);
            }
        }
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_token_without_an_organization_is_403() {
    let (gateway, _issuer, signer) = door().await;
    for organization in [json!(null), json!(""), json!(7)] {
        for role in [json!("owner"), json!("member")] {
            let change = json!({"activeOrganizationId": organization, "orgRole": role});
            let answer = list(&gateway, &signer.mint(&claims(&change))).await;
            assert_eq!(answer.error(403, "forbidden"), json!({"reason": "organization"}));
        }
    }
}

#[tokio::test]
async fn a_person_sees_the_organization_that_the_token_names_and_no_other() {
    let (gateway, _issuer, signer) = door().await;
    let (ours, theirs) =
        (session_of(&gateway, "default").await, session_of(&gateway, "acme").await);
    let token = signer.mint(&claims(&json!({"orgRole": "owner"})));
    assert_eq!(ids(&list(&gateway, &token).await.expect(200)), [ours.as_str()]);
    let path = format!("{SESSIONS}/{theirs}");
    let foreign = gateway.call(&token, "GET", &path, None).await.expect(404).bytes;
    let none = gateway.call(&token, "GET", &format!("{SESSIONS}/x"), None).await.expect(404).bytes;
    assert_eq!(foreign, none);
}

#[tokio::test]
async fn a_super_admin_acts_in_its_own_organization_unless_the_header_names_another() {
    let (gateway, _issuer, signer) = door().await;
    let (ours, theirs) =
        (session_of(&gateway, "default").await, session_of(&gateway, "acme").await);
    let token = signer.mint(&claims(&json!({"role": "super_admin"})));
    assert_eq!(ids(&list(&gateway, &token).await.expect(200)), [ours.as_str()]);
    assert_eq!(ids(&list_in(&gateway, &token, "acme").await.expect(200)), [theirs.as_str()]);
    assert!(ids(&list_in(&gateway, &token, "of nobody").await.expect(200)).is_empty());

    let homeless = json!({"role": "super_admin", "activeOrganizationId": null});
    let token = signer.mint(&claims(&homeless));
    list(&gateway, &token).await.error(403, "forbidden");
    assert_eq!(ids(&list_in(&gateway, &token, "acme").await.expect(200)), [theirs.as_str()]);
}

#[tokio::test]
async fn nobody_else_reaches_another_organization_by_the_header() {
    let (gateway, _issuer, signer) = door().await;
    let ours = session_of(&gateway, "default").await;
    session_of(&gateway, "acme").await;
    let mut credentials = vec![gateway.key_for("default", wharf::keys::all_capabilities()).await];
    for role in ["owner", "admin", "member"] {
        credentials.push(signer.mint(&claims(&json!({"orgRole": role, "role": "admin"}))));
    }
    for credential in credentials {
        let answer = list_in(&gateway, &credential, "acme").await;
        assert_eq!(answer.error(403, "forbidden"), json!({"reason": "capability"}));
        assert_eq!(
            ids(&list_in(&gateway, &credential, "default").await.expect(200)),
            [ours.as_str()]
        );
    }
}

#[tokio::test]
async fn a_header_that_names_no_organization_is_400_whoever_calls() {
    let (gateway, _issuer, signer) = door().await;
    let key = gateway.key_for("default", wharf::keys::all_capabilities()).await;
    let admin = signer.mint(&claims(&json!({"role": "super_admin"})));
    let long = "x".repeat(201);
    for credential in [&key, &admin] {
        let bearer = format!("Bearer {credential}");
        let bearer = ("authorization", bearer.as_str());
        for named in [&[""][..], &[" "], &[&long], &["acme", "acme"]] {
            let mut headers = vec![bearer];
            headers.extend(named.iter().map(|name| ("x-organization", *name)));
            let details = with_headers(&gateway, SESSIONS, &headers).await;
            let details = details.error(400, "validation_error");
            assert_eq!(details["errors"][0]["field"], "X-Organization", "{named:?}");
        }
    }
}

#[tokio::test]
async fn what_a_person_makes_names_the_person_and_outlives_the_login() {
    let (gateway, _issuer, signer) = door().await;
    let soon = issuer::now() + 60;
    let token = signer.mint(&claims(&json!({"orgRole": "admin", "exp": soon})));
    let made = gateway.call(&token, "POST", SESSIONS, Some(json!({}))).await.expect(201).body;
    assert_eq!(made["createdByUserId"], "anna");
    let wanted = json!({"name": "Desk", "permissions": ["read"]});
    let made = gateway.call(&token, "POST", "/api/v1/api-keys", Some(wanted)).await.expect(201);
    assert!(made.body.get("expiresAt").is_none(), "{}", made.body);
    list(&gateway, made.body["key"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn names_of_claims_are_configuration() {
    let signer = Signer::ed25519("one");
    let issuer = Issuer::of(&[&signer]).await;
    let mut settings = issuer.settings();
    settings.claims.organization = "org".to_owned();
    settings.claims.organization_role = "https://front.example/role".to_owned();
    settings.claims.role = "platform".to_owned();
    let gateway = gateway(settings).await;
    let ours = session_of(&gateway, "acme").await;
    let named = |platform: &str| {
        claims(&json!({
            "org": "acme", "https://front.example/role": "member", "platform": platform,
            "orgRole": "owner", "role": "super_admin",
        }))
    };
    let member = signer.mint(&named("none"));
    assert_eq!(ids(&list(&gateway, &member).await.expect(200)), [ours.as_str()]);
    gateway.call(&member, "GET", "/api/v1/api-keys", None).await.error(403, "forbidden");
    let admin = signer.mint(&named("super_admin"));
    gateway.call(&admin, "GET", "/api/v1/api-keys", None).await.expect(200);
    let plain = signer.mint(&claims(&json!({"orgRole": "owner"})));
    list(&gateway, &plain).await.error(403, "forbidden");
}

#[tokio::test]
async fn without_a_key_set_a_token_opens_nothing_and_keys_do() {
    let config = Running::config("ws://127.0.0.1:9/ws/chat");
    let gateway = Running::start_with(Store::in_memory().unwrap(), config).await;
    let token = Signer::ed25519("one").mint(&claims(&json!({})));
    list(&gateway, &token).await.error(401, "unauthorized");
    let key = gateway.key_with(Capability::Read).await;
    list(&gateway, &key).await.expect(200);
}
