//! Commands beside a running gateway, and without one.

use std::{os::unix::fs::PermissionsExt, process::Output};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use wharf_sandbox::{Config, Sandbox};
use wharf_storage::{EventId, NewEvent, SessionId};

use crate::{
    app::eventually,
    process::{Data, Gateway},
};

fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn says(data: &Data, words: &[u8]) -> Value {
    let mut stream = UnixStream::connect(data.path("wharf.sock")).await.unwrap();
    stream.write_all(words).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked_with_and_without_a_running_gateway() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let create = ["key", "create", "--name", "Desk 1", "--permissions", "read"];
    let before = shown(&data.command(&create).await).trim().to_owned();

    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    let during = shown(&data.command(&create).await).trim().to_owned();
    for key in [&before, &during] {
        let caller = gateway.with_key(key);
        assert_eq!(caller.call("GET", "/api/v1/sessions", None).await.unwrap().0, 200);
        assert_eq!(caller.call("GET", "/api/v1/api-keys", None).await.unwrap().0, 403);
    }
    let listed = shown(&data.command(&["key", "list"]).await);
    assert!(!listed.contains(&during), "a secret is listed");
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 3, "{listed}");
    assert_eq!(rows[2][1..], ["default", "read", "all", "never", "Desk 1"]);
    let none = data.command(&["key", "list", "--organization", "nobody"]).await;
    assert_eq!(shown(&none), "");

    shown(&data.command(&["key", "revoke", rows[2][0]]).await);
    let caller = gateway.with_key(&during);
    assert_eq!(caller.call("GET", "/api/v1/sessions", None).await.unwrap().0, 401);
    let nowhere = data.path("typo");
    let listing = ["key", "list", "--data", nowhere.to_str().unwrap()];
    let listing = std::process::Command::new(env!("CARGO_BIN_EXE_wharf")).args(listing).output();
    let said = String::from_utf8(listing.unwrap().stderr).unwrap();
    assert!(said.contains("no gateway's data") && !nowhere.exists(), "{said}");
    let again = data.command(&["key", "revoke", rows[2][0]]).await;
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("no such key"));
    assert!(!data.command(&["key", "revoke", "nonsense"]).await.status.success());

    assert!(gateway.terminate().await.success());
    assert!(!data.path("wharf.sock").exists(), "the socket outlived the gateway");
    assert_eq!(shown(&data.command(&["key", "list"]).await).lines().count(), 2);
}

#[tokio::test]
async fn a_key_is_made_for_some_sessions_and_for_a_while_with_and_without_a_running_gateway() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = gateway.call("POST", "/api/v1/sessions", Some(&json!({}))).await.unwrap().1;
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let create = ["key", "create", "--name", "some", "--session", &ids[1], "--session", &ids[2]];
    let during = shown(&data.command(&create).await).trim().to_owned();
    let short = [&create[..], &["--expires-in", "1ms"]].concat();
    let expired = shown(&data.command(&short).await).trim().to_owned();
    let sees = async |gateway: &Gateway, key: &str| {
        let caller = gateway.with_key(key);
        let (status, body) = caller.call("GET", "/api/v1/sessions", None).await.unwrap();
        let seen = body["data"].as_array().into_iter().flatten();
        (status, seen.map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(sees(&gateway, &during).await, (200, ids[1..].to_vec()));
    let ended = eventually("the key has expired", async || match sees(&gateway, &expired).await {
        (401, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    ended.await;
    let unknown = ["key", "create", "--name", "x", "--session", "01HZ0000000000000000000000"];
    let theirs = [&create[..], &["--organization", "elsewhere"]].concat();
    for refused in [&unknown[..], &theirs] {
        let refused = data.command(refused).await;
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("has no session"));
    }
    for (flag, value) in
        [("--session", "nonsense"), ("--expires-in", "soon"), ("--expires-in", "0s")]
    {
        let refused = data.command(&["key", "create", "--name", "x", flag, value]).await;
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains(flag), "{words}");
    }
    assert!(gateway.terminate().await.success());

    let long = [&create[..], &["--expires-in", "30d"]].concat();
    let before = shown(&data.command(&long).await).trim().to_owned();
    assert!(!data.command(&unknown).await.status.success());
    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    assert_eq!(sees(&gateway, &before).await, (200, ids[1..].to_vec()));
    let keys = gateway.get("/api/v1/api-keys").await;
    let kept = keys["data"].as_array().unwrap().last().unwrap();
    let month = kept["expiresAt"].as_i64().unwrap() - kept["createdAt"].as_i64().unwrap();
    assert!((month - 30 * 24 * 3_600_000).abs() < 60_000, "{kept}");
    assert!(gateway.terminate().await.success());
}

#[tokio::test]
async fn the_socket_is_private_survives_nonsense_and_replaces_one_that_was_left_behind() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    let mode = data.path("wharf.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for words in [&b"nonsense\n"[..], b"", b"{}\n", b"{\"order\":\"stop\"}\n", b"\xff\xfe\n"] {
        let outcome = says(&data, words).await;
        assert_eq!(outcome["outcome"], "failed", "{outcome}");
    }
    drop(UnixStream::connect(data.path("wharf.sock")).await.unwrap());
    let listed = says(&data, b"{\"order\":\"list_keys\",\"organization\":null}\n").await;
    assert_eq!(listed["keys"][0]["name"], json!("test"), "{listed}");

    gateway.kill_9().await;
    assert!(data.path("wharf.sock").exists());
    assert_eq!(shown(&data.command(&["key", "list"]).await).lines().count(), 1);
    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    assert_eq!(says(&data, b"nonsense\n").await["outcome"], "failed");
    assert!(gateway.terminate().await.success());
}

#[tokio::test]
async fn data_that_something_else_works_on_are_said_to_be_in_use_by_a_gateway_or_a_command() {
    // As a command would, this process has the file open.
    let (data, store) = Data::new(async |store| store).await;
    let copy = data.path("copy");
    store.backup(&copy, false, 0).await.unwrap();
    for command in [
        &["key", "list"][..],
        &["check"],
        &["compact"],
        &["restore", copy.to_str().unwrap(), "--force"],
        &["serve", "--listen", "127.0.0.1:0", "--whatsapp-url", "ws://127.0.0.1:9"],
    ] {
        let output = data.command(command).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("in use") && said.contains("by a command"), "{command:?}: {said}");
        assert!(said.contains("by a gateway"), "{command:?}: {said}");
    }
    store.close().await.unwrap();
    assert_eq!(shown(&data.command(&["key", "list"]).await).lines().count(), 1);
}

#[tokio::test]
async fn expired_events_go_by_themselves() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store| {
        let event = NewEvent {
            session: SessionId::generate(1),
            organization: "default".to_owned(),
            name: "session.status".to_owned(),
            at: 1_000,
            payload: json!({}),
        };
        store.record_events(vec![event]).await.unwrap();
        store.close().await.unwrap();
    })
    .await;
    let gateway = data.serve(&sandbox.ws_url(), &["--event-retention", "1s"]).await;
    eventually("the event is gone", async || {
        let first = EventId::FIRST;
        let path = format!("/api/v1/events?after={first}");
        match gateway.call("GET", &path, None).await.unwrap() {
            (410, _) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(gateway.get("/api/v1/events").await["data"], json!([]));
    assert!(gateway.terminate().await.success());
}

#[tokio::test]
async fn a_folder_whose_path_is_too_long_for_a_socket_has_one_all_the_same() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let folder = tempfile::Builder::new().prefix(&"d".repeat(150)).tempdir().unwrap();
    let (data, ()) = Data::new_in(folder, async |store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), &[]).await;
    let key = shown(&data.command(&["key", "create", "--name", "desk"]).await);
    let caller = gateway.with_key(key.trim());
    assert_eq!(caller.call("GET", "/api/v1/sessions", None).await.unwrap().0, 200);
}
