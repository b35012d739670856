//! The control socket: how a command speaks to the gateway that runs on the same data.
//!
//! A Unix socket in the folder of the data, open to its owner alone. One connection is one order and its outcome, each a
//! line of JSON. A socket that a killed process left behind is replaced: only one process has the data open.

use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};
use wharf_storage::{ApiKey, KeyId, Report, Store};

use crate::{
    clock::now_ms,
    config::Encryption,
    keys::{self, NewKey},
    server::{self, Error, Result},
};

/// The socket's name in the folder of the data.
const NAME: &str = "wharf.sock";
/// The longest line in either direction, in bytes.
const LONGEST_LINE: u64 = 16 << 20;
/// How long one order may take, its transport included.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for an order that goes through all that is stored.
const LONG_PATIENCE: Duration = Duration::from_hours(1);
/// How long the gateway waits when it cannot take an order.
const AGAIN: Duration = Duration::from_secs(1);
/// How many keys are read at once.
const PAGE: usize = 1_000;

/// What a command asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Make a key.
    CreateKey {
        /// What it shall be.
        new: NewKey,
        /// How long it is good, by the clock of whoever makes it.
        #[serde(default)]
        expires_in: Option<Duration>,
    },
    /// List the keys of an organization, or of all.
    ListKeys {
        /// The organization.
        organization: Option<String>,
    },
    /// Revoke a key.
    RevokeKey {
        /// The key.
        id: KeyId,
    },
    /// Copy all that is stored to a file.
    Backup {
        /// The file, by its whole path.
        target: PathBuf,
        /// Whether one that is there is replaced.
        force: bool,
        /// Bytes that shall stay free on the disk of the data; a gateway leaves what it needs itself in any case.
        #[serde(default)]
        reserve: u64,
    },
    /// Look whether all that is stored fits together.
    Check,
    /// Set the gateway's wall clock ahead of the system's, or back, for tests of what that does.
    #[cfg(feature = "sandbox")]
    SetClockAhead {
        /// By how much.
        milliseconds: i64,
    },
}

impl Order {
    /// How long it may take.
    fn patience(&self) -> Duration {
        match self {
            Self::CreateKey { .. } | Self::ListKeys { .. } | Self::RevokeKey { .. } => PATIENCE,
            Self::Backup { .. } | Self::Check => LONG_PATIENCE,
            #[cfg(feature = "sandbox")]
            Self::SetClockAhead { .. } => PATIENCE,
        }
    }
}

/// What came of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// A key was made.
    Created {
        /// Its secret.
        secret: String,
    },
    /// The keys that were not revoked, oldest first.
    Keys {
        /// Without their secrets.
        keys: Vec<ApiKey>,
    },
    /// Whether there was a key to revoke.
    Revoked {
        /// False for one that was revoked before, or never was.
        found: bool,
    },
    /// A copy was written.
    BackedUp {
        /// Rows in it.
        rows: u64,
        /// Its size.
        bytes: u64,
    },
    /// All was looked at.
    Checked {
        /// What was found.
        report: Report,
    },
    /// The clock was set.
    #[cfg(feature = "sandbox")]
    ClockSet,
    /// It failed.
    Failed {
        /// In words.
        reason: String,
    },
}

/// Carries an order out: through the gateway that runs on the data, or on the data itself when none runs.
///
/// # Errors
/// The order failed, or a gateway runs that does not answer.
pub async fn execute(data: &Path, order: Order, encryption: &Encryption) -> Result<Outcome> {
    match connect(data).await {
        Ok(stream) => ask(stream, &order).await,
        // Only a new key is a reason to begin anew.
        Err(_) if !matches!(order, Order::CreateKey { .. }) && !server::has_store(data) => {
            Err(server::no_data(data))
        }
        // Mostly there is no socket, or one that a killed gateway left.
        Err(unreached) => match server::open_store(data, None, encryption.master_key()?) {
            Ok(store) => {
                let outcome = perform(&store, order, 0).await?;
                store.close().await?;
                Ok(outcome)
            }
            Err(Error::Storage(wharf_storage::Error::InUse { .. })) => {
                Err(Error::Busy { data: data.to_owned(), unreached })
            }
            Err(error) => Err(error),
        },
    }
}

/// That the outcome of an order is one of another order.
pub fn unexpected() -> Error {
    Error::Control("it answers something else; is it of another release?".to_owned())
}

/// Reaches the gateway that runs on the data.
pub(crate) async fn connect(data: &Path) -> io::Result<UnixStream> {
    let folder = File::open(data)?;
    UnixStream::connect(short(&folder, data).join(NAME)).await
}

/// The folder under a name that leaves room for the socket's: the address of a socket has about a hundred bytes, and a
/// path may have thousands.
#[cfg(target_os = "linux")]
fn short(open: &File, _folder: &Path) -> PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", open.as_raw_fd()).into()
}

#[cfg(not(target_os = "linux"))]
fn short(_open: &File, folder: &Path) -> PathBuf {
    folder.to_owned()
}

/// Has the gateway that was reached carry an order out.
pub(crate) async fn ask(mut stream: UnixStream, order: &Order) -> Result<Outcome> {
    let broken = |error: io::Error| Error::Control(format!("it does not answer: {error}"));
    let exchange = async {
        let (reading, mut writing) = stream.split();
        writing.write_all(&line(order)).await?;
        let mut answer = String::new();
        BufReader::new(reading.take(LONGEST_LINE)).read_line(&mut answer).await?;
        serde_json::from_str(&answer).map_err(io::Error::from)
    };
    match tokio::time::timeout(order.patience(), exchange).await {
        Ok(Ok(Outcome::Failed { reason })) => Err(Error::Control(reason)),
        Ok(outcome) => outcome.map_err(broken),
        Err(_) => Err(broken(io::ErrorKind::TimedOut.into())),
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("orders and outcomes are JSON");
    line.push(b'\n');
    line
}

/// Carries an order out on the store, on whose disk `least` bytes stay free.
async fn perform(store: &Store, order: Order, least: u64) -> Result<Outcome> {
    Ok(match order {
        Order::CreateKey { new, expires_in } => {
            let (_, secret) = keys::create(store, checked(store, new, expires_in)?).await?;
            Outcome::Created { secret }
        }
        Order::ListKeys { organization } => {
            let mut keys: Vec<ApiKey> = Vec::new();
            loop {
                let after = keys.last().map(|key| key.id);
                let page = store.keys(organization.as_deref(), after, PAGE).await?;
                if page.is_empty() {
                    break Outcome::Keys { keys };
                }
                keys.extend(page);
            }
        }
        Order::RevokeKey { id } => Outcome::Revoked { found: keys::revoke(store, None, id).await? },
        Order::Backup { target, force, reserve } => {
            let backup = store.backup(&target, force, reserve.max(least)).await?;
            Outcome::BackedUp { rows: backup.rows, bytes: backup.bytes }
        }
        Order::Check => Outcome::Checked { report: store.check().await? },
        #[cfg(feature = "sandbox")]
        Order::SetClockAhead { milliseconds } => {
            wharf_actors::set_clock_ahead(milliseconds);
            Outcome::ClockSet
        }
    })
}

/// What a new key shall be, once it is known to be possible.
fn checked(store: &Store, new: NewKey, expires_in: Option<Duration>) -> Result<NewKey> {
    for id in new.sessions.iter().flatten() {
        let session = store.session(*id)?;
        if session.is_none_or(|session| session.organization != new.organization) {
            let organization = &new.organization;
            return Err(Error::Config(format!("`{organization}` has no session `{id}`")));
        }
    }
    let end = expires_in.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    let expires_at = end.map(|end| now_ms().saturating_add(end)).or(new.expires_at);
    Ok(NewKey { expires_at, ..new })
}

/// The gateway's end of the socket; the socket is gone when this is.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    listener: UnixListener,
}

impl Control {
    /// Makes the socket. The store in `data` is open, so no other process listens there.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        // Made where nobody else can reach it, and moved once its mode is right.
        let hidden = tempfile::Builder::new().prefix(".control-").tempdir_in(data)?;
        let folder = File::open(hidden.path())?;
        let listener = UnixListener::bind(short(&folder, hidden.path()).join(NAME))?;
        std::fs::set_permissions(hidden.path().join(NAME), std::fs::Permissions::from_mode(0o600))?;
        let path = data.join(NAME);
        std::fs::rename(hidden.path().join(NAME), &path)?;
        Ok(Self { path, listener })
    }

    /// Takes orders for as long as it is polled; on the store's disk `least` bytes stay free.
    pub(crate) async fn serve(&self, store: &Store, least: u64) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let store = store.clone();
                    tokio::spawn(async move {
                        if let Err(error) = serve(stream, &store, least).await {
                            tracing::warn!("an order on the control socket failed: {error}");
                        }
                    });
                }
                // Descriptors may be used up; that passes.
                Err(error) => {
                    tracing::error!("the control socket takes no order for now: {error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

async fn serve(mut stream: UnixStream, store: &Store, least: u64) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut order = Vec::new();
    let mut reading = BufReader::new(reading.take(LONGEST_LINE));
    tokio::time::timeout(PATIENCE, reading.read_until(b'\n', &mut order)).await??;
    let failed = |error: &dyn fmt::Display| Outcome::Failed { reason: error.to_string() };
    let outcome = match serde_json::from_slice::<Order>(&order) {
        Ok(order) => {
            let performed = tokio::time::timeout(order.patience(), perform(store, order, least));
            match performed.await {
                Ok(outcome) => outcome.unwrap_or_else(|error| failed(&error)),
                Err(late) => failed(&late),
            }
        }
        Err(error) => Outcome::Failed { reason: format!("the order does not parse: {error}") },
    };
    let answer = async {
        writing.write_all(&line(&outcome)).await?;
        writing.shutdown().await
    };
    match tokio::time::timeout(PATIENCE, answer).await? {
        // Whoever only looks whether a gateway is here says nothing, and does not wait for an answer.
        Err(_) if order.is_empty() => Ok(()),
        told => told,
    }
}
