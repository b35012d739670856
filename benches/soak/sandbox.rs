//! The WhatsApp server, in a process of its own, and its control interface.

use reqwest::Client;
use serde_json::{Value, json};
use wharf_sandbox::{Config, Sandbox};

use crate::process::Orders;

pub(crate) async fn run() {
    let sandbox = Sandbox::start(Config::default()).await.expect("the sandbox starts");
    let mut orders =
        Orders::ready(&json!({"whatsapp": sandbox.ws_url(), "control": sandbox.http_url()}));
    while orders.next().await.is_some() {}
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
        Self { client, base: format!("{base}/admin") }
    }

    /// A phone without groups.
    pub(crate) async fn has_phone(&self, name: &str) {
        self.post("/phones", &json!({"name": name})).await;
    }

    /// A group that `owner` and `admin` may change.
    pub(crate) async fn has_group(&self, owner: &str, admin: &str, member: &str) {
        let group =
            json!({"subject": "Crew", "owner": owner, "admins": [admin], "members": [member]});
        self.post("/groups", &group).await;
    }

    /// The phone scans a code.
    pub(crate) async fn scans(&self, phone: &str, code: &str) {
        let path = format!("{}/mock-phone/scan-qr?phone={phone}", self.base);
        sent(self.client.post(path).body(code.to_owned())).await;
    }

    /// Somebody changes a group.
    pub(crate) async fn changes(&self, group: &str, by: &str, change: &Value) {
        let mut body = change.clone();
        body["by"] = json!(by);
        let path = format!("{}/groups/{group}", self.base);
        sent(self.client.patch(path).json(&body)).await;
    }

    /// Somebody makes a member an admin, or takes that back.
    pub(crate) async fn ranks(&self, group: &str, by: &str, member: &str, up: bool) {
        let verb = if up { "promote" } else { "demote" };
        self.post(&format!("/groups/{group}/{verb}"), &json!({"name": member, "by": by})).await;
    }

    /// Breaks the connections of a phone's devices.
    pub(crate) async fn drops(&self, phone: &str) {
        self.post(&format!("/phones/{phone}/drop-connections"), &Value::Null).await;
    }

    async fn post(&self, path: &str, body: &Value) {
        let request = self.client.post(format!("{}{path}", self.base));
        sent(if body.is_null() { request } else { request.json(body) }).await;
    }
}

async fn sent(request: reqwest::RequestBuilder) {
    let answer = request.send().await.expect("the sandbox answers");
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    assert!(status.is_success(), "the sandbox does not do as it is told: {status} {text}");
}
