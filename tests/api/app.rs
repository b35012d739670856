//! A gateway in this process, with a WhatsApp of its own.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;
use wharf::{AppState, keys};
use wharf_actors::Sessions;
use wharf_sandbox::{NewGroup, Sandbox};
use wharf_storage::{Capability, Store};

use crate::document;

/// How long a condition may take to come true.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A group that WhatsApp does not know.
pub(crate) const UNKNOWN_GROUP: &str = "120363999999999999@g.us";

/// The gateway, with a key that may do all.
pub(crate) struct TestApp {
    pub(crate) sandbox: Sandbox,
    pub(crate) running: Running,
}

/// The gateway's own part: what ends when its process ends.
pub(crate) struct Running {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    router: Router,
    key: String,
}

/// A linked session, whose account `shop` is an admin of one group and a plain member of another.
pub(crate) struct Linked {
    pub(crate) session: String,
    pub(crate) crew: String,
    pub(crate) board: String,
}

impl Linked {
    /// The path of something of the session.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/v1/sessions/{}{rest}", self.session)
    }

    /// The path of the group of which the account is an admin.
    pub(crate) fn crew(&self) -> String {
        self.path(&format!("/groups/{}", self.crew))
    }

    /// The path of the group of which the account is a plain member.
    pub(crate) fn board(&self) -> String {
        self.path(&format!("/groups/{}", self.board))
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null when the body is empty or no JSON.
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// Asserts the status and, for an error, that its envelope is whole; gives the answer back.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.headers.contains_key("x-request-id"));
        if status >= 400 {
            let error = &self.body["error"];
            assert!(error["code"].is_string() && error["message"].is_string(), "{}", self.body);
        }
        self
    }

    /// Asserts status and code of an error; gives its details.
    #[track_caller]
    pub(crate) fn error(self, status: u16, code: &str) -> Value {
        let mut answer = self.expect(status);
        assert_eq!(answer.body["error"]["code"], code, "{}", answer.body);
        answer.body["error"]["details"].take()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl TestApp {
    /// Everything in memory, nothing made yet.
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
        let running = Running::start(Store::in_memory().unwrap(), &sandbox.ws_url()).await;
        Self { sandbox, running }
    }

    /// Links a session with the account `shop` and waits until it works and its two groups are stored.
    pub(crate) async fn linked(&self) -> Linked {
        for name in ["boss", "mia", "shop"] {
            self.sandbox.add_phone(name);
        }
        let crew =
            self.sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop").member("mia"));
        let board = self.sandbox.add_group(NewGroup::new("Board").owner("boss").member("shop"));
        board.by("boss").sets_locked(true);
        let made = self.running.post("/api/v1/sessions", json!({"start": true})).await.expect(201);
        let session = made.body["id"].as_str().unwrap().to_owned();
        let linked = Linked { session, crew: crew.gid(), board: board.gid() };
        let code = self.code(&linked.session).await;
        self.sandbox.phone("shop").scans(&code).await.unwrap();
        self.running.until_working(&linked).await;
        linked
    }

    /// The session's code, once it is there.
    pub(crate) async fn code(&self, session: &str) -> String {
        let path = format!("/api/v1/sessions/{session}/qr");
        let answer = self.running.until(&path, |answer| answer.status == 200).await;
        answer.body["code"].as_str().unwrap().to_owned()
    }

    /// Names of what WhatsApp applied to the group since it was made, in order.
    pub(crate) fn applied(&self, group: &str) -> Vec<String> {
        let of_group = self.sandbox.journal().into_iter().filter(|entry| entry.object == group);
        of_group.map(|entry| entry.operation).filter(|name| name != "group.create").collect()
    }
}

impl Running {
    /// The gateway over a store, with WhatsApp at this address.
    pub(crate) async fn start(store: Store, whatsapp: &str) -> Self {
        Self::start_with(store, Self::config(whatsapp)).await
    }

    /// What the sessions of a test are told: WhatsApp is at this address, and nothing takes long.
    pub(crate) fn config(whatsapp: &str) -> wharf_actors::Config {
        wharf_actors::Config {
            endpoint: whatsapp.to_owned(),
            backoff_base: Duration::from_millis(50),
            backoff_max: Duration::from_millis(500),
            prekeys: 20,
            ..wharf_actors::Config::default()
        }
    }

    /// The same, with sessions that are told this.
    pub(crate) async fn start_with(store: Store, config: wharf_actors::Config) -> Self {
        Self::start_as(store, config, |state| state).await
    }

    /// The same, with parts that a test puts in.
    pub(crate) async fn start_as(
        store: Store,
        config: wharf_actors::Config,
        change: impl FnOnce(AppState) -> AppState,
    ) -> Self {
        let sessions = Sessions::start(store.clone(), config).await.unwrap();
        let state = change(AppState::new(store.clone(), sessions.clone(), "test"));
        let router = wharf::app(state, Duration::from_secs(30));
        let mut running = Self { store, sessions, router, key: String::new() };
        running.key = running.key_for("default", keys::all_capabilities()).await;
        running
    }

    /// Ends the gateway as the end of its process would, in order.
    pub(crate) async fn stop(self) {
        self.sessions.shutdown().await;
        self.store.close().await.unwrap();
    }

    /// A new key.
    pub(crate) async fn key_for(
        &self,
        organization: &str,
        capabilities: BTreeSet<Capability>,
    ) -> String {
        let new = keys::NewKey { capabilities, ..keys::NewKey::for_all(organization, "test") };
        keys::create(&self.store, new).await.unwrap().1
    }

    /// A new key that carries one capability.
    pub(crate) async fn key_with(&self, capability: Capability) -> String {
        self.key_for("default", [capability].into()).await
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        document::validate(&method, &path, status, &headers, &bytes);
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status, headers, body, bytes }
    }

    /// A request with this key, and a JSON body if there is one.
    pub(crate) async fn call(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"));
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// A request with the key that may do all.
    pub(crate) async fn call_as_manager(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        self.call(&self.key, method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(&self.key, "GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.key, "POST", path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(&self.key, "PATCH", path, Some(body)).await
    }

    /// A request builder that carries the key that may do all.
    pub(crate) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
    }

    /// Reads a path until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        eventually(path, async || {
            let answer = self.get(path).await;
            if wanted(&answer) { Ok(answer) } else { Err(answer.body.to_string()) }
        })
        .await
    }

    /// Waits until the session works and both its groups are stored.
    pub(crate) async fn until_working(&self, linked: &Linked) {
        self.until(&linked.path(""), |answer| answer.body["status"] == "working").await;
        self.until(&linked.crew(), |answer| answer.status == 200).await;
        self.until(&linked.board(), |answer| answer.status == 200).await;
    }
}

/// Asks again and again until there is a result; what was found instead is shown when time is up.
pub(crate) async fn eventually<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let end = Instant::now() + DEADLINE;
    let mut rhythm = tokio::time::interval(Duration::from_millis(20));
    loop {
        rhythm.tick().await;
        match ask().await {
            Ok(found) => return found,
            Err(found) => assert!(Instant::now() < end, "`{what}` did not come true, but: {found}"),
        }
    }
}
