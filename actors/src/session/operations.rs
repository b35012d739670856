//! Operations of callers: queued in the actor, run beside it, answered through their reply port.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::{ActorRef, RpcReplyPort, concurrency};
use tokio::time::Instant;
use wharf_storage::{GroupJid, SessionId, Status, Store};

use super::{SessionMessage, SessionState, settings};
use crate::{
    command::ApplySettings,
    error::{Error, Result},
    event::Events,
    registry::Vitals,
    whatsapp::{Client, Failure, Link},
};

/// What a caller is told to wait when too many operations are queued.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// What runs one after the other: changes of one group. A question has a lane of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Group(GroupJid),
    Question(u64),
}

impl Lane {
    /// The group that the lane is for.
    pub(super) fn group(&self) -> Option<&GroupJid> {
        match self {
            Self::Group(group) => Some(group),
            Self::Question(_) => None,
        }
    }
}

/// A queued operation, with the end of its time budget.
pub(crate) enum Job {
    Settings {
        command: ApplySettings,
        reply: RpcReplyPort<Result<()>>,
        deadline: Instant,
    },
    /// Ask for a group's invite link; `renew`: have it replaced first.
    Invite {
        group: GroupJid,
        renew: bool,
        reply: RpcReplyPort<Result<String>>,
        deadline: Instant,
    },
    /// Read a group back for the store; in the group's lane, so that it is never older than a change.
    Read {
        group: GroupJid,
        deadline: Instant,
    },
    /// Panic.
    #[cfg(feature = "sandbox")]
    Crash {
        deadline: Instant,
    },
}

impl Job {
    fn deadline(&self) -> Instant {
        match self {
            Self::Settings { deadline, .. }
            | Self::Invite { deadline, .. }
            | Self::Read { deadline, .. } => *deadline,
            #[cfg(feature = "sandbox")]
            Self::Crash { deadline } => *deadline,
        }
    }
}

/// The longest that one answer of WhatsApp is waited for: the library gives a connection up after 20 s of silence, and a
/// question that is pending then would look like one that a lost connection took along.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// What an operation works with; of the actor only its mailbox.
pub(super) struct Operation {
    pub(super) actor: ActorRef<SessionMessage>,
    pub(super) link: Link,
    pub(super) store: Store,
    pub(super) id: SessionId,
    pub(super) events: Events,
    pub(super) vitals: Arc<Vitals>,
    pub(super) deadline: Instant,
    /// The least that a question or its read-back is given, a sixteenth of the whole budget.
    pub(super) least: Duration,
}

impl Operation {
    /// Our word for what the connection said.
    pub(super) fn error(&self, failure: Failure) -> Error {
        match failure {
            Failure::Disconnected => not_connected(&self.vitals),
            Failure::Timeout => Error::Timeout { read_back: None },
            Failure::Refused(refusal) => Error::Refused(refusal),
            Failure::Broken(text) => Error::Refused(crate::error::Refusal::Other { code: 0, text }),
        }
    }

    /// Waits, but not beyond `limit`, until the actor has stored what came before WhatsApp's answer, so that it is told in
    /// that order.
    pub(super) async fn follow_news(&self, limit: Instant) {
        let (reply, done) = concurrency::oneshot();
        if self.actor.cast(SessionMessage::Call(reply.into())).is_ok() {
            // An actor that fails meanwhile has lost the news, and the next sync finds what they were about.
            drop(tokio::time::timeout_at(limit, done).await);
        }
    }

    /// Has a group read for the store, behind this operation.
    pub(super) fn read_afterwards(&self, group: &GroupJid) {
        drop(self.actor.cast(SessionMessage::ReadGroup { group: group.clone() }));
    }

    async fn invite(&self, group: &GroupJid, renew: bool) -> Result<String> {
        let limit = self.deadline.min(Instant::now() + PATIENCE);
        match tokio::time::timeout_at(limit, self.link.invite(group, renew)).await {
            Ok(outcome) => outcome.map_err(|failure| self.error(failure)),
            Err(_) => Err(Error::Timeout { read_back: None }),
        }
    }
}

pub(super) fn not_connected(vitals: &Vitals) -> Error {
    // A drop that the actor has not heard of yet: "working" would contradict the answer.
    let status = vitals.observed.borrow().status;
    Error::NotConnected {
        status: if status == Status::Working { Status::Starting } else { status },
    }
}

impl SessionState {
    /// Queues a change of a group's settings. A request without fields is done at once.
    pub(super) fn apply_settings(
        &mut self,
        command: ApplySettings,
        reply: RpcReplyPort<Result<()>>,
    ) {
        if self.status() == Status::Working && command.fields().is_empty() {
            drop(reply.send(Ok(())));
            return;
        }
        let lane = Lane::Group(command.group.clone());
        let deadline = Instant::now() + self.config.operation_timeout;
        self.submit(lane, Job::Settings { command, reply, deadline });
    }

    /// Queues a question for an invite link, or its replacement, which is a change of the group.
    pub(super) fn invite(
        &mut self,
        group: GroupJid,
        renew: bool,
        reply: RpcReplyPort<Result<String>>,
    ) {
        static QUESTIONS: AtomicU64 = AtomicU64::new(0);
        let lane = if renew {
            Lane::Group(group.clone())
        } else {
            Lane::Question(QUESTIONS.fetch_add(1, Ordering::Relaxed))
        };
        let deadline = Instant::now() + self.config.operation_timeout;
        self.submit(lane, Job::Invite { group, renew, reply, deadline });
    }

    /// Queues the reading of one group for the store. One that nobody may read now is left to the next sync.
    pub(super) fn read_group(&mut self, group: GroupJid) {
        if let Some(touched) = self.reading.get_mut(&group) {
            *touched = true;
            return;
        }
        if self.status() != Status::Working {
            return;
        }
        if self.store.takes_writes() {
            self.reading.insert(group.clone(), false);
            let deadline = Instant::now() + self.config.operation_timeout;
            self.submit(Lane::Group(group.clone()), Job::Read { group, deadline });
        } else {
            self.read_once_writable(group);
        }
    }

    fn submit(&mut self, lane: Lane, job: Job) {
        // What it does or finds may be newer than the list of groups that is on its way.
        if let (Some(touched), Some(group)) = (&mut self.syncing, lane.group()) {
            touched.insert(group.clone());
        }
        if self.status() != Status::Working {
            self.refuse(job, not_connected(&self.vitals));
        } else if let Err(job) = self.lanes.submit(lane, job) {
            self.refuse(job, Error::Busy { retry_after: BUSY_RETRY });
        } else {
            self.run_next();
        }
    }

    /// Answers a job that is not carried out. A group that was not read is read later.
    fn refuse(&mut self, job: Job, error: Error) {
        match job {
            Job::Settings { reply, .. } => drop(reply.send(Err(error))),
            Job::Invite { reply, .. } => drop(reply.send(Err(error))),
            Job::Read { group, .. } => {
                self.reading.remove(&group);
                if matches!(error, Error::Busy { .. }) {
                    self.read_later(group);
                }
            }
            #[cfg(feature = "sandbox")]
            Job::Crash { .. } => {}
        }
    }

    /// Answers all that waits: the connection it waited for is gone.
    pub(super) fn refuse_waiting(&mut self) {
        for job in self.lanes.clear() {
            self.refuse(job, not_connected(&self.vitals));
        }
    }

    /// A place in a lane is free again. A panic of an operation is a panic of the session.
    pub(super) fn operation_ended(&mut self, lane: &Lane, panicked: bool) -> Result<()> {
        self.lanes.finished(lane);
        if panicked {
            return Err(Error::Internal("an operation panicked".to_owned()));
        }
        self.run_next();
        if let Some(group) = lane.group()
            && self.disturbed.remove(group)
            && !self.reading.contains_key(group)
        {
            // Which of the two changes WhatsApp made last, only WhatsApp knows.
            self.read_group(group.clone());
        }
        Ok(())
    }

    fn run_next(&mut self) {
        while let Some((lane, job)) = self.lanes.next() {
            let link =
                self.client.as_ref().map(Client::link).filter(|_| self.status() == Status::Working);
            let Some(link) = link else {
                self.lanes.finished(&lane);
                self.refuse(job, not_connected(&self.vitals));
                continue;
            };
            if let Job::Read { group, .. } = &job {
                // What happened before it is asked for is in the answer.
                self.reading.insert(group.clone(), false);
            }
            let operation = Operation {
                actor: self.myself.clone(),
                link,
                store: self.store.clone(),
                id: self.id,
                events: self.events.clone(),
                vitals: Arc::clone(&self.vitals),
                deadline: job.deadline(),
                least: self.config.operation_timeout / 16,
            };
            let ended = Ended { actor: self.myself.clone(), lane: Some(lane) };
            tokio::spawn(self.vitals.meter.timed(async move {
                // Lives in the task, so that its end is told however it comes.
                let _ended = ended;
                run(operation, job).await;
            }));
        }
    }

    /// Makes an operation panic, for tests.
    #[cfg(feature = "sandbox")]
    pub(super) fn crash_operation(&mut self) {
        let deadline = Instant::now() + self.config.operation_timeout;
        self.submit(Lane::Question(u64::MAX), Job::Crash { deadline });
    }
}

/// Tells the actor that an operation is over.
struct Ended {
    actor: ActorRef<SessionMessage>,
    lane: Option<Lane>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            let panicked = std::thread::panicking();
            drop(self.actor.cast(SessionMessage::OperationEnded { lane, panicked }));
        }
    }
}

/// Carries a job out and answers it, whether or not the caller still listens.
async fn run(operation: Operation, job: Job) {
    match job {
        Job::Settings { command, reply, .. } => {
            let outcome = settings::apply(&operation, &command).await;
            let doubtful = settings::leaves_store_behind(&outcome);
            drop(reply.send(outcome));
            if doubtful {
                operation.read_afterwards(&command.group);
            }
        }
        Job::Invite { group, renew, reply, .. } => {
            drop(reply.send(operation.invite(&group, renew).await));
        }
        Job::Read { group, deadline } => {
            let outcome = tokio::time::timeout_at(deadline, operation.link.group(&group)).await;
            let outcome = outcome.unwrap_or(Err(Failure::Timeout));
            drop(operation.actor.cast(SessionMessage::GroupRead { group, outcome }));
        }
        #[cfg(feature = "sandbox")]
        Job::Crash { .. } => panic!("a test asked for this panic"),
    }
}
