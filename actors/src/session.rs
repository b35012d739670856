//! One session: the actor that owns its connection, its status and the order of its operations.

mod alarm;
mod codes;
mod connection;
mod ending;
mod groups;
mod machine;
mod operations;
mod pairing;
mod settings;
mod state;

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use wharf_storage::{Reason, Session, SessionId, Status, Store};

pub(crate) use self::state::SessionState;
use self::{
    ending::Waiting,
    machine::{Input, Limits, Machine, Stored},
    operations::Lane,
};
use crate::{
    admissions::Place,
    command::{ApplySettings, FetchInvite, Qr, RequestPairingCode, RevokeInvite},
    config::Config,
    error::{Error, Result},
    registry::Vitals,
    whatsapp::{Failure, MintedCode, Shared, Signal},
};

/// The longest silence, in milliseconds, after which a session may say that it works: what the contract promises. Only a
/// session whose process was stopped meanwhile comes near it.
pub(crate) const LONGEST_SILENCE: i64 = 90_000;

/// What a session can be told. Messages that belong to one connection carry its generation, so that a late one of an
/// older connection changes nothing.
pub(crate) enum SessionMessage {
    /// Begin the next connection.
    Connect { generation: u64 },
    /// There is a place among the connections on their way.
    Admitted { generation: u64, place: Place },
    /// The connection told something.
    Signal { generation: u64, signal: Signal },
    /// The connection is over; `panicked`: by a panic of the protocol library.
    RunEnded { generation: u64, panicked: bool },
    /// The first sync of a connection is over: the proof that the account answers.
    Synced { generation: u64, outcome: Result<Vec<wharf_storage::GroupSnapshot>, Failure> },
    /// WhatsApp answered a probe.
    Answered { generation: u64 },
    /// Time has passed.
    Tick,
    /// Answer: it shows how long a message waits, and that all that came before is done.
    Call(RpcReplyPort<()>),
    /// Read a group for the store.
    ReadGroup { group: wharf_storage::GroupJid },
    /// Read a group for the store that could not be read before.
    ReadPostponed { group: wharf_storage::GroupJid },
    /// A group was read back.
    GroupRead {
        group: wharf_storage::GroupJid,
        outcome: Result<wharf_storage::GroupSnapshot, Failure>,
    },
    /// An operation is over; `panicked`: it did not end by itself.
    OperationEnded { lane: Lane, panicked: bool },
    /// Run, from now on.
    Start(RpcReplyPort<Result<()>>),
    /// Stop.
    Stop(Waiting),
    /// End the connection and begin anew.
    Restart(Waiting),
    /// Unlink the device.
    Logout(Waiting),
    /// Unlink the device where that can be done, and end: the session is about to be removed.
    Retire(Waiting),
    /// The device was unlinked, or not.
    Unlinked { outcome: Result<(), Failure> },
    /// Show the code to scan.
    ShowQr(RpcReplyPort<Result<Qr>>),
    /// Have a code made that is typed on the phone.
    RequestPairingCode { command: RequestPairingCode, reply: codes::Reply },
    /// Such a code was made, or not.
    PairingCodeMinted { request: u64, generation: u64, outcome: Result<MintedCode, Failure> },
    /// Such a code should have been there by now.
    PairingCodeOverdue { request: u64 },
    /// Change a group's settings.
    ApplySettings { command: ApplySettings, reply: RpcReplyPort<Result<()>> },
    /// Ask for a group's invite link.
    FetchInvite { command: FetchInvite, reply: RpcReplyPort<Result<String>> },
    /// Have a group's invite link replaced.
    RevokeInvite { command: RevokeInvite, reply: RpcReplyPort<Result<String>> },
    /// Panic.
    #[cfg(feature = "sandbox")]
    Crash,
    /// Panic in an operation.
    #[cfg(feature = "sandbox")]
    CrashOperation,
}

/// What an actor is started with.
pub(crate) struct SessionArgs {
    pub(crate) id: SessionId,
    pub(crate) organization: Arc<str>,
    pub(crate) store: Store,
    pub(crate) config: Arc<Config>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) vitals: Arc<Vitals>,
    /// Set when the supervisor gave the session up: it stays failed until somebody starts it.
    pub(crate) given_up: bool,
}

/// The status, with its reason, that a stored session has as soon as it is taken up.
pub(crate) fn taken_up(session: &Session, config: &Config) -> (Status, Option<Reason>) {
    let stored = Stored {
        wanted: session.wanted,
        status: session.status,
        reason: session.status_reason,
        paired: session.account.is_some(),
    };
    let (machine, _) = Machine::resume(stored, Limits::of(config), false, 0);
    (machine.status(), machine.reason())
}

/// The actor; its state is [`SessionState`].
pub(crate) struct SessionActor;

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = SessionState;
    type Arguments = SessionArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        args: SessionArgs,
    ) -> Result<SessionState, ActorProcessingErr> {
        Ok(SessionState::resume(myself, args).await?)
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<SessionMessage>,
        state: &mut SessionState,
    ) -> Result<(), ActorProcessingErr> {
        state.close().await;
        Ok(())
    }

    // Not an `async fn` around another, which would hold every message twice.
    fn handle(
        &self,
        _myself: ActorRef<SessionMessage>,
        message: SessionMessage,
        state: &mut SessionState,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        let meter = Arc::clone(&state.vitals.meter);
        meter.timed(state.take(message))
    }
}

impl SessionState {
    async fn take(&mut self, message: SessionMessage) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMessage::Connect { generation } => self.connect(generation),
            SessionMessage::Admitted { generation, place } => {
                self.admitted(generation, place).await?;
            }
            SessionMessage::Signal { generation, signal } => {
                self.signalled(generation, signal).await?;
            }
            SessionMessage::RunEnded { generation, panicked } => {
                self.run_ended(generation, panicked).await?;
            }
            SessionMessage::Synced { generation, outcome } => {
                self.synced(generation, outcome).await?;
            }
            SessionMessage::Answered { generation } => self.answered(generation).await?,
            SessionMessage::Tick => self.tick().await?,
            SessionMessage::Call(reply) => drop(reply.send(())),
            SessionMessage::ReadGroup { group } => self.read_group(group),
            SessionMessage::ReadPostponed { group } => self.read_postponed(group),
            SessionMessage::GroupRead { group, outcome } => {
                self.group_read(&group, outcome).await?;
            }
            SessionMessage::OperationEnded { lane, panicked } => {
                self.operation_ended(&lane, panicked)?;
            }
            SessionMessage::Start(reply) => answer(reply, self.feed(Input::Start).await)?,
            SessionMessage::Stop(reply) => self.stop(reply).await?,
            SessionMessage::Restart(reply) => answer(reply, self.feed(Input::Restart).await)?,
            SessionMessage::Logout(reply) => self.logout(reply).await?,
            SessionMessage::Retire(reply) => self.retire(reply).await?,
            SessionMessage::Unlinked { outcome } => self.unlinked(outcome).await?,
            SessionMessage::ShowQr(reply) => answer(reply, self.show_qr().await)?,
            SessionMessage::RequestPairingCode { command, reply } => {
                self.request_pairing_code(command, reply).await?;
            }
            SessionMessage::PairingCodeMinted { request, generation, outcome } => {
                self.pairing_code_minted(request, generation, outcome).await?;
            }
            SessionMessage::PairingCodeOverdue { request } => self.pairing_code_overdue(request),
            SessionMessage::ApplySettings { command, reply } => {
                self.apply_settings(command, reply);
            }
            SessionMessage::FetchInvite { command, reply } => {
                self.invite(command.group, false, reply);
            }
            SessionMessage::RevokeInvite { command, reply } => {
                self.invite(command.group, true, reply);
            }
            #[cfg(feature = "sandbox")]
            SessionMessage::Crash => panic!("a test asked for this panic"),
            #[cfg(feature = "sandbox")]
            SessionMessage::CrashOperation => self.crash_operation(),
        }
        let (running, waiting) = self.lanes.depth();
        self.vitals.meter.note_operations(running, waiting);
        Ok(())
    }
}

/// Answers a caller; what is our own fault is the actor's failure too, so that it is taken up from the store again.
fn answer<T: Send + 'static>(
    reply: RpcReplyPort<Result<T>>,
    outcome: Result<T>,
) -> Result<(), ActorProcessingErr> {
    let fault = match &outcome {
        Err(error @ (Error::Storage(_) | Error::Internal(_))) => Some(error.to_string()),
        _ => None,
    };
    drop(reply.send(outcome));
    fault.map_or(Ok(()), |fault| Err(fault.into()))
}
