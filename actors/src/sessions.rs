//! All sessions of this process.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorRef, rpc::CallResult};
use wharf_storage::{Session, SessionId, Status, Store, Wanted};

use crate::{
    clock::now_ms,
    command::{NewSession, SessionView},
    config::Config,
    error::{Error, Result},
    handle::SessionHandle,
    registry::Registry,
    supervisor::{Supervisor, SupervisorArgs, SupervisorMessage},
    whatsapp::Shared,
};

/// Sends a minute, until the session says otherwise.
const RATE_PER_MINUTE: u32 = 20;
/// Sends an hour, until the session says otherwise.
const RATE_PER_HOUR: u32 = 600;
/// How long sessions have to say good-bye when the process ends.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(15);
/// How long taking one session in may take: no network is part of it.
const ADD_TIMEOUT: Duration = Duration::from_secs(10);

/// Every session of this process; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    config: Arc<Config>,
    registry: Registry,
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
        let registry = Registry::default();
        let config = Arc::new(config);
        let args = SupervisorArgs {
            store: store.clone(),
            config: Arc::clone(&config),
            shared: Arc::new(shared),
            registry: Arc::clone(&registry),
        };
        let (supervisor, _task) = Actor::spawn(None, Supervisor, args)
            .await
            .map_err(|error| Error::Internal(format!("the supervisor did not start: {error}")))?;
        let sessions = Self { store, config, registry, supervisor };
        for session in sessions.store.sessions().await? {
            let id = session.id;
            // One session that does not start is tried again by its supervisor and holds nobody up.
            if let Err(error) = sessions.add(session).await {
                tracing::error!(session.id = %id, "session `{id}` was not taken up: {error}");
            }
        }
        Ok(sessions)
    }

    /// Makes a session and, when asked, begins its pairing.
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
        self.store.add_session(session.clone(), Vec::new()).await?;
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

    /// Ends every connection in order and stops. What the store says of the sessions stays.
    pub async fn shutdown(&self) {
        self.supervisor
            .stop_children_and_wait(Some("shutdown".to_owned()), Some(SHUTDOWN_GRACE))
            .await;
        self.supervisor.stop(None);
    }

    #[expect(clippy::disallowed_methods, reason = "the one question to the supervisor")]
    async fn add(&self, session: Session) -> Result<()> {
        let session = Box::new(session);
        let asked = self
            .supervisor
            .call(|reply| SupervisorMessage::Add { session, reply }, Some(ADD_TIMEOUT))
            .await;
        match asked {
            Ok(CallResult::Success(added)) => added,
            _ => Err(Error::Unavailable { retry_after: Duration::from_secs(1) }),
        }
    }
}
