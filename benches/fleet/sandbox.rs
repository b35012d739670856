//! The WhatsApp server of both sides, with a small control interface that makes many phones at once and speaks plain HTTP
//! even where clients have to speak TLS.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use wharf_sandbox::{Config, NewGroup, Sandbox};

use crate::process::Orders;

/// Phones that are the members of every group.
fn member(index: usize) -> String {
    format!("member-{index}")
}

pub(crate) async fn run(tls: bool) {
    let config = Config { tls, ..Config::default() };
    let sandbox = Arc::new(Sandbox::start(config).await.expect("the sandbox starts"));
    let control = Router::new()
        .route("/members", post(add_members))
        .route("/phones", post(add_phone))
        .route("/phones/{phone}/scan", post(scan))
        .route("/connections", get(connections).delete(drop_connections))
        .with_state(Arc::clone(&sandbox));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("the listener has an address"));
    tokio::spawn(async move { axum::serve(listener, control).await });
    let mut orders = Orders::ready(&json!({
        "whatsapp": sandbox.ws_url(),
        "control": base,
        "certificate": tls.then(|| sandbox.certificate_pem()),
    }));
    while orders.next().await.is_some() {}
}

#[derive(Serialize, Deserialize)]
struct Phone {
    name: String,
    groups: usize,
    members: usize,
}

async fn add_members(State(sandbox): State<Arc<Sandbox>>, Json(count): Json<usize>) {
    for index in 0..count {
        sandbox.add_phone(&member(index));
    }
}

async fn add_phone(State(sandbox): State<Arc<Sandbox>>, Json(phone): Json<Phone>) {
    sandbox.add_phone(&phone.name);
    for index in 0..phone.groups {
        let group = NewGroup::new(format!("Group {index}")).owner(&phone.name);
        sandbox.add_group((0..phone.members).map(member).fold(group, NewGroup::member));
    }
}

async fn scan(State(sandbox): State<Arc<Sandbox>>, Path(phone): Path<String>, code: String) {
    sandbox.phone(&phone).scans(&code).await.expect("the client is linked");
}

async fn connections(State(sandbox): State<Arc<Sandbox>>) -> Json<usize> {
    Json(sandbox.connections())
}

async fn drop_connections(State(sandbox): State<Arc<Sandbox>>) {
    sandbox.drops_connections().await;
}

/// Whoever moves the sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    client: Client,
    base: String,
}

impl Control {
    pub(crate) fn new(base: &str) -> Self {
        let client = Client::builder().no_proxy().build().expect("an HTTP client is made");
        Self { client, base: base.to_owned() }
    }

    /// Its address.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Phones that can be members of groups.
    pub(crate) async fn has_members(&self, count: usize) {
        self.sent(self.client.post(self.at("/members")).json(&count)).await;
    }

    /// A phone that owns groups of so many members beside it.
    pub(crate) async fn has_phone(&self, name: &str, groups: usize, members: usize) {
        let phone = Phone { name: name.to_owned(), groups, members };
        self.sent(self.client.post(self.at("/phones")).json(&phone)).await;
    }

    /// The phone scans a code.
    pub(crate) async fn scans(&self, phone: &str, code: &str) {
        let path = self.at(&format!("/phones/{phone}/scan"));
        self.sent(self.client.post(path).body(code.to_owned())).await;
    }

    /// How many connections are open.
    pub(crate) async fn connections(&self) -> usize {
        let answer = self.sent(self.client.get(self.at("/connections"))).await;
        answer.json().await.expect("a number")
    }

    /// Breaks every connection.
    pub(crate) async fn drops_connections(&self) {
        self.sent(self.client.delete(self.at("/connections"))).await;
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let answer = request.send().await.expect("the sandbox answers");
        answer.error_for_status().expect("the sandbox does as it is told")
    }
}
