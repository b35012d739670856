//! The supervisor: starts sessions, is the only writer of the registry, and brings crashed sessions back.

use std::{collections::HashMap, sync::Arc, time::Duration};

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
const CRASHES: u32 = 5;
/// A session that lived this long has a clean record again.
const WINDOW: Duration = Duration::from_mins(1);

/// What the supervisor can be told.
pub(crate) enum SupervisorMessage {
    /// Take a stored session in.
    Add { session: Box<Session>, reply: RpcReplyPort<Result<()>> },
    /// Bring a crashed session back.
    Restart(SessionId),
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
}

/// A session's record of crashes.
#[derive(Default)]
struct Record {
    crashes: u32,
    last: Option<Instant>,
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
        Ok(SupervisorState { args, sessions: HashMap::new(), records: HashMap::new() })
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
                if let Some(id) = state.sessions.remove(&actor.get_id()) {
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
        let vitals = Arc::new(Vitals::new(observed));
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
        let args = SessionArgs {
            id,
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
        let record = self.records.entry(id).or_default();
        let now = Instant::now();
        if record.last.is_some_and(|last| now.duration_since(last) > WINDOW) {
            record.crashes = 0;
        }
        record.last = Some(now);
        record.crashes += 1;
        let delay = backoff(
            record.crashes - 1,
            self.args.config.backoff_base,
            self.args.config.backoff_max,
        );
        myself.send_after(delay, move || SupervisorMessage::Restart(id));
    }

    async fn restart(&mut self, myself: &ActorRef<SupervisorMessage>, id: SessionId) {
        let vitals = self
            .args
            .registry
            .get(&id)
            .filter(|entry| entry.actor.is_none())
            .map(|entry| Arc::clone(&entry.vitals));
        let Some(vitals) = vitals else { return };
        let given_up = self.records.get(&id).is_some_and(|record| record.crashes > CRASHES);
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
