//! One session's client: built over its stored state, run one connection at a time, never left behind.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use tokio::{
    runtime::Handle,
    sync::Mutex,
    task::{AbortHandle, JoinHandle},
};
use wharf_storage::{SessionId, Store};
use whatsapp_rust::{
    TokioRuntime, http::HttpClient, store::persistence_manager::PersistenceManager,
    types::events::Subscription, wacore::store::DevicePropsOverride,
};

use super::{
    endpoint::{Dialer, Endpoint, Pulse},
    inbound::{CountingHook, Inbound},
    signal::{Handler, SignalSink, interest},
};
use crate::{
    config::{Config, InvalidEndpoint},
    error::{Error, Result},
};

/// The version that a sandbox build presents; the sandbox takes any.
const SANDBOX_VERSION: (u32, u32, u32) = (2, 3000, 0);
/// How long an old run may take to notice that it is over before it is cut.
const RUN_GRACE: Duration = Duration::from_secs(5);
/// How long a clean good-bye may take.
const CLOSE_GRACE: Duration = Duration::from_secs(8);

/// What all sessions of a process share.
pub(crate) struct Shared {
    endpoint: Arc<Endpoint>,
    http: Arc<dyn HttpClient>,
    version: Option<(u32, u32, u32)>,
    device_name: String,
    prekeys: usize,
}

impl Shared {
    pub(crate) fn new(config: &Config) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            endpoint: Arc::new(Endpoint::new(&config.endpoint, config.connects_in_flight)?),
            http: http_client(),
            version: config.client_version.or(crate::SANDBOX_BUILD.then_some(SANDBOX_VERSION)),
            device_name: config.device_name.clone(),
            prekeys: config.prekeys,
        })
    }
}

#[cfg(not(feature = "sandbox"))]
fn http_client() -> Arc<dyn HttpClient> {
    Arc::new(whatsapp_rust::http::UreqHttpClient::new())
}

/// A sandbox build looks nothing up on the internet.
#[cfg(feature = "sandbox")]
fn http_client() -> Arc<dyn HttpClient> {
    use whatsapp_rust::{
        anyhow::{self, bail},
        http::{HttpRequest, HttpResponse},
    };

    struct NoInternet;

    #[async_trait::async_trait]
    impl HttpClient for NoInternet {
        async fn execute(&self, _request: HttpRequest) -> Result<HttpResponse, anyhow::Error> {
            bail!("a sandbox build looks nothing up on the internet")
        }
    }

    Arc::new(NoInternet)
}

/// A built client. Dropping it ends its run: the guard against a client that lives on unseen over the same state.
pub(crate) struct Client {
    pub(super) inner: Arc<whatsapp_rust::Client>,
    persistence: Arc<PersistenceManager>,
    run: Option<Run>,
    /// Held by the task that runs a client of this session; a new run waits for it.
    gate: Arc<Mutex<()>>,
    _subscription: Subscription,
}

impl Client {
    /// Builds the client of a session from what is stored; speaks to nobody yet.
    pub(crate) async fn build(
        shared: &Shared,
        store: &Store,
        session: SessionId,
        pulse: Arc<Pulse>,
        inbound: Arc<Inbound>,
        gate: Arc<Mutex<()>>,
        sink: impl SignalSink,
    ) -> Result<Self> {
        let broken =
            |what: &str, error: &dyn std::fmt::Display| Error::Internal(format!("{what}: {error}"));
        let persistence = PersistenceManager::new(Arc::new(store.whatsapp(session)))
            .await
            .map_err(|error| broken("the device state does not load", &error))?;
        let persistence = Arc::new(persistence);
        let mut builder = whatsapp_rust::Client::builder()
            .with_runtime(TokioRuntime)
            .with_persistence_manager(Arc::clone(&persistence))
            .with_transport_factory(Dialer { endpoint: Arc::clone(&shared.endpoint), pulse })
            .with_http_client_arc(Arc::clone(&shared.http))
            .with_inbound_durability_hook(CountingHook(inbound))
            .with_skip_history_sync(true)
            .with_wanted_pre_key_count(shared.prekeys);
        if let Some(version) = shared.version {
            builder = builder.with_version_override(version);
        }
        let inner = builder
            .build()
            .await
            .map_err(|error| broken("the client does not build", &error))?
            .into_client();
        inner.enable_auto_reconnect.store(false, Ordering::Relaxed);
        inner
            .set_device_props(DevicePropsOverride::new().with_os(shared.device_name.clone()))
            .await;
        let subscription = inner.subscribe(interest(), Arc::new(Handler(sink)));
        Ok(Self { inner, persistence, run: None, gate, _subscription: subscription })
    }

    /// Makes one connection and keeps it until it ends, then calls `ended` (true: the library panicked). The previous
    /// run of the session, whoever started it, is over before this one begins.
    pub(crate) fn run(&mut self, ended: impl FnOnce(bool) + Send + 'static) {
        let client = Arc::clone(&self.inner);
        let gate = Arc::clone(&self.gate);
        let connection = tokio::spawn(async move {
            let _only = gate.lock_owned().await;
            client.run().await;
        });
        let abort = connection.abort_handle();
        let done = tokio::spawn(async move {
            let panicked = connection.await.is_err_and(|error| error.is_panic());
            ended(panicked);
        });
        self.run = Some(Run { abort, done });
    }

    /// The operations handle; cheap to clone, holds the client alive for one operation.
    pub(crate) fn link(&self) -> Link {
        Link { inner: Arc::clone(&self.inner) }
    }

    /// Writes the device state out, strictly. The library does not do so after a pairing by itself.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.persistence
            .flush()
            .await
            .map_err(|error| Error::Internal(format!("the device state is not saved: {error}")))
    }

    /// Cuts a run that does not end by itself.
    pub(crate) fn cut(&self) {
        if let Some(run) = &self.run {
            run.abort.abort();
        }
    }

    /// Ends the connection in order: pending work is flushed, the device state saved.
    pub(crate) async fn close(mut self) {
        if tokio::time::timeout(CLOSE_GRACE, self.inner.disconnect()).await.is_err() {
            tracing::warn!("a client did not say good-bye in {CLOSE_GRACE:?}");
        }
        if let Some(run) = self.run.take() {
            run.end().await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.inner.signal_shutdown_sync();
        let Some(run) = self.run.take() else { return };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(run.end());
        } else {
            run.abort.abort();
        }
    }
}

/// A run under way.
struct Run {
    abort: AbortHandle,
    done: JoinHandle<()>,
}

impl Run {
    /// Waits for the run to end by itself for a while, then cuts it.
    async fn end(self) {
        if tokio::time::timeout(RUN_GRACE, self.done).await.is_err() {
            tracing::warn!("a client's run did not end in {RUN_GRACE:?} and was cut");
            self.abort.abort();
        }
    }
}

/// What an operation needs of a client.
#[derive(Clone)]
pub(crate) struct Link {
    pub(super) inner: Arc<whatsapp_rust::Client>,
}

impl Link {
    /// Drops the connection, so that its run ends and the next one can begin.
    pub(crate) async fn drop_connection(&self) {
        self.inner.reconnect_immediately().await;
    }

    /// The account's own addresses without device, phone number first.
    pub(crate) fn own_addresses(&self) -> Vec<String> {
        [self.inner.pn(), self.inner.lid()]
            .into_iter()
            .flatten()
            .map(|jid| jid.to_non_ad().to_string())
            .collect()
    }
}
