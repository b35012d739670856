//! Secrets that callers hold or misplace leave no trace: neither in the log at its most talkative, nor in the event log,
//! nor in the audit log, nor in the file.

use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};
use wharf_sandbox::{Config, Sandbox};

use crate::{
    document,
    process::{Data, Gateway},
};

/// The log of our own crates, all of it.
const TALKATIVE: &str = "error,wharf=trace,wharf_actors=trace,wharf_storage=trace";

/// What nobody was given: it looks like a key, and like a login token.
const WRONG_KEY: &str = "wa_5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";
const WRONG_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJzZWNyZXQtcGVyc29uIn0.c2VjcmV0LXNpZ25hdHVyZS1vZi1ub2JvZHktYXQtYWxs";

/// One request as it is; whatever is answered, as long as the document promises it.
async fn send(gateway: &Gateway, method: &str, path: &str, headers: HeaderMap, body: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{path}", gateway.address());
    let request = client.request(method.parse().unwrap(), url).headers(headers);
    let request = request.header("content-type", "application/json").body(body.to_owned());
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    document::validate(method, path, status, &headers, &bytes);
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// Puts a secret wherever a caller may put one.
async fn misplace(gateway: &Gateway, secret: &str, holds: &HeaderMap) {
    let bearer = format!("Bearer {secret}");
    let basic = format!("Basic {secret}");
    let sessions = "/api/v1/sessions";
    for given in [
        headers(&[("authorization", &bearer)]),
        headers(&[("authorization", &basic)]),
        headers(&[("x-api-key", secret)]),
        headers(&[("authorization", &bearer), ("x-api-key", secret)]),
        headers(&[("cookie", secret)]),
    ] {
        for method in ["GET", "POST", "PUT"] {
            send(gateway, method, sessions, given.clone(), "{}").await;
        }
    }
    for given in [HeaderMap::new(), holds.clone()] {
        for (method, path) in [
            ("GET", format!("{sessions}?key={secret}&cursor={secret}")),
            ("POST", format!("{sessions}?token={secret}")),
            ("PATCH", format!("{sessions}/{secret}")),
            ("POST", format!("{sessions}/{secret}:start")),
            ("PATCH", format!("{sessions}/x/groups/{secret}")),
            ("GET", format!("{sessions}/{secret}/qr")),
            ("DELETE", format!("/api/v1/api-keys/{secret}")),
            ("GET", format!("/api/v1/audit?session={secret}&actor={secret}&limit={secret}")),
            ("GET", format!("/api/v1/events?after={secret}")),
            ("POST", format!("/{secret}")),
        ] {
            send(gateway, method, &path, given.clone(), "{}").await;
        }
        for body in [
            json!({secret: 1}).to_string(),
            json!({"label": [secret]}).to_string(),
            json!({"start": secret}).to_string(),
            format!("{{\"label\": \"{secret}"),
            secret.to_owned(),
        ] {
            send(gateway, "POST", sessions, given.clone(), &body).await;
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_a_log_an_event_an_audit_entry_or_the_file() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), &["--log", TALKATIVE]).await;
    let wanted = json!({"name": "made", "permissions": ["read", "send", "manage", "events"]});
    let (status, made) = gateway.call("POST", "/api/v1/api-keys", Some(&wanted)).await.unwrap();
    assert_eq!(status, 201);
    let by_http = made["key"].as_str().unwrap().to_owned();
    let by_command = data.command(&["key", "create", "--name", "by command"]).await.stdout;
    let by_command = String::from_utf8(by_command).unwrap().trim().to_owned();
    let (status, session) =
        gateway.call("POST", "/api/v1/sessions", Some(&json!({"start": true}))).await.unwrap();
    assert_eq!(status, 201);
    let qr = format!("/api/v1/sessions/{}/qr", session["id"].as_str().unwrap());
    let code = crate::app::eventually("there is a code", async || {
        match gateway.call("GET", &qr, None).await.unwrap() {
            (200, body) => Ok(body["code"].as_str().unwrap().to_owned()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    let holds = headers(&[(AUTHORIZATION.as_str(), &format!("Bearer {by_http}"))]);
    let secrets = [by_http.as_str(), &by_command, WRONG_KEY, WRONG_TOKEN];
    for secret in secrets {
        misplace(&gateway, secret, &holds).await;
    }

    let events = Value::from(events(&gateway).await).to_string();
    let audit = Value::from(gateway.all("/api/v1/audit", "cursor").await).to_string();
    assert!(gateway.terminate().await.success());
    let log = data.logged();
    // What was looked at is what there is to see.
    assert!(log.matches("\"answered 4").count() > 50, "{log}");
    assert!(audit.contains("deleteApiKey") && events.contains("session.status"));
    let file = std::fs::read(data.path("wharf.redb")).unwrap();
    for secret in secrets {
        // A part of one is too much as well.
        let part = &secret[secret.len() - 30..];
        for (name, text) in [("log", &log), ("events", &events), ("audit", &audit)] {
            assert!(!text.contains(part), "`{part}` is in the {name}");
        }
        assert!(!file.windows(part.len()).any(|bytes| bytes == part.as_bytes()), "`{part}`");
    }
    // Whoever has the code may link a phone: it is for those who may read events, and for no log.
    assert!(!log.contains(&code) && !audit.contains(&code));
}

/// The whole event log.
async fn events(gateway: &Gateway) -> Vec<Value> {
    let (mut found, mut path) = (Vec::new(), "/api/v1/events?limit=200".to_owned());
    loop {
        let mut page = gateway.get(&path).await;
        let Value::Array(data) = page["data"].take() else { panic!("no list: {page}") };
        if data.is_empty() {
            return found;
        }
        found.extend(data);
        path = format!("/api/v1/events?limit=200&after={}", page["nextCursor"].as_str().unwrap());
    }
}
