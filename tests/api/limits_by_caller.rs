//! Who asks too much is held up, and nobody else is.

use serde_json::json;
use tokio::net::TcpStream;
use wharf::keys::{self, NewKey};
use wharf_sandbox::{Config, Sandbox};

use crate::{
    app::eventually,
    process::{Data, Gateway},
    wire::{Told, ask, ask_beside, bearer, begun},
};

const SESSIONS: &str = "/api/v1/sessions";

/// A gateway, and a key of another organization beside the one that it is called with.
async fn gateway(options: &[&str]) -> (Sandbox, Data, Gateway, String) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, other) = Data::new(async |store| {
        let (_, key) = keys::create(&store, NewKey::for_all("other", "test")).await.unwrap();
        store.close().await.unwrap();
        key
    })
    .await;
    let options = [&["--metrics-listen", "127.0.0.1:0"], options].concat();
    let gateway = data.serve(&sandbox.ws_url(), &options).await;
    (sandbox, data, gateway, other)
}

/// Begins requests that stay under way, as their bodies do not end, and waits until they are.
async fn occupied(data: &Data, gateway: &Gateway, key: &str, count: usize) -> Vec<TcpStream> {
    let head = format!(
        "POST {SESSIONS} HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{",
        bearer(key)
    );
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(begun(gateway.address(), &head).await);
    }
    let metrics = data.metrics().unwrap();
    eventually("they are under way", async || {
        let text = ask_beside(&metrics, "GET", "/metrics", &[]).await.body;
        let wanted = format!("wharf_http_requests_in_flight {count}");
        if text.lines().any(|line| line == wanted) { Ok(()) } else { Err(text) }
    })
    .await;
    streams
}

async fn listed(gateway: &Gateway, key: &str) -> Told {
    ask(gateway.address(), "GET", SESSIONS, &[bearer(key)]).await
}

/// Waits until the key's requests are served.
async fn until_served(gateway: &Gateway, key: &str) {
    eventually("there is room again", async || {
        let told = listed(gateway, key).await;
        if told.status == 200 { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_floods_is_told_to_wait_and_the_other_is_served() {
    let (_sandbox, data, gateway, other) = gateway(&["--max-requests-per-organization", "5"]).await;
    let flood = occupied(&data, &gateway, gateway.key(), 5).await;
    // A request under way has its organization's place a moment later, once its credential is known.
    eventually("all five have their places", async || {
        let told = listed(&gateway, gateway.key()).await;
        if told.status == 503 { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
    for _ in 0..20 {
        listed(&gateway, gateway.key()).await.error(503, "gateway_unavailable");
        assert_eq!(listed(&gateway, &other).await.status, 200);
    }
    // Whose credential does not hold has no place to take.
    listed(&gateway, "wa_wrong").await.error(401, "unauthorized");
    drop(flood);
    until_served(&gateway, gateway.key()).await;
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_in_all_are_told_to_wait_and_who_watches_is_not() {
    let (_sandbox, data, gateway, other) = gateway(&["--max-requests", "5"]).await;
    let flood = occupied(&data, &gateway, gateway.key(), 5).await;
    listed(&gateway, &other).await.error(503, "gateway_unavailable");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(gateway.address(), "GET", path, &[]).await.status, 200, "{path}");
    }
    drop(flood);
    until_served(&gateway, &other).await;
    assert!(gateway.terminate().await.success());
}

/// Asks with a key, for somebody at this address as a proxy would.
async fn on_behalf(gateway: &Gateway, key: &str, header: &str) -> Told {
    ask(gateway.address(), "GET", SESSIONS, &[bearer(key), header.to_owned()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_too_often_waits_and_its_valid_credential_does_not() {
    let (_sandbox, _data, gateway, other) =
        gateway(&["--max-failed-auth", "20", "--trusted-proxy", "127.0.0.0/8"]).await;
    let one = "X-Forwarded-For: 198.51.100.9, 2001:db8::1";
    for _ in 0..20 {
        let told = on_behalf(&gateway, "wa_wrong", one).await;
        told.error(401, "unauthorized");
        assert_eq!(told.header("www-authenticate"), Some("Bearer"));
    }
    for header in [one, "X-Forwarded-For: 2001:db8::ffff", "Forwarded: for=\"[2001:db8::2]:443\""] {
        let told = on_behalf(&gateway, "wa_wrong", header).await;
        told.error(429, "rate_limited");
        assert_eq!(told.header("www-authenticate"), None);
        for key in [gateway.key(), &other] {
            assert_eq!(on_behalf(&gateway, key, header).await.status, 200, "{header}");
        }
    }
    for header in ["X-Forwarded-For: 2001:db8:0:1::1", "X-Forwarded-For: 198.51.100.9", "X-A: b"] {
        on_behalf(&gateway, "wa_wrong", header).await.error(401, "unauthorized");
    }
    // What is asked without any credential is answered as before.
    assert_eq!(ask(gateway.address(), "GET", "/version", &[one.to_owned()]).await.status, 200);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_choose_its_address() {
    let (_sandbox, _data, gateway, _) =
        gateway(&["--max-failed-auth", "20", "--trusted-proxy", "10.0.0.0/8"]).await;
    for number in 0..20 {
        let header = format!("X-Forwarded-For: 198.51.100.{number}");
        on_behalf(&gateway, "wa_wrong", &header).await.error(401, "unauthorized");
    }
    for header in ["X-Forwarded-For: 198.51.100.200", "Forwarded: for=198.51.100.201", "X-A: b"] {
        on_behalf(&gateway, "wa_wrong", header).await.error(429, "rate_limited");
    }
    assert_eq!(listed(&gateway, gateway.key()).await.status, 200);
    let body = gateway.get(SESSIONS).await;
    assert_eq!(body["data"], json!([]));
    assert!(gateway.terminate().await.success());
}
