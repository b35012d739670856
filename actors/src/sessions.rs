//! All sessions of this process.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ractor::{Actor, ActorRef, RpcReplyPort, rpc::CallResult};
use tokio::task::JoinSet;
use wharf_storage::{Session, SessionId, Status, StatusChange, Store, Wanted};

use crate::{
    admissions::ConnectFigures,
    clock::now_ms,
    command::{Census, NewSession, SessionView},
    config::Config,
    error::{Error, Result},
    event::Events,
    figures::{Counts, Figures},
    handle::{SessionHandle, unreachable_now},
    registry::Registry,
    session::taken_up,
    supervisor::{Supervisor, SupervisorArgs, SupervisorMessage},
    whatsapp::Shared,
};

/// Sends a minute, until the session says otherwise.
const RATE_PER_MINUTE: u32 = 20;
/// Sends an hour, until the session says otherwise.
const RATE_PER_HOUR: u32 = 600;
/// Sessions whose status is stored at once at the start.
const SETTLED_AT_ONCE: usize = 256;
/// How long sessions have to say good-bye when the process ends.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(15);
/// How long the supervisor may take for anything: no network is part of it.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last run of a client may take to end once its session is detached.
const LAST_RUN: Duration = Duration::from_secs(15);

/// Every session of this process; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    config: Arc<Config>,
    registry: Registry,
    counts: Arc<Counts>,
    shared: Arc<Shared>,
    supervisor: ActorRef<SupervisorMessage>,
}

impl Sessions {
    /// Starts the supervisor and takes every stored session in; those that were wanted running connect on their own
    /// time.
    ///
    /// # Errors
    /// The configured WhatsApp address cannot be used, or the store fails.
    pub async fn start(store: Store, config: Config) -> Result<Self> {
        config.check().map_err(|error| Error::Internal(error.to_string()))?;
        let shared = Shared::new(&config).map_err(|error| Error::Internal(error.to_string()))?;
        Self::start_over(store, config, shared).await
    }

    /// The same over what all sessions share.
    pub(crate) async fn start_over(store: Store, config: Config, shared: Shared) -> Result<Self> {
        let registry = Registry::default();
        let config = Arc::new(config);
        let shared = Arc::new(shared);
        let counts = Arc::clone(&shared.counts);
        let opening = Arc::clone(&shared);
        let connecting = Arc::clone(&shared);
        let args = SupervisorArgs {
            store: store.clone(),
            config: Arc::clone(&config),
            shared,
            registry: Arc::clone(&registry),
        };
        let (supervisor, _task) = Actor::spawn(None, Supervisor, args)
            .await
            .map_err(|error| Error::Internal(format!("the supervisor did not start: {error}")))?;
        let sessions = Self { store, config, registry, counts, shared: connecting, supervisor };
        let stored = sessions.store.sessions().await?;
        sessions.settle(&stored).await;
        for session in stored {
            let id = session.id;
            // One session that does not start is tried again by its supervisor and holds nobody up.
            if let Err(error) = sessions.add(session).await {
                tracing::error!(session.id = %id, "session `{id}` was not taken up: {error}");
            }
        }
        // The whole fleet is in line: the first places go to whom they belong.
        tokio::spawn(async move {
            opening.look_up_version().await;
            opening.admissions.open();
        });
        Ok(sessions)
    }

    /// Makes a session and, when asked, begins its pairing. Whoever stops waiting leaves it half made.
    ///
    /// # Errors
    /// [`Error::Full`] when there are as many as may be.
    pub async fn create(&self, new: NewSession) -> Result<SessionView> {
        let now = now_ms();
        let session = Session {
            id: SessionId::generate(now),
            organization: new.organization,
            label: new.label,
            auto_read: new.auto_read.unwrap_or_default(),
            presence_typing: new.presence_typing.unwrap_or_default(),
            rate_per_min: RATE_PER_MINUTE,
            rate_per_hour: RATE_PER_HOUR,
            created_at: now,
            updated_at: now,
            created_by_user: new.created_by_user,
            wanted: Wanted::Stopped,
            status: Status::Stopped,
            status_reason: None,
            since: now,
            account: None,
            last_connected_at: None,
        };
        let most = self.config.max_sessions.unwrap_or(usize::MAX);
        if !self.store.add_session_within(most, session.clone(), Vec::new()).await? {
            return Err(Error::Full { most });
        }
        let (organization, id) = (session.organization.clone(), session.id);
        self.add(session).await?;
        let handle = self.find(&organization, id)?;
        if new.start { handle.start().await } else { handle.describe().await }
    }

    /// One session of an organization.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, or when it belongs to another organization: the same answer.
    pub fn find(&self, organization: &str, id: SessionId) -> Result<SessionHandle> {
        let entry = self.registry.get(&id).ok_or(Error::NotFound("session"))?;
        if *entry.organization != *organization {
            return Err(Error::NotFound("session"));
        }
        Ok(SessionHandle {
            id,
            registry: Arc::clone(&self.registry),
            vitals: Arc::clone(&entry.vitals),
            store: self.store.clone(),
            operation_timeout: self.config.operation_timeout,
        })
    }

    /// Removes a session: logs out where that can be done at once, ends its connection, and erases every row of it,
    /// its events included. Whoever stops waiting leaves it half removed.
    ///
    /// # Errors
    /// [`Error::NotFound`] as [`Self::find`]. After any other error the session is still there.
    pub async fn remove(&self, organization: &str, id: SessionId) -> Result<()> {
        let handle = self.find(organization, id)?;
        match handle.retire().await {
            // A crashed actor has nothing to log out, and one that hangs is not waited for twice.
            Ok(()) | Err(Error::Unavailable { .. } | Error::Timeout { .. }) => {}
            Err(error) => return Err(error),
        }
        self.ask(|reply| SupervisorMessage::Detach { id, reply }).await?;
        // What a client still writes would outlive its session: it is over first.
        let over = tokio::time::timeout(LAST_RUN, handle.vitals.gate.lock()).await;
        let removed = match over {
            Ok(_over) => self.store.remove_session(id).await,
            Err(_) => return self.keep(id).await,
        };
        match removed {
            Ok(_) => self.ask(|reply| SupervisorMessage::Forget { id, reply }).await,
            Err(error) => {
                drop(self.keep(id).await);
                Err(error.into())
            }
        }
    }

    /// A session that could not be removed is taken up again.
    async fn keep(&self, id: SessionId) -> Result<()> {
        self.ask(|reply| SupervisorMessage::Attach { id, reply }).await?;
        Err(unreachable_now())
    }

    /// A stored session with the status that its owner holds; a session that nobody owns as it is stored.
    pub fn view(&self, session: Session) -> SessionView {
        match self.registry.get(&session.id) {
            Some(entry) => entry.vitals.view(session),
            None => SessionView { session, last_inbound_at: None, last_ping_ok_at: None },
        }
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.registry.len()
    }

    /// How many sessions there are, and how they are.
    pub fn census(&self) -> Census {
        let admissions = &self.shared.admissions;
        let (waiting, connecting) = (admissions.waiting(), admissions.under_way());
        let mut census = Census { sessions: 0, wanted: 0, waiting, connecting, working: 0 };
        for entry in self.registry.iter() {
            census.sessions += 1;
            census.wanted += usize::from(entry.vitals.wanted.load(Ordering::Relaxed));
            let working = entry.vitals.seen().status == Status::Working;
            census.working += usize::from(working);
        }
        census
    }

    /// How far those sessions are that connect.
    pub fn connects(&self) -> ConnectFigures {
        self.shared.admissions.figures()
    }

    /// What the sessions have done since the process started, and how they are.
    pub fn figures(&self) -> Figures {
        let mut figures = self.counts.figures();
        for entry in self.registry.iter() {
            let observed = entry.vitals.seen();
            figures.add_session(observed.status, observed.reason);
        }
        figures
    }

    /// Ends every connection in order and stops. What the store says of the sessions stays.
    pub async fn shutdown(&self) {
        self.supervisor
            .stop_children_and_wait(Some("shutdown".to_owned()), Some(SHUTDOWN_GRACE))
            .await;
        self.supervisor.stop(None);
    }

    /// Stores what taking the sessions up makes of them, many in one commit. One that fails is stored by its actor.
    async fn settle(&self, stored: &[Session]) {
        let at = now_ms();
        for some in stored.chunks(SETTLED_AT_ONCE) {
            let mut writes = JoinSet::new();
            for session in some {
                let (status, reason) = taken_up(session, &self.config);
                if (status, reason) == (session.status, session.status_reason) {
                    continue;
                }
                let (store, id) = (self.store.clone(), session.id);
                let events = Events { session: id, organization: session.organization.clone() };
                let event = events.status(status, reason, at);
                let change = StatusChange { status, reason, at, connected: false };
                writes.spawn(async move { store.set_status(id, change, vec![event]).await });
            }
            drop(writes.join_all().await);
        }
    }

    async fn add(&self, session: Session) -> Result<()> {
        let session = Box::new(session);
        self.ask(|reply| SupervisorMessage::Add { session, reply }).await
    }

    #[expect(clippy::disallowed_methods, reason = "the one question to the supervisor")]
    async fn ask(
        &self,
        message: impl FnOnce(RpcReplyPort<Result<()>>) -> SupervisorMessage,
    ) -> Result<()> {
        match self.supervisor.call(message, Some(SUPERVISOR_TIMEOUT)).await {
            Ok(CallResult::Success(done)) => done,
            _ => Err(unreachable_now()),
        }
    }
}
