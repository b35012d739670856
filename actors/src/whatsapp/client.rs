//! One session's client: built over its stored state, run one connection at a time, never left behind.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{OwnedMutexGuard, Semaphore},
    task::{AbortHandle, JoinHandle},
};
use wharf_storage::{SessionId, Store};
use whatsapp_rust::{
    CacheConfig, ErrorChainExt, GroupError, IqError, Runtime,
    http::HttpClient,
    store::persistence_manager::PersistenceManager,
    types::events::Subscription,
    wacore::{
        iq::{devices::RemoveCompanionDeviceSpec, keepalive::KeepaliveSpec},
        store::DevicePropsOverride,
    },
};

use super::{
    Failure, caches,
    endpoint::{Dialer, Endpoint, Pulse},
    inbound::{CountingHook, Inbound},
    meter::Meter,
    refusal::{failure, refusal},
    runtime::Watched,
    signal::{Handler, Signal, SignalSink, interest},
    syncs,
    version::{ClientVersion, Version},
};
use crate::{
    admissions::Admissions,
    config::{Config, InvalidEndpoint},
    error::{Error, Result},
    figures::{Counts, Kind},
    schedule::Budget,
};

/// How long an old run may take to notice that it is over before it is cut.
const RUN_GRACE: Duration = Duration::from_secs(5);
/// How long a clean good-bye may take.
const CLOSE_GRACE: Duration = Duration::from_secs(8);

/// What all sessions of a process share.
pub(crate) struct Shared {
    endpoint: Arc<Endpoint>,
    http: Arc<dyn HttpClient>,
    version: ClientVersion,
    device_name: String,
    prekeys: usize,
    caches: CacheConfig,
    /// Places for what the library hands to its host, over all sessions.
    syncs: Arc<Semaphore>,
    /// Connections on their way from the dial to a login, over all sessions.
    pub(crate) admissions: Admissions,
    /// What all sessions do at WhatsApp.
    pub(crate) counts: Arc<Counts>,
}

impl Shared {
    /// Within a runtime: it starts what gives places to connections.
    pub(crate) fn new(config: &Config) -> Result<Self, InvalidEndpoint> {
        Self::over(config, http_client(), ClientVersion::configured(config.client_version))
    }

    /// The same with what looks things up on the internet.
    pub(super) fn over(
        config: &Config,
        http: Arc<dyn HttpClient>,
        version: ClientVersion,
    ) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            endpoint: Arc::new(Endpoint::new(&config.endpoint, &config.trusted_roots)?),
            http,
            version,
            device_name: config.device_name.clone(),
            prekeys: config.prekeys,
            caches: caches::bounded(config.session_cache),
            syncs: Arc::new(Semaphore::new(config.syncs_at_once.clamp(1, Semaphore::MAX_PERMITS))),
            admissions: Admissions::start(Budget {
                rate: config.connect_rate,
                places: config.connects_in_flight,
            }),
            counts: Arc::default(),
        })
    }

    /// The client version to present; absent while it is looked up.
    pub(crate) fn version(&self) -> Option<Version> {
        self.version.known()
    }

    /// Looks the client version up, once per process.
    pub(crate) async fn look_up_version(&self) {
        self.version.look_up(&self.http).await;
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
    /// The session's gate, from the making of its client to the end of that client's last run: there is never a
    /// second one.
    alive: Option<OwnedMutexGuard<()>>,
    counts: Arc<Counts>,
    meter: Arc<Meter>,
    _subscription: Subscription,
}

/// What a client is made for and from.
pub(crate) struct Making<'a, S> {
    pub(crate) shared: &'a Shared,
    pub(crate) store: &'a Store,
    pub(crate) session: SessionId,
    pub(crate) version: Version,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) inbound: Arc<Inbound>,
    pub(crate) alive: OwnedMutexGuard<()>,
    pub(crate) sink: Arc<S>,
}

impl Client {
    /// Builds the client of a session from what is stored; speaks to nobody yet.
    pub(crate) async fn build<S: SignalSink>(making: Making<'_, S>) -> Result<Self> {
        let Making { shared, store, session, version, pulse, meter, inbound, alive, sink } = making;
        let broken =
            |what: &str, error: &dyn std::fmt::Display| Error::Internal(format!("{what}: {error}"));
        let persistence = PersistenceManager::new(Arc::new(store.whatsapp(session)))
            .await
            .map_err(|error| broken("the device state does not load", &error))?;
        let persistence = Arc::new(persistence);
        let alarm = Arc::clone(&sink);
        let runtime: Arc<dyn Runtime> = Arc::new(Watched {
            panicked: Arc::new(move || alarm.signal(Signal::Panicked)),
            meter: Arc::clone(&meter),
        });
        let (inner, handed) = whatsapp_rust::Client::builder()
            .with_runtime_arc(Arc::clone(&runtime))
            .with_persistence_manager(Arc::clone(&persistence))
            .with_transport_factory(Dialer::new(
                Arc::clone(&shared.endpoint),
                pulse,
                Arc::clone(&meter),
                Arc::clone(&shared.counts),
            ))
            .with_http_client_arc(Arc::clone(&shared.http))
            .with_inbound_durability_hook(CountingHook(inbound))
            .with_cache_config(shared.caches.clone())
            .with_skip_history_sync(true)
            .with_wanted_pre_key_count(shared.prekeys)
            .with_version_override(version)
            .build()
            .await
            .map_err(|error| broken("the client does not build", &error))?
            .into_parts();
        let (worked_for, places) = (Arc::downgrade(&inner), Arc::clone(&shared.syncs));
        runtime.spawn_detached(Box::pin(async move {
            syncs::work_off(worked_for, handed, &places).await;
        }));
        meter.takes_up(&inner);
        inner.enable_auto_reconnect.store(false, Ordering::Relaxed);
        inner
            .set_device_props(DevicePropsOverride::new().with_os(shared.device_name.clone()))
            .await;
        let subscription = inner.subscribe(interest(), Arc::new(Handler(sink)));
        Ok(Self {
            inner,
            persistence,
            run: None,
            alive: Some(alive),
            counts: Arc::clone(&shared.counts),
            meter,
            _subscription: subscription,
        })
    }

    /// Makes one connection and keeps it until it ends, then calls `ended` (true: the library panicked). The previous
    /// run must be over.
    pub(crate) fn run(&mut self, ended: impl FnOnce(bool) + Send + 'static) {
        let client = Arc::clone(&self.inner);
        let connection = tokio::spawn(self.meter.timed(async move { client.run().await }));
        let abort = connection.abort_handle();
        let meter = Arc::clone(&self.meter);
        let done = tokio::spawn(async move {
            let panicked = connection.await.is_err_and(|error| error.is_panic());
            meter.disconnected();
            ended(panicked);
        });
        self.run = Some(Run { abort, done });
    }

    /// The operations handle; cheap to clone, holds the client alive for one operation.
    pub(crate) fn link(&self) -> Link {
        Link { inner: Arc::clone(&self.inner), counts: Arc::clone(&self.counts) }
    }

    /// Writes the device state out, and answers once it is on disk. The library does not do so after a pairing by itself, and
    /// its own way out answers at once while another save is under way.
    pub(crate) async fn flush(&self) -> Result<()> {
        let device = self.persistence.get_device_snapshot().to_serializable();
        self.persistence
            .backend()
            .save(&device)
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
        // The next client loads what is on disk, so a save that is under way is waited for.
        if let Err(error) = self.flush().await {
            tracing::warn!("a client ends, and {error}");
        }
        if let Some(run) = self.run.take() {
            run.end().await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.inner.signal_shutdown_sync();
        let alive = self.alive.take();
        match (self.run.take(), Handle::try_current()) {
            (Some(run), Ok(runtime)) => {
                let (meter, inner) = (Arc::clone(&self.meter), Arc::clone(&self.inner));
                runtime.spawn(async move {
                    run.end().await;
                    meter.lets_go(&inner);
                    drop(alive);
                });
            }
            (run, _) => {
                if let Some(run) = run {
                    run.abort.abort();
                }
                self.meter.lets_go(&self.inner);
            }
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
    async fn end(mut self) {
        if tokio::time::timeout(RUN_GRACE, &mut self.done).await.is_err() {
            tracing::warn!("a client's run did not end in {RUN_GRACE:?} and was cut");
            self.abort.abort();
            drop(self.done.await);
        }
    }
}

/// What an operation needs of a client.
#[derive(Clone)]
pub(crate) struct Link {
    pub(super) inner: Arc<whatsapp_rust::Client>,
    pub(super) counts: Arc<Counts>,
}

impl Link {
    /// Drops the connection, so that its run ends and the next one can begin.
    pub(crate) async fn drop_connection(&self) {
        self.inner.reconnect_immediately().await;
    }

    /// Takes this device off the account, as its owner would in the phone's settings.
    pub(crate) async fn unlink(&self) -> Result<(), Failure> {
        let Some(device) = self.inner.pn() else { return Ok(()) };
        let asked = self.counts.begin(Kind::Unlink);
        let outcome = self.inner.execute(RemoveCompanionDeviceSpec::new(&device)).await;
        asked.ended(outcome.map_err(told))
    }

    /// Asks WhatsApp whether it is there.
    pub(crate) async fn ping(&self, patience: Duration) -> Result<(), Failure> {
        self.inner.execute(KeepaliveSpec::with_timeout(patience)).await.map_err(told)
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

/// What an unanswered or refused question tells.
fn told(error: IqError) -> Failure {
    match error.server_rejection() {
        Some(rejection) => {
            Failure::Refused(refusal(rejection.code, rejection.text, rejection.backoff))
        }
        None => failure(&GroupError::from(error)),
    }
}
