//! Operations of callers: queued in the actor, run beside it, answered through their reply port.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::{ActorRef, RpcReplyPort};
use tokio::time::Instant;
use wharf_storage::{GroupJid, SessionId, Status, Store};

use super::{SessionMessage, SessionState, settings};
use crate::{
    command::{ApplySettings, FetchInvite},
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
    Invite {
        command: FetchInvite,
        reply: RpcReplyPort<Result<String>>,
        deadline: Instant,
    },
    /// Read a group back for the store; in the group's lane, so that it is never older than a change.
    Read {
        group: GroupJid,
        deadline: Instant,
    },
}

impl Job {
    fn refuse(self, error: Error) {
        match self {
            Self::Settings { reply, .. } => drop(reply.send(Err(error))),
            Self::Invite { reply, .. } => drop(reply.send(Err(error))),
            Self::Read { .. } => {}
        }
    }

    fn deadline(&self) -> Instant {
        match self {
            Self::Settings { deadline, .. }
            | Self::Invite { deadline, .. }
            | Self::Read { deadline, .. } => *deadline,
        }
    }
}

/// What an operation works with; the actor is not among it.
pub(super) struct Operation {
    pub(super) link: Link,
    pub(super) store: Store,
    pub(super) id: SessionId,
    pub(super) events: Events,
    pub(super) vitals: Arc<Vitals>,
    pub(super) deadline: Instant,
    /// The part of the budget that is kept for reading the group back.
    pub(super) reserve: Duration,
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

    async fn invite(&self, command: &FetchInvite) -> Result<String> {
        match tokio::time::timeout_at(self.deadline, self.link.invite(&command.group)).await {
            Ok(outcome) => outcome.map_err(|failure| self.error(failure)),
            Err(_) => Err(Error::Timeout { read_back: None }),
        }
    }
}

fn not_connected(vitals: &Vitals) -> Error {
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
        if let Some(touched) = &mut self.syncing {
            touched.insert(command.group.clone());
        }
        let lane = Lane::Group(command.group.clone());
        let deadline = Instant::now() + self.config.operation_timeout;
        self.submit(lane, Job::Settings { command, reply, deadline });
    }

    /// Queues a question for an invite link.
    pub(super) fn fetch_invite(
        &mut self,
        command: FetchInvite,
        reply: RpcReplyPort<Result<String>>,
    ) {
        static QUESTIONS: AtomicU64 = AtomicU64::new(0);
        let lane = Lane::Question(QUESTIONS.fetch_add(1, Ordering::Relaxed));
        let deadline = Instant::now() + self.config.operation_timeout;
        self.submit(lane, Job::Invite { command, reply, deadline });
    }

    /// Queues the reading of one group for the store. One that nobody may read now is left to the next sync.
    pub(super) fn read_group(&mut self, group: GroupJid) {
        if let Some(touched) = self.reading.get_mut(&group) {
            *touched = true;
            return;
        }
        if self.status() == Status::Working {
            self.reading.insert(group.clone(), false);
            let deadline = Instant::now() + self.config.operation_timeout;
            self.submit(Lane::Group(group.clone()), Job::Read { group, deadline });
        }
    }

    fn submit(&mut self, lane: Lane, job: Job) {
        if self.status() != Status::Working {
            job.refuse(not_connected(&self.vitals));
        } else if let Err(job) = self.lanes.submit(lane, job) {
            job.refuse(Error::Busy { retry_after: BUSY_RETRY });
        } else {
            self.run_next();
        }
    }

    /// A place in a lane is free again. A panic of an operation is a panic of the session.
    pub(super) fn operation_ended(&mut self, lane: &Lane, panicked: bool) -> Result<()> {
        self.lanes.finished(lane);
        if panicked {
            return Err(Error::Internal("an operation panicked".to_owned()));
        }
        self.run_next();
        Ok(())
    }

    fn run_next(&mut self) {
        while let Some((lane, job)) = self.lanes.next() {
            let link =
                self.client.as_ref().map(Client::link).filter(|_| self.status() == Status::Working);
            let Some(link) = link else {
                self.lanes.finished(&lane);
                job.refuse(not_connected(&self.vitals));
                continue;
            };
            let operation = Operation {
                link,
                store: self.store.clone(),
                id: self.id,
                events: self.events.clone(),
                vitals: Arc::clone(&self.vitals),
                deadline: job.deadline(),
                reserve: self.config.operation_timeout / 4,
            };
            let actor = self.myself.clone();
            let work = tokio::spawn(run(operation, job, actor.clone()));
            tokio::spawn(async move {
                let panicked = work.await.is_err_and(|error| error.is_panic());
                drop(actor.cast(SessionMessage::OperationEnded { lane, panicked }));
            });
        }
    }
}

/// Carries a job out and answers it, whether or not the caller still listens.
async fn run(operation: Operation, job: Job, actor: ActorRef<SessionMessage>) {
    match job {
        Job::Settings { command, reply, .. } => {
            let outcome = settings::apply(&operation, &command).await;
            let doubtful = matches!(&outcome, Err(Error::Settings(failure)) if matches!(failure.cause, Error::Timeout { .. }));
            drop(reply.send(outcome));
            if doubtful {
                // WhatsApp may still carry it out: the store follows once the group can be read.
                drop(actor.cast(SessionMessage::ReadGroup { group: command.group }));
            }
        }
        Job::Invite { command, reply, .. } => drop(reply.send(operation.invite(&command).await)),
        Job::Read { group, deadline } => {
            let outcome = tokio::time::timeout_at(deadline, operation.link.group(&group)).await;
            let outcome = outcome.unwrap_or(Err(Failure::Timeout));
            drop(actor.cast(SessionMessage::GroupRead { group, outcome }));
        }
    }
}
