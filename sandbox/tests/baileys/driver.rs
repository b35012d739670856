//! A Baileys client in a process of its own, driven by lines of JSON.

use std::collections::{HashMap, VecDeque};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use wharf_sandbox::{LinkedDevice, Sandbox};

use super::Version;
use super::install::{installed, sources};
use crate::client::DEADLINE;

/// Lines of the client's log that a failing test shows.
const LOG: usize = 60;

/// What Baileys warns of whatever the server does: that it is told to restart, that it is to leave histories alone, and
/// that who is asked for a LID by a LID (7.0 does so in groups) has no other.
const USUAL: [&str; 3] = ["stream errored out", "DISABLING ALL SYNC", "Invalid LID-PN mapping"];

/// A running client. It is killed when it is dropped.
pub(crate) struct Baileys {
    version: Version,
    store: Arc<TempDir>,
    process: Child,
    commands: tokio::sync::Mutex<ChildStdin>,
    numbers: AtomicU64,
    answers: Answers,
    events: tokio::sync::Mutex<Events>,
    log: Log,
}

/// What the server, or Baileys itself, refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Option<u64>,
    pub(crate) text: String,
}

type Answers = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, Refused>>>>>;
type Log = Arc<Mutex<Lines>>;

/// What the client has logged: its last lines, and every complaint.
#[derive(Default)]
struct Lines {
    last: VecDeque<String>,
    complaints: Vec<String>,
}

/// Events by their name, as Baileys has them; those that nobody has asked for yet are kept.
struct Events {
    coming: mpsc::UnboundedReceiver<(String, Value)>,
    kept: VecDeque<(String, Value)>,
}

impl Baileys {
    /// A client that dials the sandbox and is linked to nothing yet.
    pub(crate) async fn starts(version: Version, sandbox: &Sandbox) -> Self {
        Self::stored_in(Arc::new(TempDir::new().unwrap()), version, sandbox).await
    }

    /// The same, with a push name that it may register with.
    pub(crate) async fn named(version: Version, sandbox: &Sandbox, push_name: &str) -> Self {
        let store = Arc::new(TempDir::new().unwrap());
        Self::runs(store, version, sandbox, Some(push_name)).await
    }

    /// A client that this phone has linked and that is logged in.
    pub(crate) async fn links(version: Version, sandbox: &Sandbox, phone: &str) -> Self {
        let client = Self::starts(version, sandbox).await;
        client.is_scanned(sandbox, phone).await;
        // The server asks it to come again as a device.
        assert_eq!(client.closes().await.code, Some(515));
        client.opens().await;
        client.opens_the_phones_keys().await;
        client
    }

    /// A new process with the credentials that an earlier one has left.
    pub(crate) async fn stored_in(
        store: Arc<TempDir>,
        version: Version,
        sandbox: &Sandbox,
    ) -> Self {
        Self::runs(store, version, sandbox, None).await
    }

    async fn runs(
        store: Arc<TempDir>,
        version: Version,
        sandbox: &Sandbox,
        push_name: Option<&str>,
    ) -> Self {
        let modules = installed(version).await;
        // Media are on HTTPS, whose certificate is the sandbox's own.
        let certificate = store.path().join("sandbox.pem");
        std::fs::write(&certificate, sandbox.certificate_pem()).unwrap();
        let mut process = Command::new("node")
            .env("NODE_EXTRA_CA_CERTS", certificate)
            .env("PUSH_NAME", push_name.unwrap_or_default())
            .arg(sources().join("driver.mjs"))
            .arg(modules)
            .arg(sandbox.ws_url())
            .arg(store.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (told, coming) = mpsc::unbounded_channel();
        let (answers, log) = (Answers::default(), Log::default());
        let (output, errors) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        tokio::spawn(hear(output, answers.clone(), told));
        tokio::spawn(note(errors, log.clone()));
        Self {
            version,
            store,
            commands: process.stdin.take().unwrap().into(),
            process,
            numbers: AtomicU64::new(1),
            answers,
            events: Events { coming, kept: VecDeque::new() }.into(),
            log,
        }
    }

    /// Shows the first QR code to a phone, which scans it.
    pub(crate) async fn is_scanned(&self, sandbox: &Sandbox, phone: &str) -> LinkedDevice {
        sandbox.phone(phone).scans(&self.qr().await).await.unwrap()
    }

    /// The first QR code that the client shows.
    pub(crate) async fn qr(&self) -> String {
        self.sees("connection.update", |update| update["qr"].as_str().map(str::to_owned)).await
    }

    /// Waits until the client is logged in.
    pub(crate) async fn opens(&self) {
        self.sees("connection.update", |update| (update["connection"] == "open").then_some(()))
            .await;
    }

    /// Waits until the client has opened the first message of a phone to a new device: the key of the account's settings.
    pub(crate) async fn opens_the_phones_keys(&self) {
        self.sees("creds.update", |name| (name == "myAppStateKeyId").then_some(())).await;
    }

    /// Waits until its connection is closed and says with which number and words.
    pub(crate) async fn closes(&self) -> Refused {
        self.sees("connection.update", |update| {
            (update["connection"] == "close").then(|| refused(&update["closed"]))
        })
        .await
    }

    /// Calls a method of the socket, by its name in Baileys.
    pub(crate) async fn call(&self, command: &str, args: Value) -> Value {
        match self.tries(command, args).await {
            Ok(value) => value,
            Err(refused) => self.fails(&format!("`{command}` was refused: {refused:?}")),
        }
    }

    /// Calls a method that is to be refused; the number and the words as Baileys hands them on.
    pub(crate) async fn refused(&self, command: &str, args: Value) -> Refused {
        match self.tries(command, args).await {
            Ok(value) => self.fails(&format!("`{command}` was not refused: {value}")),
            Err(refused) => refused,
        }
    }

    async fn tries(&self, command: &str, args: Value) -> Result<Value, Refused> {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (answered, answer) = oneshot::channel();
        self.answers.lock().unwrap().insert(id, answered);
        let line = format!("{}\n", json!({ "id": id, "command": command, "args": args }));
        let written = self.commands.lock().await.write_all(line.as_bytes()).await;
        if let Err(error) = written {
            self.fails(&format!("`{command}` could not be written: {error}"));
        }
        match timeout(DEADLINE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => self.fails(&format!("the client ended before `{command}` was answered")),
            Err(_) => self.fails(&format!("`{command}` was not answered in time")),
        }
    }

    /// Waits for an event of this name and returns what `pick` makes of it; the others are kept for later.
    pub(crate) async fn sees<T>(&self, event: &str, pick: impl Fn(&Value) -> Option<T>) -> T {
        self.sees_any(&[event], pick).await
    }

    /// The same for several names: Baileys puts what comes soon after something into the event of that.
    pub(crate) async fn sees_any<T>(
        &self,
        wanted: &[&str],
        pick: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let mut events = self.events.lock().await;
        for (position, (name, data)) in events.kept.iter().enumerate() {
            if wanted.contains(&name.as_str())
                && let Some(found) = pick(data)
            {
                events.kept.remove(position);
                return found;
            }
        }
        let found = async {
            while let Some((name, data)) = events.coming.recv().await {
                if wanted.contains(&name.as_str())
                    && let Some(found) = pick(&data)
                {
                    return Ok(found);
                }
                events.kept.push_back((name, data));
            }
            Err("the client ended")
        };
        match timeout(DEADLINE, found).await {
            Ok(Ok(found)) => found,
            Ok(Err(ended)) => self.fails(&format!("{ended} before one of {wanted:?}")),
            Err(_) => {
                let kept: Vec<String> =
                    events.kept.iter().map(|(name, data)| format!("{name}: {data}")).collect();
                self.fails(&format!("nothing such of {wanted:?} in time, but\n{}", kept.join("\n")))
            }
        }
    }

    /// Nothing that the client did is unknown to the server, and nothing that the server did strange to the client.
    pub(crate) fn is_at_home(&self, sandbox: &Sandbox) {
        assert_eq!(sandbox.unknown_iqs(), 0);
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let none: [&str; 0] = [];
        assert_eq!(log.complaints, none, "baileys {}", self.version.number());
    }

    /// Ends the process in order; what it leaves serves [`Baileys::stored_in`].
    pub(crate) async fn stops(self) -> Arc<TempDir> {
        let Self { store, mut process, commands, .. } = self;
        drop(commands);
        timeout(DEADLINE, process.wait()).await.unwrap().unwrap();
        store
    }

    fn fails(&self, why: &str) -> ! {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = log.last.iter().map(String::as_str).collect();
        panic!("baileys {}: {why}\nits log ends with\n{}", self.version.number(), lines.join("\n"))
    }
}

fn refused(problem: &Value) -> Refused {
    let text = problem["text"].as_str().unwrap_or_default().to_owned();
    Refused { code: problem["code"].as_u64(), text }
}

/// Reads what the client tells until it ends, which leaves every open question without an answer.
async fn hear(
    output: impl AsyncRead + Unpin,
    answers: Answers,
    told: mpsc::UnboundedSender<(String, Value)>,
) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut line: Value = serde_json::from_str(&line).expect("the driver writes JSON");
        if let Some(event) = line["event"].as_str() {
            let _ = told.send((event.to_owned(), line["data"].take()));
        } else if let Some(answered) =
            line["id"].as_u64().and_then(|id| answers.lock().unwrap().remove(&id))
        {
            let answer = match line.get("refused") {
                Some(problem) => Err(refused(problem)),
                None => Ok(line["value"].take()),
            };
            let _ = answered.send(answer);
        }
    }
    answers.lock().unwrap().clear();
}

async fn note(errors: impl AsyncRead + Unpin, log: Log) {
    let mut lines = BufReader::new(errors).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap();
        if complains(&line) {
            log.complaints.push(line.clone());
        }
        if log.last.len() == LOG {
            log.last.pop_front();
        }
        log.last.push_back(line);
    }
}

/// Whether a line is a warning or worse, by the numbers of pino's levels.
fn complains(line: &str) -> bool {
    let level = serde_json::from_str::<Value>(line).ok().and_then(|line| line["level"].as_u64());
    level.is_some_and(|level| level >= 40) && !USUAL.iter().any(|usual| line.contains(usual))
}
