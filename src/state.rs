//! What every handler may reach.

use std::{ops::Deref, sync::Arc};

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wharf_actors::{SessionHandle, Sessions};
use wharf_storage::{SessionId, Store};

use crate::{
    api,
    audit::AuditLog,
    auth::Login,
    clock::now_ms,
    config::{self, Http},
    cors::Cors,
    disk::Disk,
    error::ApiError,
    extract::Caller,
    limits::{Admission, Limits},
    metrics::{Started, Traffic},
};

/// The parts of a running gateway; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

/// What [`AppState`] shares.
pub struct Parts {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    /// Where the sessions run, if that is not where requests do.
    pub(crate) workers: Option<Handle>,
    /// What verifies login tokens; without it there are API keys alone.
    pub(crate) login: Option<Login>,
    pub(crate) audit: AuditLog,
    /// How much room there is to store more.
    pub(crate) disk: Disk,
    /// Whether one more session is taken on.
    pub(crate) admission: Admission,
    /// The configured name of this node.
    pub(crate) gateway_id: String,
    /// Cancelled once the process is about to end: nothing new is begun.
    pub(crate) draining: CancellationToken,
    pub(crate) limits: Limits,
    /// Which pages may call; absent: none.
    pub(crate) cors: Option<Cors>,
    /// Requests under way.
    pub(crate) requests: TaskTracker,
    /// Requests that were answered.
    pub(crate) traffic: Traffic,
    pub(crate) started: Started,
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl AppState {
    /// Puts the parts together; `gateway_id` is the name under which this node shows itself.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(store: Store, sessions: Sessions, gateway_id: &str) -> Self {
        Self::with(store, sessions, gateway_id, &Http::default())
    }

    /// [`Self::new`] with limits that differ from the usual ones.
    pub fn with(store: Store, sessions: Sessions, gateway_id: &str, http: &Http) -> Self {
        Self(Arc::new(Parts {
            audit: AuditLog::start(store.clone()),
            disk: Disk::new(config::Disk::default()),
            admission: Admission::default(),
            store,
            sessions,
            workers: None,
            login: None,
            gateway_id: gateway_id.to_owned(),
            draining: CancellationToken::new(),
            limits: Limits::new(http),
            cors: Cors::new(http),
            requests: TaskTracker::new(),
            traffic: Traffic::of(&api::routed_document()),
            started: Started::now(now_ms()),
        }))
    }

    /// The same, which takes login tokens too.
    ///
    /// # Panics
    /// When the state has clones already.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        let parts = Arc::get_mut(&mut self.0).expect("the state is complete before it is shared");
        parts.login = Some(login);
        self
    }

    /// The same, whose sessions run apart from requests.
    ///
    /// # Panics
    /// When the state has clones already.
    #[must_use]
    pub(crate) fn with_workers(mut self, workers: &Handle) -> Self {
        let parts = Arc::get_mut(&mut self.0).expect("the state is complete before it is shared");
        parts.workers = Some(workers.clone());
        self
    }

    /// The same, which minds the room on a disk.
    ///
    /// # Panics
    /// When the state has clones already.
    #[must_use]
    pub(crate) fn with_disk(mut self, disk: Disk) -> Self {
        let parts = Arc::get_mut(&mut self.0).expect("the state is complete before it is shared");
        parts.disk = disk;
        self
    }

    /// The same, which minds how much it carries.
    ///
    /// # Panics
    /// When the state has clones already.
    #[must_use]
    pub(crate) fn with_admission(mut self, admission: Admission) -> Self {
        let parts = Arc::get_mut(&mut self.0).expect("the state is complete before it is shared");
        parts.admission = admission;
        self
    }

    /// What to cancel when the process is about to end: requests are refused from then on.
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// The session that the caller means. To a caller an id is opaque: whatever does not name a session that the
    /// caller may see, in whatever form, is the same 404.
    pub(crate) fn session<N>(
        &self,
        caller: &Caller<N>,
        id: &str,
    ) -> Result<(SessionId, SessionHandle), ApiError> {
        let missing = || ApiError::not_found("session");
        let session: SessionId = id.parse().map_err(|_| missing())?;
        if session.to_string() != id || !caller.sees(session) {
            return Err(missing());
        }
        let handle = self.sessions.find(&caller.organization, session)?;
        Ok((session, handle))
    }
}
