//! Login tokens at the process itself: its options, and when it listens to others.

use std::process::Stdio;

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

use super::{
    issuer::{Issuer, claims},
    signer::Signer,
};
use crate::{app::DEADLINE, process::Data};

const WHATSAPP: &str = "ws://127.0.0.1:9/ws/chat";

/// A gateway that listens to everybody, on data in which there is no key.
fn open_to_all(data: &std::path::Path, options: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["serve", "--listen", "0.0.0.0:0", "--whatsapp-url", WHATSAPP, "--data"])
        .arg(data)
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_process_takes_the_tokens_that_its_options_name() {
    let signer = Signer::ed25519("one");
    let issuer = Issuer::of(&[&signer]).await;
    let settings = issuer.settings();
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let options = [
        "--jwks-url",
        issuer.url(),
        "--jwt-issuer",
        &settings.issuer,
        "--jwt-audience",
        &settings.audience,
    ];
    let gateway = data.serve(WHATSAPP, &options).await;
    let token = signer.mint(&claims(&json!({})));
    let (status, _) = gateway.with_key(&token).call("GET", "/api/v1/sessions", None).await.unwrap();
    assert_eq!(status, 200);
    let forged = Signer::ed25519("one").mint(&claims(&json!({})));
    let (status, _) =
        gateway.with_key(&forged).call("GET", "/api/v1/sessions", None).await.unwrap();
    assert_eq!((status, issuer.fetches()), (401, 1));
    assert!(gateway.terminate().await.success());
    let log = data.logged();
    for secret in [&token, &forged] {
        assert!(secret.split('.').all(|part| !log.contains(part)), "{log}");
    }
}

#[tokio::test]
async fn an_address_open_to_others_needs_a_key_set_or_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut refused = open_to_all(folder.path(), &[]);
    let mut text = String::new();
    refused.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
    assert!(!refused.wait().await.unwrap().success());
    assert!(text.contains("--jwks-url") && text.contains("key create"), "{text}");

    let options = [
        "--jwks-url",
        "http://127.0.0.1:9/jwks",
        "--jwt-issuer",
        "front",
        "--jwt-audience",
        "wharf",
    ];
    let mut taken = open_to_all(folder.path(), &options);
    let mut lines = BufReader::new(taken.stderr.take().unwrap()).lines();
    let listens = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("listening on http://0.0.0.0:") {
                return;
            }
        }
        panic!("it ended");
    };
    tokio::time::timeout(DEADLINE, listens).await.unwrap();
}

#[tokio::test]
async fn options_that_do_not_go_together_are_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = ["--jwks-url", "http://127.0.0.1:9/jwks"];
    let elsewhere = ["--jwks-url", "https://front.example/jwks"];
    let rest = ["--jwt-issuer", "front", "--jwt-audience", "wharf"];
    for (options, named) in [
        (url.to_vec(), "--jwt-issuer"),
        (rest.to_vec(), "--jwks-url"),
        ([elsewhere, [rest[0], rest[1]], [rest[2], rest[3]]].concat(), "loopback"),
    ] {
        let mut refused = open_to_all(folder.path(), &options);
        let mut text = String::new();
        refused.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert!(!refused.wait().await.unwrap().success());
        assert!(text.contains(named), "{options:?}: {text}");
    }
}
