//! The gateway from start to shutdown, on a real listener.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use clap::Parser;
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use wharf::config::{Cli, Serve};
use wharf_storage::Store;

use crate::document;

fn config(data: &str) -> Serve {
    let arguments =
        ["wharf", "serve", "--data", data, "--whatsapp-url", "ws://127.0.0.1:9/ws/chat"];
    match Cli::parse_from(arguments).command {
        wharf::config::Command::Serve(config) => *config,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_leaves_its_store_closed() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path().to_str().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let store = wharf::open_store(&config.data, None, None).unwrap();
    let gateway = tokio::spawn(async move { wharf::run(store, &config, listener, shutdown).await });

    let client =
        reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let answer = client.get(format!("http://{address}/healthz")).send().await.unwrap();
    let headers = answer.headers().clone();
    let status = answer.status().as_u16();
    assert_eq!(status, 200);
    document::validate("GET", "/healthz", status, &headers, &answer.bytes().await.unwrap());
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    stop.send(()).unwrap();
    // The client still holds its connection, another never finishes its request: neither holds up the end.
    let ended = tokio::time::timeout(Duration::from_secs(10), gateway).await;
    ended.unwrap().unwrap().unwrap();
    let store =
        Store::open(&folder.path().join("wharf.redb"), &wharf_storage::Options::default()).unwrap();
    store.close().await.unwrap();
}

#[test]
fn a_process_that_is_told_to_terminate_ends_in_order() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["demo", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(serde_json::from_str::<Value>(&line).unwrap()["session"].is_string());
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert!(child.wait().unwrap().success());
}
