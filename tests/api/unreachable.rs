//! A session that was never linked and does not reach WhatsApp: it says why, and gives up.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_actors::TrustedRoots;
use wharf_sandbox::{LoginFailure, Sandbox};
use wharf_storage::Store;

use crate::{
    app::{Running, eventually},
    process::Data,
};

/// A gateway that looks for WhatsApp there, and not for long.
async fn looking_at(endpoint: &str, trusted_roots: TrustedRoots) -> Running {
    let config = wharf_actors::Config {
        pairing_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_millis(500),
        trusted_roots,
        ..Running::config(endpoint)
    };
    Running::start_with(Store::in_memory().unwrap(), config).await
}

/// What a new session comes to, and whether it has said why while it was `starting`.
async fn fails(running: &Running) -> (Value, bool) {
    let session = running.pairing_session().await;
    let path = format!("/api/v1/sessions/{session}");
    let mut said = false;
    let failed = eventually("the end of its patience", async || {
        let body = running.get(&path).await.expect(200).body;
        said |= body["status"] == "starting" && body["statusReason"].is_string();
        if body["status"] == "failed" { Ok(body) } else { Err(body.to_string()) }
    })
    .await;
    assert!(failed.get("lastInboundAt").is_none(), "{failed}");
    (failed["statusReason"].clone(), said)
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_dns() {
    let running = looking_at("ws://whatsapp.invalid/ws/chat", TrustedRoots::default()).await;
    assert_eq!(fails(&running).await, ("dns".into(), true));
}

#[tokio::test]
async fn an_address_on_which_nothing_listens_is_connect() {
    let running = looking_at("ws://127.0.0.1:9/ws/chat", TrustedRoots::default()).await;
    assert_eq!(fails(&running).await, ("connect".into(), true));
}

#[tokio::test]
async fn a_server_that_turns_clients_away_or_never_answers_is_connect() {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    sandbox.refuses_connections(true);
    let running = looking_at(&sandbox.ws_url(), TrustedRoots::default()).await;
    assert_eq!(fails(&running).await, ("connect".into(), true));
    sandbox.heals();
    sandbox.hangs(true);
    assert_eq!(fails(&running).await.0, "connect");
}

#[tokio::test]
async fn a_server_that_is_reached_and_gives_no_code_is_a_pairing_timeout() {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    sandbox.fails_logins(10_000, LoginFailure::reason(503));
    let running = looking_at(&sandbox.ws_url(), TrustedRoots::default()).await;
    let session = running.pairing_session().await;
    let failed = running.until_status(&session, "failed").await;
    assert_eq!(failed["statusReason"], "pairing_timeout");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_tls_and_one_that_was_named_is_trusted() {
    let config = wharf_sandbox::Config { tls: true, ..wharf_sandbox::Config::default() };
    let sandbox = Sandbox::start(config).await.unwrap();
    let running = looking_at(&sandbox.ws_url(), TrustedRoots::default()).await;
    assert_eq!(fails(&running).await, ("tls".into(), true));

    let pem = sandbox.certificate_pem();
    let trusted = TrustedRoots::from_pem(pem.as_bytes()).unwrap();
    let running = looking_at(&sandbox.ws_url(), trusted).await;
    let session = running.pairing_session().await;
    running.until_status(&session, "scan_qr_code").await;
}

#[tokio::test]
async fn the_operator_names_a_file_of_certificates_that_are_trusted() {
    let config = wharf_sandbox::Config { tls: true, ..wharf_sandbox::Config::default() };
    let sandbox = Sandbox::start(config).await.unwrap();
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let file = data.path("authority.pem");
    std::fs::write(&file, sandbox.certificate_pem()).unwrap();
    let gateway = data.serve(&sandbox.ws_url(), &["--whatsapp-ca", file.to_str().unwrap()]).await;
    let new = json!({"start": true});
    let (_, made) = gateway.call("POST", "/api/v1/sessions", Some(&new)).await.unwrap();
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().unwrap());
    eventually("a code over TLS", async || {
        let session = gateway.get(&path).await;
        if session["status"] == "scan_qr_code" { Ok(()) } else { Err(session.to_string()) }
    })
    .await;
    assert!(gateway.terminate().await.success());
}
