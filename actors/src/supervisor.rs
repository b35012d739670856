//! The supervisor: starts sessions, is the only writer of the registry, and brings crashed sessions back.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::time::Instant;
use wharf_storage::{Session, SessionId, Status, Store};

use crate::{
    clock::now_ms,
    config::Config,
    error::{Error, Result},
    registry::{Entry, Observed, Registry, Vitals},
    session::{SessionActor, SessionArgs, SessionMessage},
    whatsapp::Shared,
};

/// Crashes within [`WINDOW`] after which a session is given up until somebody starts it.
const CRASHES: usize = 5;
/// How long a crash counts.
const WINDOW: Duration = Duration::from_mins(1);

/// What the supervisor can be told.
pub(crate) enum SupervisorMessage {
    /// Take a stored session in.
    Add { session: Box<Session>, reply: RpcReplyPort<Result<()>> },
    /// Bring a crashed session back.
    Restart(SessionId),
    /// End a session's actor for good and start no other: its rows are about to go.
    Detach { id: SessionId, reply: RpcReplyPort<Result<()>> },
    /// Start a detached session's actor after all.
    Attach { id: SessionId, reply: RpcReplyPort<Result<()>> },
    /// Its rows are gone: nothing is left of the session.
    Forget { id: SessionId, reply: RpcReplyPort<Result<()>> },
}

/// What the supervisor is started with.
pub(crate) struct SupervisorArgs {
    pub(crate) store: Store,
    pub(crate) config: Arc<Config>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) registry: Registry,
}

/// What the supervisor knows of its children.
pub(crate) struct SupervisorState {
    args: SupervisorArgs,
    sessions: HashMap<ActorId, SessionId>,
    records: HashMap<SessionId, Record>,
    /// Sessions that are being removed.
    detached: HashSet<SessionId>,
}

/// A session's crashes within [`WINDOW`], oldest first.
#[derive(Default)]
struct Record(VecDeque<Instant>);

impl Record {
    /// Notes a crash; gives how many there were in the window.
    fn add(&mut self, now: Instant) -> u32 {
        self.0.push_back(now);
        while self.0.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            self.0.pop_front();
        }
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Whether the last crash was one too many.
    fn is_hopeless(&self) -> bool {
        self.0.len() > CRASHES
    }
}

/// The actor; its state is [`SupervisorState`].
pub(crate) struct Supervisor;

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = SupervisorArgs;

    async fn pre_start(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        args: SupervisorArgs,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        Ok(SupervisorState {
            args,
            sessions: HashMap::new(),
            records: HashMap::new(),
            detached: HashSet::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Add { session, reply } => {
                drop(reply.send(state.add(&myself, &session).await));
            }
            SupervisorMessage::Restart(id) => state.restart(&myself, id).await,
            SupervisorMessage::Detach { id, reply } => {
                state.detach(id);
                drop(reply.send(Ok(())));
            }
            SupervisorMessage::Attach { id, reply } => {
                state.detached.remove(&id);
                state.restart(&myself, id).await;
                drop(reply.send(Ok(())));
            }
            SupervisorMessage::Forget { id, reply } => {
                state.forget(id);
                drop(reply.send(Ok(())));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                if let Some(id) = state.sessions.remove(&actor.get_id())
                    && !state.detached.contains(&id)
                {
                    tracing::error!(session.id = %id, "session `{id}` crashed: {error}");
                    state.crashed(&myself, id);
                }
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                if let Some(id) = state.sessions.remove(&actor.get_id()) {
                    state.forget_actor(id);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl SupervisorState {
    async fn add(&mut self, myself: &ActorRef<SupervisorMessage>, session: &Session) -> Result<()> {
        let observed = Observed {
            status: match session.status {
                // What an earlier process saw is no news of this one.
                Status::Working | Status::ScanQrCode => Status::Starting,
                status => status,
            },
            reason: session.status_reason,
            since: session.since,
        };
        let vitals = Arc::new(Vitals::new(observed, session.last_connected_at.unwrap_or(0)));
        let entry = Entry {
            organization: session.organization.as_str().into(),
            actor: None,
            vitals: Arc::clone(&vitals),
        };
        self.args.registry.insert(session.id, entry);
        let spawned = self.spawn(myself, session.id, vitals, false).await;
        if spawned.is_err() {
            self.restart_later(myself, session.id);
        }
        spawned
    }

    async fn spawn(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        id: SessionId,
        vitals: Arc<Vitals>,
        given_up: bool,
    ) -> Result<()> {
        let entry = self.args.registry.get(&id).map(|entry| Arc::clone(&entry.organization));
        let organization = entry.ok_or(Error::NotFound("session"))?;
        let args = SessionArgs {
            id,
            organization,
            store: self.args.store.clone(),
            config: Arc::clone(&self.args.config),
            shared: Arc::clone(&self.args.shared),
            vitals,
            given_up,
        };
        let (actor, _task) = Actor::spawn_linked(None, SessionActor, args, myself.get_cell())
            .await
            .map_err(|error| Error::Internal(format!("session `{id}` did not start: {error}")))?;
        self.sessions.insert(actor.get_id(), id);
        self.set_actor(id, Some(actor));
        Ok(())
    }

    fn set_actor(&self, id: SessionId, actor: Option<ActorRef<SessionMessage>>) {
        if let Some(mut entry) = self.args.registry.get_mut(&id) {
            entry.actor = actor;
        }
    }

    /// Nobody owns the session's status now but us: it is not working, and it is not up to date in the store either
    /// until its actor is back.
    fn forget_actor(&self, id: SessionId) {
        self.set_actor(id, None);
        if let Some(entry) = self.args.registry.get(&id) {
            entry.vitals.observed.send_if_modified(|observed| {
                let lost = matches!(observed.status, Status::Working | Status::ScanQrCode);
                if lost {
                    *observed =
                        Observed { status: Status::Starting, reason: None, since: now_ms() };
                }
                lost
            });
        }
    }

    fn crashed(&mut self, myself: &ActorRef<SupervisorMessage>, id: SessionId) {
        self.forget_actor(id);
        self.restart_later(myself, id);
    }

    fn restart_later(&mut self, myself: &ActorRef<SupervisorMessage>, id: SessionId) {
        let crashes = if self.args.store.takes_writes() {
            self.records.entry(id).or_default().add(Instant::now())
        } else {
            // What the store refuses is no fault of the session's, however often.
            u32::try_from(CRASHES).unwrap_or(u32::MAX)
        };
        let config = &self.args.config;
        let delay = backoff(crashes - 1, config.backoff_base, config.backoff_max);
        myself.send_after(delay, move || SupervisorMessage::Restart(id));
    }

    /// Ends a session's actor, whatever it is doing.
    fn detach(&mut self, id: SessionId) {
        self.detached.insert(id);
        let actor = self.args.registry.get_mut(&id).and_then(|mut entry| entry.actor.take());
        if let Some(actor) = actor {
            actor.kill();
        }
    }

    fn forget(&mut self, id: SessionId) {
        self.detached.remove(&id);
        self.records.remove(&id);
        self.args.registry.remove(&id);
    }

    async fn restart(&mut self, myself: &ActorRef<SupervisorMessage>, id: SessionId) {
        if self.detached.contains(&id) {
            return;
        }
        let vitals = self
            .args
            .registry
            .get(&id)
            .filter(|entry| entry.actor.is_none())
            .map(|entry| Arc::clone(&entry.vitals));
        let Some(vitals) = vitals else { return };
        let given_up = self.records.get(&id).is_some_and(Record::is_hopeless);
        if let Err(error) = self.spawn(myself, id, vitals, given_up).await {
            tracing::error!(session.id = %id, "session `{id}` is tried again: {error}");
            self.restart_later(myself, id);
        }
    }
}

/// The delay before attempt `attempt` (from 0): a random part (at least a tenth, so that nothing spins) of a limit that
/// doubles from `base` up to `max`.
pub(crate) fn backoff(attempt: u32, base: Duration, max: Duration) -> Duration {
    let limit = base.saturating_mul(1_u32 << attempt.min(20)).min(max);
    let mut random = [0_u8; 2];
    let part = match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX),
        Err(_) => 1.0,
    };
    limit.mul_f64(0.1 + 0.9 * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_within_their_bounds() {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(10));
        for attempt in 0..64 {
            let limit = base.saturating_mul(1 << attempt.min(20)).min(max);
            let delay = backoff(attempt, base, max);
            assert!(
                delay <= limit && delay >= limit.mul_f64(0.09),
                "attempt {attempt}: {delay:?} of {limit:?}"
            );
        }
    }
}
