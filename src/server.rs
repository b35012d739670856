//! The gateway from start to shutdown.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wharf_actors::Sessions;
use wharf_storage::{MasterKey, Options, Store};

use crate::{
    AppState, api,
    auth::Login,
    clock::now_ms,
    config::Serve,
    control::Control,
    disk::Disk,
    limits::{self, Admission, Connections},
    listener::Listening,
    metrics, retention,
    workers::Workers,
};

/// The store's name in the folder of the data.
const STORE: &str = "wharf.redb";

/// How long the last answers have to leave, once they are made.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the last entries of the audit log may take to be written.
const LAST_ENTRIES: Duration = Duration::from_secs(5);

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the gateway, or a command, cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is unusable.
    #[error("{0}")]
    Config(String),
    /// The folder for the data cannot be made.
    #[error("cannot make the folder `{}`: {source}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The address is open to others, and there is neither a login nor a key that anybody could come in by.
    #[error(
        "refusing to listen on `{0}`, which is not loopback, without `--jwks-url` and without any key: make one with \
         `wharf key create`"
    )]
    Open(SocketAddr),
    /// The operating system gives no more threads.
    #[error("the threads of the sessions cannot be started: {0}")]
    Threads(io::Error),
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Serve(io::Error),
    /// A result cannot be written to standard output.
    #[error("cannot write the result: {0}")]
    Output(io::Error),
    /// The operating system has no randomness.
    #[error("no randomness for a key: {0}")]
    Randomness(String),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] wharf_storage::Error),
    /// The sessions failed.
    #[error(transparent)]
    Actors(#[from] wharf_actors::Error),
    /// The data are in use, and nobody answers for them.
    #[error(
        "the data in `{}` are in use: by a command that has not ended, or by a gateway whose control socket is not reached \
         ({unreached})",
        data.display()
    )]
    Busy {
        /// The folder.
        data: PathBuf,
        /// Why the socket is not reached.
        unreached: io::Error,
    },
    /// The running gateway refused an order, or did not answer.
    #[error("the gateway that runs on this data: {0}")]
    Control(String),
    /// The gateway that was asked is not well, or does not answer.
    #[error("the gateway on `{address}` is not well: {reason}")]
    Unwell {
        /// Where it was asked.
        address: SocketAddr,
        /// What it answered, or why it did not.
        reason: String,
    },
    /// A check has found something.
    #[error("{0} findings: see \"Check\" in docs/operations.md")]
    Unsound(usize),
    /// Requests were cut because they did not end in time.
    #[error("{0} requests did not end in time and were cut")]
    Cut(usize),
    /// The demonstration did not go as it should.
    #[error("the demonstration failed: {0}")]
    Demo(String),
}

/// Opens the store in the folder `data`, which is made if absent; `cache` is its memory in bytes. A new store is
/// encrypted when there is a master key.
///
/// # Errors
/// The folder cannot be made, or the store cannot be opened: another process has it, for one, or the
/// master key is not the right one.
pub fn open_store(
    data: &Path,
    cache: Option<usize>,
    master_key: Option<MasterKey>,
) -> Result<Store> {
    make_folder(data)?;
    let mut options = Options { master_key, ..Options::default() };
    if let Some(bytes) = cache {
        options.cache_bytes = bytes;
    }
    Ok(Store::open(&store_in(data), &options)?)
}

/// The file of the store in the folder `data`.
pub(crate) fn store_in(data: &Path) -> PathBuf {
    data.join(STORE)
}

/// Whether the folder holds a store.
pub(crate) fn has_store(data: &Path) -> bool {
    store_in(data).exists()
}

/// That it holds none.
pub(crate) fn no_data(data: &Path) -> Error {
    Error::Config(format!("there is no gateway's data in `{}`", data.display()))
}

/// Makes the folder of the data, if absent.
pub(crate) fn make_folder(data: &Path) -> Result<()> {
    make_private(data).map_err(|source| Error::Data { path: data.to_owned(), source })
}

/// Makes the folder, with what is stored in it readable by this user alone.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Runs the gateway over `store`, which is closed at the end, on `listener` until `shutdown` completes; requests under way
/// are answered first.
///
/// # Errors
/// The configuration is unusable, or the listener fails.
pub async fn run(
    store: Store,
    config: &Serve,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    config.check()?;
    let address = listener.local_addr().map_err(Error::Serve)?;
    let login = config.login.settings()?;
    if !address.ip().is_loopback() && login.is_none() && !store.has_keys(now_ms())? {
        return Err(Error::Open(address));
    }
    if wharf_actors::SANDBOX_BUILD {
        tracing::warn!(
            "this is a sandbox build: it does not check WhatsApp's certificate, and talks to loopback addresses only"
        );
    }
    if !store.is_encrypted() {
        tracing::info!(
            "what is stored is not encrypted: see \"Encryption at rest\" in docs/operations.md"
        );
    }
    // Before the first session connects.
    limits::raise_descriptors();
    let figures = metrics::bind(&config.http).await?;
    // Whatever can be refused is, before the first session begins.
    let login = login.map(Login::start).transpose()?;
    let workers = Workers::start()?;
    let starting = Sessions::start(store.clone(), config.actors()?);
    let started = workers.handle().spawn(starting).await;
    let sessions = started.unwrap_or_else(|stopped| resume_unwind(stopped.into_panic()))?;
    let mut state =
        AppState::with(store.clone(), sessions.clone(), &config.gateway_id, &config.http)
            .with_workers(workers.handle());
    if let Some(login) = login {
        state = state.with_login(login);
    }
    let disk = Disk::new(config.disk);
    disk.measure(&config.data);
    state = state.with_disk(disk.clone());
    let connections = Connections::new(&config.http);
    let admission = Admission::new(&config.admission);
    admission.tell(&sessions, &connections);
    state = state.with_admission(admission);
    let draining = state.draining();
    let audit = state.audit.clone();
    let app = api::app(state.clone(), config.http.request_timeout);
    let listening = Listening::new(app, &config.http, Arc::clone(&connections));
    let control = Control::open(&config.data).inspect_err(|error| {
        tracing::error!(
            "no control socket, so `wharf key` works only while this is stopped: {error}"
        );
    });
    tracing::info!("listening on http://{address}");

    let served = async {
        let serving = listening.serve(listener, draining.clone());
        tokio::join!(drain(draining.clone(), shutdown), serving);
        // A caller that went away has left no connection, but may have left work: below it is said that no more comes.
        state.requests.wait().await;
    };
    let aside = async {
        let orders = async {
            match &control {
                Ok(control) => control.serve(&store, config.disk.disk_refuse).await,
                Err(_) => std::future::pending().await,
            }
        };
        let telling = async {
            if let Some(listener) = figures {
                let listening = metrics::listening(state.clone(), connections, &config.http);
                listening.serve(listener, CancellationToken::new()).await;
            }
        };
        tokio::join!(
            orders,
            telling,
            disk.watch(&config.data),
            retention::sweep(&store, config.event_retention, config.audit_retention)
        );
    };
    // A connection on which nothing ever comes must not hold up the end: only requests under way may.
    let result = tokio::select! {
        () = served => Ok(()),
        result = async {
            draining.cancelled().await;
            state.requests.close();
            let ended = tokio::time::timeout(config.shutdown_timeout, state.requests.wait()).await;
            tokio::time::sleep(LAST_WORDS).await;
            ended.map_err(|_| Error::Cut(state.requests.len()))
        } => result,
        () = aside => Ok(()),
    };
    drop(control);
    sessions.shutdown().await;
    drop(workers);
    if tokio::time::timeout(LAST_ENTRIES, audit.flush()).await.is_err() {
        tracing::error!("the end of the audit log could not be written in time");
    }
    store.close().await?;
    tracing::info!("stopped");
    result
}

async fn drain(draining: CancellationToken, shutdown: impl Future<Output = ()>) {
    shutdown.await;
    tracing::info!("shutting down: answering what is under way");
    draining.cancel();
}
