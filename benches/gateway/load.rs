//! Callers of the gateway, and of the sandbox's control API.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{GROUPS, IN_FLIGHT, MEMBERS, READERS, SESSIONS, measure::median_us};

/// The path of the route that answers from memory.
pub(crate) const SAME_BYTES: &str = "/same-bytes";

/// The sandbox's levers.
pub(crate) struct Control {
    client: Client,
    base: String,
}

impl Control {
    pub(crate) fn new(base: &str) -> Self {
        Self { client: client(), base: base.to_owned() }
    }

    /// A phone that owns the groups of one session.
    pub(crate) async fn has_groups(&self, phone: &str) {
        let members: Vec<String> =
            (0..MEMBERS).map(|index| format!("{phone}-member-{index}")).collect();
        for name in members.iter().map(String::as_str).chain([phone]) {
            self.posts("/admin/phones", &json!({"name": name})).await;
        }
        for group in 0..GROUPS {
            let body =
                json!({"subject": format!("Group {group}"), "owner": phone, "members": members});
            self.posts("/admin/groups", &body).await;
        }
    }

    /// The phone scans a code.
    pub(crate) async fn scans(&self, phone: &str, code: &str) {
        let path = format!("{}/admin/mock-phone/scan-qr?phone={phone}", self.base);
        let answer = self.client.post(path).body(code.to_owned()).send().await;
        let answer = answer.expect("the sandbox answers");
        assert!(answer.status().is_success(), "scan: {}", answer.text().await.unwrap_or_default());
    }

    async fn posts(&self, path: &str, body: &Value) {
        let answer = self.client.post(format!("{}{path}", self.base)).json(body).send().await;
        let answer = answer.expect("the sandbox answers");
        assert!(
            answer.status().is_success(),
            "{path}: {}",
            answer.text().await.unwrap_or_default()
        );
    }
}

/// What is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// `GET …/groups/{gid}`.
    Stored,
    /// The route that answers from memory.
    SameBytes,
}

/// The gateway.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    base: String,
    key: String,
    control: String,
}

impl Api {
    pub(crate) fn new(base: &str, key: &str, control: &str) -> Self {
        Self {
            client: client(),
            base: base.to_owned(),
            key: key.to_owned(),
            control: control.to_owned(),
        }
    }

    /// Links the sessions; gives the paths of their groups.
    pub(crate) async fn sets_up(&self) -> Vec<String> {
        let control = Control::new(&self.control);
        let mut paths = Vec::new();
        for index in 0..SESSIONS {
            let phone = format!("ours-{index}");
            control.has_groups(&phone).await;
            let body = json!({"start": true});
            let (_, made) = self.call(Method::POST, "/api/v1/sessions", Some(&body)).await;
            let session = format!("/api/v1/sessions/{}", made["id"].as_str().expect("a session"));
            let qr = self.until(&format!("{session}/qr"), |_, body| body["code"].is_string()).await;
            control.scans(&phone, qr["code"].as_str().expect("a code")).await;
            let groups = format!("{session}/groups");
            let stored = self
                .until(&groups, |_, body| {
                    body["data"].as_array().is_some_and(|groups| groups.len() == GROUPS)
                })
                .await;
            for group in stored["data"].as_array().expect("a list") {
                paths.push(format!("{groups}/{}", group["groupJid"].as_str().expect("an address")));
            }
            self.until(&session, |_, body| body["status"] == "working").await;
        }
        paths
    }

    /// So many changes of one field, [`IN_FLIGHT`] at once, each on another group.
    pub(crate) async fn patches(&self, groups: &[String], count: u32, round: usize) {
        let each = count as usize / IN_FLIGHT;
        let mut workers = JoinSet::new();
        for path in groups.iter().take(IN_FLIGHT) {
            let (api, path) = (self.clone(), path.clone());
            workers.spawn(async move {
                for index in 0..each {
                    api.changes(&path, &format!("Round {round} change {index}")).await;
                }
            });
        }
        workers.join_all().await;
    }

    /// The median time of one change while nothing else happens, in microseconds. The caller is a bare socket, so that
    /// it is the gateway that is measured.
    pub(crate) fn patch_latency(&self, path: &str, count: u32) -> f64 {
        let address = self.base.strip_prefix("http://").expect("an address");
        let mut socket = TcpStream::connect(address).expect("the gateway listens");
        socket.set_nodelay(true).expect("the socket takes the option");
        let mut answer = [0; 4096];
        let took: Vec<Duration> = (0..count)
            .map(|index| {
                let body = json!({"subject": format!("Single {index}")}).to_string();
                let request = format!(
                    "PATCH {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    self.key,
                    body.len()
                );
                let begun = Instant::now();
                socket.write_all(request.as_bytes()).expect("the gateway reads");
                let length = socket.read(&mut answer).expect("the gateway answers");
                let took = begun.elapsed();
                let head = &answer[..length];
                assert!(head.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(head));
                took
            })
            .collect();
        median_us(&took)
    }

    /// So many reads, [`READERS`] at once.
    pub(crate) async fn reads(&self, groups: &[String], target: Target, count: u32) {
        let mut workers = JoinSet::new();
        for reader in 0..READERS {
            let api = self.clone();
            let path = match target {
                Target::Stored => groups[reader % groups.len()].clone(),
                Target::SameBytes => SAME_BYTES.to_owned(),
            };
            workers.spawn(async move {
                for _ in 0..count as usize / READERS {
                    let (status, body) = api.call(Method::GET, &path, None).await;
                    assert_eq!(status, 200, "{path}: {body}");
                }
            });
        }
        workers.join_all().await;
    }

    /// The body of an answer, as it is.
    pub(crate) async fn text(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let answer = request.send().await.expect("the gateway answers");
        answer.error_for_status().expect("a good answer").text().await.expect("a whole answer")
    }

    async fn changes(&self, path: &str, subject: &str) {
        let (status, body) =
            self.call(Method::PATCH, path, Some(&json!({"subject": subject}))).await;
        assert_eq!(status, 204, "{path}: {body}");
    }

    async fn until(&self, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let mut rhythm = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..3_000 {
            rhythm.tick().await;
            let (status, body) = self.call(Method::GET, path, None).await;
            if wanted(status, &body) {
                return body;
            }
        }
        panic!("{path} did not become what it should within a minute");
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request =
            self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.expect("the gateway answers");
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.expect("the answer is whole");
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

fn client() -> Client {
    Client::builder().no_proxy().build().expect("an HTTP client is made")
}
