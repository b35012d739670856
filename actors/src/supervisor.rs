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

/// The delay before attempt `attempt` (from 0): anything from nothing to a limit that doubles from `base` up to `max`, all
/// of it alike (full jitter), so that those who failed together do not come back together.
pub(crate) fn backoff(attempt: u32, base: Duration, max: Duration) -> Duration {
    let limit = base.saturating_mul(1_u32 << attempt.min(20)).min(max);
    let mut random = [0_u8; 2];
    let part = match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX),
        Err(_) => 1.0,
    };
    limit.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after a beginning at which a session crashes, and how many crashes count each time.
    fn counts(seconds: impl IntoIterator<Item = u64>) -> Vec<(u32, bool)> {
        let (mut record, begun) = (Record::default(), Instant::now());
        let times = seconds.into_iter().map(|second| begun + Duration::from_secs(second));
        times.map(|time| (record.add(time), record.is_hopeless())).collect()
    }

    #[test]
    fn a_session_is_given_up_at_its_sixth_crash_within_a_minute() {
        let hopeful = [(1, false), (2, false), (3, false), (4, false), (5, false)];
        assert_eq!(counts(0..7), [&hopeful[..], &[(6, true), (7, true)]].concat());
        // The sixth comes a minute after the first, and the first still counts.
        assert_eq!(counts([0, 12, 24, 36, 48, 60]), [&hopeful[..], &[(6, true)]].concat());
    }

    #[test]
    fn a_crash_from_more_than_a_minute_ago_is_forgotten() {
        assert_eq!(counts([0, 12, 24, 36, 48, 61])[5], (5, false));
        assert!(counts((0..100).map(|crash| 13 * crash)).iter().all(|(_, hopeless)| !hopeless));
        // One that was given up and started again begins anew a minute later.
        assert_eq!(counts([0, 1, 2, 3, 4, 5, 66])[5..], [(6, true), (1, false)]);
    }

    #[test]
    fn delays_are_anything_up_to_a_limit_that_doubles() {
        const DRAWS: u32 = 2_000;
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(10));
        let limits = [(0, 100), (1, 200), (2, 400), (6, 6_400), (7, 10_000), (63, 10_000)];
        for (attempt, limit) in limits {
            let limit = Duration::from_millis(limit);
            let delays: Vec<Duration> = (0..DRAWS).map(|_| backoff(attempt, base, max)).collect();
            let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
            assert!(*most <= limit, "attempt {attempt}: {most:?} of {limit:?}");
            assert!(*least < limit / 20 && *most > limit * 19 / 20, "{least:?} to {most:?}");
            // Neither end is likelier than the other.
            let mean = delays.iter().sum::<Duration>() / DRAWS;
            assert!(mean > limit * 9 / 20 && mean < limit * 11 / 20, "{mean:?} of {limit:?}");
        }
    }
}
