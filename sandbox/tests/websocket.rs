//! The WebSocket below everything: what a client may ask for, and what ends its connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wharf_sandbox::{Config, Sandbox};

use crate::client::{DEADLINE, until};

const MASK: [u8; 4] = [9, 8, 7, 6];

/// A connection that became a WebSocket.
struct Raw(TcpStream);

impl Raw {
    async fn open(sandbox: &Sandbox) -> Self {
        let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
        let request = "GET /ws/chat HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n\
            Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        let proof = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
        assert!(head.contains(proof), "{head}");
        Self(stream)
    }

    /// Sends a frame, its first byte as given.
    async fn sends(&mut self, first: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let frame: Vec<u8> = [first, 0x80 | length].into_iter().chain(MASK).chain(masked).collect();
        self.0.write_all(&frame).await.unwrap();
    }

    async fn hears(&mut self, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        timeout(DEADLINE, self.0.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard, expected);
    }

    async fn is_over(&mut self) {
        let mut rest = Vec::new();
        timeout(DEADLINE, self.0.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_and_a_close_is_too() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let mut raw = Raw::open(&sandbox).await;
    raw.sends(0x89, b"are you there").await;
    raw.hears(&[&[0x8a, 13], b"are you there".as_slice()].concat()).await;
    raw.sends(0x81, b"text means nothing").await;
    raw.sends(0x8a, b"").await;
    raw.sends(0x89, b"").await;
    raw.hears(&[0x8a, 0]).await;
    raw.sends(0x88, &[3, 232]).await;
    raw.hears(&[0x88, 0]).await;
    raw.is_over().await;
    assert_eq!((sandbox.connections(), sandbox.goodbyes()), (0, 1));
    // One that is gone without a word has said none.
    let raw = Raw::open(&sandbox).await;
    assert_eq!(sandbox.connections(), 1);
    drop(raw);
    until(async || sandbox.connections() == 0).await;
    assert_eq!(sandbox.goodbyes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_ends_the_connection() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    for frame in [&[0x82, 1, 7][..], &[0xc2, 0x80, 0, 0, 0, 0], &[0x83, 0x80, 0, 0, 0, 0]] {
        let mut raw = Raw::open(&sandbox).await;
        raw.0.write_all(frame).await.unwrap();
        raw.hears(&[0x88, 0]).await;
        raw.0.shutdown().await.unwrap();
        raw.is_over().await;
    }
    let mut raw = Raw::open(&sandbox).await;
    raw.sends(0x82, b"GET / HTTP/1.1").await;
    raw.hears(&[0x88, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_something_else_is_refused() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let url = format!("{}/ws/chat", sandbox.http_url());
    let http = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "12"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (missing, expected) in [(0, 400), (1, 400), (2, 426), (3, 426)] {
        let mut request = http.get(&url);
        for (name, value) in
            headers.iter().enumerate().filter(|(at, _)| *at != missing).map(|it| it.1)
        {
            request = request.header(*name, *value);
        }
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), expected);
        assert_eq!(refused.headers()["sec-websocket-version"], "13");
    }
    assert_eq!(http.post(&url).send().await.unwrap().status(), 400);
    assert_eq!(sandbox.connections(), 0);
}
