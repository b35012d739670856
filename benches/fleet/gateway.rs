//! The gateway: the `wharf` program itself, in a process of its own, and its API.

use std::{path::Path, process::Stdio, time::Duration};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{sandbox::Control, usage::Usage};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wharf");

/// The folder of the data, with a key that may do all, and what the program is started with.
pub(crate) struct Data {
    folder: TempDir,
    key: String,
    options: Vec<String>,
}

impl Data {
    /// New data. `certificate`: what to trust when WhatsApp speaks TLS.
    pub(crate) async fn new(whatsapp: &str, certificate: Option<&str>, more: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let made = Command::new(PROGRAM)
            .args(["key", "create", "--organization", "default", "--name", "bench", "--data"])
            .arg(folder.path())
            .output()
            .await
            .expect("the program runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let key = String::from_utf8(made.stdout).expect("a key is text").trim().to_owned();
        let mut options = vec!["--whatsapp-url".to_owned(), whatsapp.to_owned()];
        if let Some(certificate) = certificate {
            let file = folder.path().join("authority.pem");
            std::fs::write(&file, certificate).expect("the certificate can be written");
            options.extend(["--whatsapp-ca".to_owned(), file.display().to_string()]);
        }
        options.extend_from_slice(more);
        Self { folder, key, options }
    }

    /// Bytes of the store's file.
    pub(crate) fn bytes(&self) -> u64 {
        let file = self.folder.path().join("wharf.redb");
        std::fs::metadata(file).map_or(0, |metadata| metadata.len())
    }

    /// Starts the program and waits until it listens.
    pub(crate) async fn serve(&self) -> Gateway {
        let mut child = command(self.folder.path(), &self.options).spawn().expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("the log is a pipe")).lines();
        let (mut metrics, mut base) = (None, None);
        while base.is_none() {
            let line = log.next_line().await.expect("the log is text");
            let line = line.expect("the gateway ended before it listened");
            if let Some((_, address)) = line.split_once("metrics are at ") {
                metrics = address.split_whitespace().next().map(str::to_owned);
            }
            if let Some((_, address)) = line.split_once("listening on ") {
                base = address.split_whitespace().next().map(str::to_owned);
            }
        }
        // It must not stop at a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        let client = Client::builder().no_proxy().build().expect("an HTTP client is made");
        let base = base.expect("it listens");
        let metrics = metrics.expect("it says where its metrics are");
        Gateway { child, api: Api { client, base, metrics, key: self.key.clone() } }
    }
}

fn command(data: &Path, options: &[String]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("NO_COLOR", "1")
        .args(["--log", "error,wharf::server=info,wharf::metrics=info", "serve"])
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A running gateway; it is killed when this goes.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) api: Api,
}

impl Gateway {
    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// What the process takes up.
    pub(crate) async fn usage(&self) -> Usage {
        let tasks = told(&self.api.metrics().await, "wharf_runtime_tasks");
        Usage::of(self.id(), tasks)
    }

    /// Ends it in order.
    pub(crate) async fn stops(mut self) {
        let number = self.id().to_string();
        let told = Command::new("kill").args(["-TERM", &number]).status().await;
        assert!(told.expect("a signal can be sent").success());
        let ended = self.child.wait().await.expect("its end is told");
        assert!(ended.success(), "the gateway ended with {ended}");
    }
}

/// The gateway's API.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) client: Client,
    base: String,
    metrics: String,
    key: String,
}

impl Api {
    /// Links one session to this phone; gives the path of its groups.
    pub(crate) async fn links(&self, control: &Control, phone: &str, groups: usize) -> String {
        let made = self.does(Method::POST, "/api/v1/sessions", Some(&json!({"start": true}))).await;
        let session = format!("/api/v1/sessions/{}", made["id"].as_str().expect("a session"));
        let qr = self.until(&format!("{session}/qr"), |body| body["code"].is_string()).await;
        control.scans(phone, qr["code"].as_str().expect("a code")).await;
        self.until(&session, |body| body["status"] == "working").await;
        let list = format!("{session}/groups");
        if groups > 0 {
            let all = |body: &Value| body["data"].as_array().is_some_and(|all| all.len() == groups);
            self.until(&format!("{list}?limit={groups}"), all).await;
        }
        list
    }

    /// The path of the first group of a list.
    pub(crate) async fn first_group(&self, list: &str) -> String {
        let groups = self.does(Method::GET, list, None).await;
        format!("{list}/{}", groups["data"][0]["groupJid"].as_str().expect("a group"))
    }

    /// How many sessions work.
    pub(crate) async fn working(&self) -> usize {
        let ready = self.does(Method::GET, "/readyz", None).await;
        ready["working"].as_u64().and_then(|count| usize::try_from(count).ok()).expect("a number")
    }

    /// Reads a stored group.
    pub(crate) async fn reads(&self, group: &str) -> StatusCode {
        self.call(Method::GET, group, None).await.0
    }

    /// Changes a group.
    pub(crate) async fn changes(&self, group: &str, subject: &str) -> StatusCode {
        self.call(Method::PATCH, group, Some(&json!({"subject": subject}))).await.0
    }

    /// Writes of the store since the process started, and commits.
    pub(crate) async fn writes(&self) -> (u64, u64) {
        let text = self.metrics().await;
        let told = |series| told(&text, series).expect("the gateway tells it");
        let commits = "wharf_store_batches_total{outcome=\"committed\"}";
        (told("wharf_store_batch_writes_sum"), told(commits))
    }

    /// All figures, as text.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.client.get(&self.metrics).send().await.expect("the metrics answer");
        answer.text().await.expect("metrics are text")
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut rhythm = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..2_400 {
            rhythm.tick().await;
            let (_, body) = self.call(Method::GET, path, None).await;
            if wanted(&body) {
                return body;
            }
        }
        panic!("{path} did not become what it should within two minutes");
    }

    /// Does what must succeed.
    pub(crate) async fn does(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// Status and body of an answer; the body is null when it is none.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let request =
            self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.expect("the gateway answers");
        let status = answer.status();
        let bytes = answer.bytes().await.expect("the answer is whole");
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

/// A figure without labels, among all.
pub(crate) fn told(figures: &str, name: &str) -> Option<u64> {
    let value = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    let whole = value.split('.').next().unwrap_or(value);
    whole.parse().ok()
}
