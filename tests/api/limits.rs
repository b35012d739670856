//! Connections that hang, connections without number, and a process that has no descriptors left.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use wharf_sandbox::{Config, Sandbox};
use wharf_storage::Store;

use crate::{
    app::eventually,
    metrics,
    process::{Data, Gateway},
    wire::{ask, asked_on, bearer, begun, heard, rest, told},
};

/// A gateway without sessions, and what it is made of.
async fn gateway(options: &[&str]) -> (Sandbox, Data, Gateway) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store: Store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), options).await;
    (sandbox, data, gateway)
}

/// Sends a byte every now and then until the other side has had enough; gives what it said and how long it listened.
async fn trickles(mut stream: TcpStream) -> (String, Duration) {
    let begun = Instant::now();
    let (mut reading, mut writing) = stream.split();
    let mut heard = Vec::new();
    let trickle = async {
        let mut rhythm = tokio::time::interval(Duration::from_millis(50));
        loop {
            rhythm.tick().await;
            if writing.write_all(b"x").await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    tokio::select! {
        _ = reading.read_to_end(&mut heard) => {}
        () = trickle => {}
    }
    (String::from_utf8(heard).unwrap(), begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_trickles_and_a_connection_that_is_silent_are_closed_in_their_time() {
    let (_sandbox, data, gateway) = gateway(&[
        "--head-timeout",
        "1s",
        "--idle-timeout",
        "3s",
        "--metrics-listen",
        "127.0.0.1:0",
    ])
    .await;
    let address = gateway.address();
    let started = Instant::now();
    let slow = tokio::spawn(trickles(begun(address, "GET /healthz HTTP/1.1\r\nX-Slow: ").await));
    let mut silent = begun(address, "").await;
    let mut used = begun(address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut again = begun(address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he").await;

    let (heard, took) = slow.await.unwrap();
    assert_eq!(heard, "");
    // The clock began when the gateway took the connection, which was a little earlier than here.
    assert!((Duration::from_millis(800)..Duration::from_millis(2_900)).contains(&took), "{took:?}");
    assert_eq!(ask(address, "GET", "/healthz", &[]).await.status, 200);

    assert_eq!(rest(&mut silent).await, "");
    assert!(started.elapsed() >= Duration::from_secs(3));
    for connection in [&mut used, &mut again] {
        assert_eq!(told(connection, "GET", "/healthz").await.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    // All four, that which was answered and then idle too.
    let closed = "wharf_http_connections_closed_total{reason=\"timeout\"}";
    metrics::exactly(&metrics::scraped(&data).await, closed, 4);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_answered_when_the_request_is_out_of_time() {
    let (_sandbox, _data, gateway) =
        gateway(&["--request-timeout", "1s", "--operation-timeout", "500ms"]).await;
    for framing in ["Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\nFFF\r\n{"] {
        let head = format!(
            "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Type: application/json\r\n{framing}",
            bearer(gateway.key())
        );
        let (text, took) = trickles(begun(gateway.address(), &head).await).await;
        heard(&text, "POST", "/api/v1/sessions").error(503, "gateway_unavailable");
        assert!((Duration::from_millis(800)..Duration::from_secs(5)).contains(&took), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_takes_ends_its_connection() {
    let (_sandbox, _data, gateway) =
        gateway(&["--idle-timeout", "1s", "--metrics-listen", "127.0.0.1:0"]).await;
    let address = gateway.address().to_owned();
    // As many questions as their answers, which are not read, fit in no buffer.
    let mut stream = begun(&address, "").await;
    let asking = tokio::spawn(async move {
        let question = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        while stream.write_all(question.as_bytes()).await.is_ok() {}
    });
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap().unwrap();
    assert_eq!(ask(&address, "GET", "/healthz", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused_and_one_that_is_large_is_not() {
    let (_sandbox, _data, gateway) = gateway(&["--max-head", "16384"]).await;
    let with = |size: usize| [format!("X-Large: {}", "x".repeat(size))];
    assert_eq!(ask(gateway.address(), "GET", "/healthz", &with(10_000)).await.status, 200);
    let mut large = begun(gateway.address(), "GET /healthz HTTP/1.1\r\nX-Large: ").await;
    let _ = large.write_all("x".repeat(100_000).as_bytes()).await;
    let heard = rest(&mut large).await;
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431 "), "{heard}");
    let many: Vec<_> = (0..101).map(|number| format!("X-{number}: x")).collect();
    assert_eq!(ask(gateway.address(), "GET", "/healthz", &many).await.status, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_idle_connections_those_for_which_there_is_room_are_kept() {
    let (_sandbox, _data, gateway) = gateway(&["--max-connections", "100"]).await;
    let address = gateway.address();
    let mut kept = Vec::new();
    for _ in 0..100 {
        kept.push(begun(address, "").await);
    }
    // They are taken in order, so whoever comes now is one too many.
    for _ in 0..2_000 {
        assert_eq!(rest(&mut TcpStream::connect(address).await.unwrap()).await, "");
    }
    let question = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut one = kept.pop().unwrap();
    one.write_all(question.as_bytes()).await.unwrap();
    assert_eq!(told(&mut one, "GET", "/healthz").await.status, 200);
    drop(kept);
    eventually("there is room again", async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(question.as_bytes()).await;
        let heard = rest(&mut stream).await;
        if heard.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(heard) }
    })
    .await;
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_descriptors_serves_who_is_there_and_recovers() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store: Store| store.close().await.unwrap()).await;
    let gateway = data.serve_with_descriptors(24, &sandbox.ws_url(), &[]).await;
    let address = gateway.address();
    let mut there = begun(address, "").await;
    assert_eq!(asked_on(&mut there, "/healthz").await.status, 200);

    let mut waiting = Vec::new();
    for _ in 0..60 {
        waiting.push(TcpStream::connect(address).await.unwrap());
    }
    eventually("there are no descriptors left", async || {
        let log = data.logged();
        if log.contains("no connection can be accepted for now") { Ok(()) } else { Err(log) }
    })
    .await;
    for _ in 0..50 {
        assert_eq!(asked_on(&mut there, "/readyz").await.status, 200);
    }
    assert!(data.logged().matches("no connection can be accepted for now").count() <= 3);

    drop(waiting);
    let session = ask(address, "GET", "/api/v1/sessions", &[bearer(gateway.key())]).await;
    assert_eq!(session.status, 200);
    assert!(gateway.terminate().await.success());
}
