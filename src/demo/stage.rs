//! What the demonstration needs before it can begin.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use wharf_sandbox::{NewGroup, Sandbox};

use super::{failed, issuer::Issuer};
use crate::server::{Error, Result};

/// How long to wait before asking again for what is not there yet.
const PAUSE: Duration = Duration::from_millis(100);

/// A gateway with a linked session that is in two groups.
pub(super) struct Stage {
    pub(super) base_url: String,
    pub(super) key: String,
    pub(super) session: String,
    /// The session's account is an admin here.
    pub(super) admin_group: String,
    /// The session's account is a plain member here, and the settings are the admins' alone.
    pub(super) member_group: String,
    /// The address that mints login tokens.
    pub(super) issuer: String,
    /// A login token of a plain member of the organization.
    pub(super) member_token: String,
    client: Client,
}

/// An answer of the gateway.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Null when the body is empty.
    pub(super) body: Value,
}

impl Stage {
    /// Makes accounts and groups at the sandbox, and links a session with one of the accounts: all that a caller
    /// does goes through the gateway's API, what a phone does through the sandbox.
    pub(super) async fn set(
        sandbox: &Sandbox,
        issuer: &Issuer,
        base_url: String,
        key: String,
    ) -> Result<Self> {
        for name in ["boss", "mia", "shop"] {
            sandbox.add_phone(name);
        }
        let crew = sandbox
            .add_group(NewGroup::new("Harbour crew").owner("boss").admin("shop").member("mia"));
        let board = sandbox
            .add_group(NewGroup::new("Notice board").owner("boss").member("shop").member("mia"));
        board.by("boss").sets_locked(true);

        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| failed("client", &error))?;
        let mut stage = Self {
            base_url,
            key,
            session: String::new(),
            admin_group: crew.gid(),
            member_group: board.gid(),
            issuer: issuer.url().to_owned(),
            member_token: String::new(),
            client,
        };
        stage.member_token = stage.mint("subject=anna&organization=default&role=member").await?;
        let made = stage
            .ask(Method::POST, "/api/v1/sessions", Some(json!({"label": "demo", "start": true})))
            .await?;
        stage.session = match (made.status, made.body["id"].as_str()) {
            (StatusCode::CREATED, Some(id)) => id.to_owned(),
            (status, _) => {
                return Err(Error::Demo(format!("making the session was answered {status}")));
            }
        };
        let code = stage.until("/qr", |answer| answer.body["code"].is_string()).await?;
        let code = code.body["code"].as_str().unwrap_or_default();
        sandbox.phone("shop").scans(code).await.map_err(|error| failed("linking", &error))?;
        stage.until("", |answer| answer.body["status"] == "working").await?;
        for group in [&stage.admin_group, &stage.member_group] {
            stage
                .until(&format!("/groups/{group}"), |answer| answer.status == StatusCode::OK)
                .await?;
        }
        Ok(stage)
    }

    /// The path of something of the session.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/api/v1/sessions/{}{rest}", self.session)
    }

    /// A login token, from the issuer.
    async fn mint(&self, form: &'static str) -> Result<String> {
        let request = self.client.post(format!("{}/token", self.issuer)).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(|error| failed("minting a login token", &error))?;
        answer.text().await.map_err(|error| failed("minting a login token", &error))
    }

    /// One request to the gateway, with the key.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        self.ask_with(&self.key, method, path, body).await
    }

    /// One request to the gateway, with this credential.
    pub(super) async fn ask_with(
        &self,
        credential: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.base_url);
        let mut request = self.client.request(method, url).bearer_auth(credential);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| failed(path, &error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| failed(path, &error))?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|error| failed(path, &error))?
        };
        Ok(Answer { status, body })
    }

    /// Asks for something of the session until the answer is as wanted. The caller sets the time limit.
    async fn until(&self, rest: &str, wanted: impl Fn(&Answer) -> bool) -> Result<Answer> {
        let path = self.path(rest);
        loop {
            let answer = self.ask(Method::GET, &path, None).await?;
            if wanted(&answer) {
                return Ok(answer);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
