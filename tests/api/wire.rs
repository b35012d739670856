//! HTTP as it goes over a socket: for what no proper client would send. What is answered is held against the document all the
//! same.

use axum::http::{HeaderMap, HeaderName};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{app::DEADLINE, document};

/// An answer, read until the gateway closed the connection.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Told {
    fn parse(text: &str) -> Self {
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
        });
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that the document promises this to such a request.
    #[track_caller]
    fn promised(self, method: &str, path: &str) -> Self {
        document::validate(method, path, self.status, &self.headers, self.body.as_bytes());
        self
    }

    /// Asserts status and code of an error, and that it says when to come back if it is one of that kind.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, code: &str) {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        assert_eq!((self.status, &body["error"]["code"]), (status, &code.into()), "{self:?}");
        if matches!(status, 429 | 503) {
            let wait: u64 = self.header("retry-after").expect("it says when").parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
        }
    }
}

/// A connection on which this was sent.
pub(crate) async fn begun(address: &str, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// What comes until the gateway closes the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    // A connection that is reset is closed as well.
    let _ = tokio::time::timeout(DEADLINE, read).await.expect("it is closed in time");
    String::from_utf8(bytes).unwrap()
}

/// The answer to such a request, which was sent on the connection.
pub(crate) async fn told(stream: &mut TcpStream, method: &str, path: &str) -> Told {
    heard(&rest(stream).await, method, path)
}

/// The answer to such a request, from what was heard.
#[track_caller]
pub(crate) fn heard(text: &str, method: &str, path: &str) -> Told {
    Told::parse(text).promised(method, path)
}

/// The answer to a request on a connection that stays open.
pub(crate) async fn asked_on(stream: &mut TcpStream, path: &str) -> Told {
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut text, mut part) = (String::new(), [0; 1_024]);
    loop {
        let reading = tokio::time::timeout(DEADLINE, stream.read(&mut part));
        let read = reading.await.expect("it is answered in time").unwrap();
        assert!(read > 0, "the connection was closed: {text}");
        text.push_str(std::str::from_utf8(&part[..read]).unwrap());
        if text.contains("\r\n\r\n") {
            let told = Told::parse(&text);
            let length: usize = told.header("content-length").unwrap().parse().unwrap();
            if told.body.len() == length {
                return told.promised("GET", path);
            }
        }
    }
}

/// A request without a body, on a connection of its own; `headers` are whole lines.
pub(crate) async fn ask(address: &str, method: &str, path: &str, headers: &[String]) -> Told {
    ask_beside(address, method, path, headers).await.promised(method, path)
}

/// The same of a listener that the document does not tell of.
pub(crate) async fn ask_beside(
    address: &str,
    method: &str,
    path: &str,
    headers: &[String],
) -> Told {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    Told::parse(&rest(&mut begun(address, &head).await).await)
}

/// The header that carries a key.
pub(crate) fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}")
}
