//! A gateway in a process of its own, which a test may kill.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::process::{Child, Command};
use wharf::{
    config::Encryption,
    control::{self, Order, Outcome},
    keys,
};
use wharf_storage::{Options, Store};

use crate::{
    app::{DEADLINE, eventually},
    document,
};

/// How often a test repeats what may go wrong at another point each time: few by default, `ROUNDS` for long runs.
pub(crate) fn rounds(default: usize) -> usize {
    std::env::var("ROUNDS").map_or(default, |rounds| rounds.parse().expect("`ROUNDS` is a number"))
}

/// A number below `bound`, another one each time.
pub(crate) fn random(bound: u64) -> u64 {
    getrandom::u64().unwrap() % bound
}

/// The folder of a gateway's data, with a key that may do all.
pub(crate) struct Data {
    folder: tempfile::TempDir,
    key: String,
}

impl Data {
    /// A new folder, whose store `prepare` fills.
    pub(crate) async fn new<T>(prepare: impl AsyncFnOnce(Store) -> T) -> (Self, T) {
        Self::new_in(tempfile::tempdir().unwrap(), prepare).await
    }

    /// The same in this folder.
    pub(crate) async fn new_in<T>(
        folder: tempfile::TempDir,
        prepare: impl AsyncFnOnce(Store) -> T,
    ) -> (Self, T) {
        let store = Store::open(&folder.path().join("wharf.redb"), &Options::default()).unwrap();
        let new = keys::NewKey::for_all("default", "test");
        let (_, key) = keys::create(&store, new).await.unwrap();
        let prepared = prepare(store).await;
        (Self { folder, key }, prepared)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts a gateway on the data, without waiting for anything.
    pub(crate) fn spawn(&self, whatsapp: &str, options: &[&str]) -> Child {
        self.start(Command::new(env!("CARGO_BIN_EXE_wharf")), whatsapp, options)
    }

    fn start(&self, mut program: Command, whatsapp: &str, options: &[&str]) -> Child {
        let log = std::fs::File::create(self.log()).unwrap();
        // Gateways of other tests run beside it: the usual address is one of them's, or nobody's.
        program
            .env("WHARF_METRICS_LISTEN", "off")
            .args(["--log-format", "json", "serve", "--listen", "127.0.0.1:0"])
            .args(["--whatsapp-url", whatsapp, "--data"])
            .arg(self.folder.path())
            .args(options)
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// The address of the last gateway's metrics, without the scheme; none when there are none.
    pub(crate) fn metrics(&self) -> Option<String> {
        let address = said(&self.log(), "metrics are at http://")?;
        Some(address.strip_suffix("/metrics").unwrap().to_owned())
    }

    /// Runs a command on the data.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.args(arguments).arg("--data").arg(self.folder.path());
        command.output().await.unwrap()
    }

    /// Sets the wall clock of the gateway that runs on the data so far ahead of the system's, or back.
    pub(crate) async fn sets_clock_ahead(&self, milliseconds: i64) {
        let order = Order::SetClockAhead { milliseconds };
        let set = control::execute(self.folder.path(), order, &Encryption::default()).await;
        assert!(matches!(set, Ok(Outcome::ClockSet)));
    }

    /// A file or socket among the data.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the last gateway has logged.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }

    /// Starts a gateway on the data, and waits until it listens.
    pub(crate) async fn serve(&self, whatsapp: &str, options: &[&str]) -> Gateway {
        self.listens(self.spawn(whatsapp, options)).await
    }

    /// The same, for a gateway that may have so many descriptors open.
    pub(crate) async fn serve_with_descriptors(
        &self,
        most: usize,
        whatsapp: &str,
        options: &[&str],
    ) -> Gateway {
        self.serve_after(&format!("ulimit -n {most}"), whatsapp, options).await
    }

    /// The same, in a process that a shell has prepared.
    pub(crate) async fn serve_after(
        &self,
        prepare: &str,
        whatsapp: &str,
        options: &[&str],
    ) -> Gateway {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{prepare}; exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_wharf"));
        self.listens(self.start(shell, whatsapp, options)).await
    }

    async fn listens(&self, mut child: Child) -> Gateway {
        let log = self.log();
        let base = eventually("the gateway listens", async || {
            if let Some(ended) = child.try_wait().unwrap() {
                panic!("the gateway ended ({ended}): {}", std::fs::read_to_string(&log).unwrap());
            }
            said(&log, "listening on ").ok_or_else(|| std::fs::read_to_string(&log).unwrap())
        })
        .await;
        let client =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
        Gateway { child, caller: Caller { base, key: self.key.clone(), client } }
    }
}

/// What the log says after these words.
fn said(log: &Path, words: &str) -> Option<String> {
    let lines = BufReader::new(std::fs::File::open(log).unwrap()).lines();
    lines.map_while(Result::ok).find_map(|line| {
        let entry: Value = serde_json::from_str(&line).ok()?;
        let message = entry["message"].as_str()?;
        message.strip_prefix(words).map(str::to_owned)
    })
}

/// A running gateway.
pub(crate) struct Gateway {
    child: Child,
    caller: Caller,
}

/// Whoever calls a gateway with a key.
#[derive(Clone)]
pub(crate) struct Caller {
    base: String,
    key: String,
    client: reqwest::Client,
}

impl Caller {
    /// Status and body of an answer; `None` when the connection broke before it was whole.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let request = self
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
            .bearer_auth(&self.key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.ok()?;
        document::validate(method, path, status, &headers, &bytes);
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

impl Gateway {
    /// The same gateway, called with another key.
    pub(crate) fn with_key(&self, key: &str) -> Caller {
        Caller { key: key.to_owned(), ..self.caller.clone() }
    }

    /// The key that may do all.
    pub(crate) fn key(&self) -> &str {
        &self.caller.key
    }

    /// A way to call the gateway that outlives a borrow of it.
    pub(crate) fn caller(&self) -> Caller {
        self.caller.clone()
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        self.caller.call(method, path, body).await
    }

    /// The body of a GET that must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await.unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Everything that a list holds, page after page.
    pub(crate) async fn all(&self, path: &str, parameter: &str) -> Vec<Value> {
        self.all_after(path, parameter, "").await
    }

    /// Everything that it holds behind this cursor.
    pub(crate) async fn all_after(&self, path: &str, parameter: &str, after: &str) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), after.to_owned());
        loop {
            let from =
                if cursor.is_empty() { String::new() } else { format!("&{parameter}={cursor}") };
            let mut page = self.get(&format!("{path}?limit=200{from}")).await;
            let Value::Array(data) = page["data"].take() else { panic!("no list: {page}") };
            let next = page["nextCursor"].as_str().unwrap().to_owned();
            let end = data.is_empty() || next.is_empty();
            found.extend(data);
            if end {
                return found;
            }
            cursor = next;
        }
    }

    /// Ends the process with nothing but what it has written.
    pub(crate) async fn kill_9(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Tells the process to end, and waits until it has.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ends().await
    }

    /// Waits until the process has ended.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    /// The end of the process, whenever that is.
    pub(crate) async fn has_ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// How far into a file the process may write from now on; none: anywhere.
    pub(crate) fn may_write_up_to(&self, bytes: Option<u64>) {
        let id = i32::try_from(self.child.id().expect("it runs")).unwrap();
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        let pid = rustix::process::Pid::from_raw(id);
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
    }

    /// Where it listens, without the scheme.
    pub(crate) fn address(&self) -> &str {
        self.caller.base.strip_prefix("http://").unwrap()
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args([&format!("-{name}"), &id]).status().unwrap().success());
    }
}
