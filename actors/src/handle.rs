//! The way to one session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{ActorRef, RpcReplyPort, rpc::CallResult};
use wharf_storage::{SessionId, SettingsChange, Status, Store};

use crate::{
    clock::now_ms,
    command::{ApplySettings, FetchInvite, Qr, RequestPairingCode, RevokeInvite, SessionView},
    error::{Error, Result},
    lanes,
    registry::{Registry, Vitals},
    resources::{Operations, Resources},
    session::SessionMessage,
};

/// Answers that need no network come well within this.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a session that is asked what it costs may take to take the question.
const CALL_PATIENCE: Duration = Duration::from_secs(1);
/// How long after the operation's own budget the mailbox is given up on.
const SLACK: Duration = Duration::from_secs(2);
/// How long a session may take to end: to be unlinked, to say good-bye, and to let its last run go.
const ENDING: Duration = Duration::from_secs(28);

/// One session; cheap to clone. It stays valid over a restart of the session's actor.
#[derive(Clone)]
pub struct SessionHandle {
    pub(crate) id: SessionId,
    pub(crate) registry: Registry,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) store: Store,
    pub(crate) operation_timeout: Duration,
}

impl SessionHandle {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// What the session is doing.
    pub fn status(&self) -> Status {
        self.vitals.seen().status
    }

    /// Whether live actions can be tried.
    pub fn is_connected(&self) -> bool {
        self.status() == Status::Working
    }

    /// Messages received and acknowledged since the process started.
    pub fn messages_received(&self) -> u64 {
        self.vitals.inbound.received()
    }

    /// What the session costs, running or not.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was removed meanwhile.
    pub async fn resources(&self) -> Result<Resources> {
        let meter = &self.vitals.meter;
        let asked = Instant::now();
        let mailbox_wait = match self.ask(CALL_PATIENCE, SessionMessage::Call).await {
            Ok(()) => Some(asked.elapsed()),
            Err(Error::Timeout { .. } | Error::Unavailable { .. }) => None,
            Err(error) => return Err(error),
        };
        let (traffic, (connects, reconnects), (running, waiting)) =
            (meter.traffic(), meter.connects(), meter.operations());
        Ok(Resources {
            traffic,
            connection: meter.connection(traffic),
            connects,
            reconnects,
            cpu_us: meter.cpu_us(),
            operations: Operations {
                running,
                running_limit: lanes::RUNNING,
                waiting,
                waiting_limit: lanes::WAITING,
            },
            mailbox_wait_us: mailbox_wait
                .map(|wait| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)),
            client: meter.client().await,
        })
    }

    /// The session as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was removed meanwhile.
    #[expect(clippy::unused_async, reason = "the session may live on another node one day")]
    pub async fn describe(&self) -> Result<SessionView> {
        let session = self.store.session(self.id)?.ok_or(Error::NotFound("session"))?;
        Ok(self.vitals.view(session))
    }

    /// Changes the session's settings, connected or not; a change that is empty leaves everything as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was removed meanwhile.
    pub async fn change_settings(&self, change: SettingsChange) -> Result<SessionView> {
        if !change.is_empty() && !self.store.change_settings(self.id, change, now_ms()).await? {
            return Err(Error::NotFound("session"));
        }
        self.describe().await
    }

    /// Starts the session: connects a paired one, begins pairing for one that is unpaired or logged out. Does nothing
    /// when it runs already.
    pub async fn start(&self) -> Result<SessionView> {
        self.ask(LOCAL_TIMEOUT, SessionMessage::Start).await??;
        self.describe().await
    }

    /// Stops the session; answers once its connection is gone. It stays linked, and one that is logged out stays so.
    pub async fn stop(&self) -> Result<SessionView> {
        self.ask(ENDING, SessionMessage::Stop).await??;
        self.describe().await
    }

    /// Ends the connection and begins anew: a paired session connects again, any other begins pairing.
    pub async fn restart(&self) -> Result<SessionView> {
        self.ask(LOCAL_TIMEOUT, SessionMessage::Restart).await??;
        self.describe().await
    }

    /// Unlinks the device at WhatsApp and ends in `logged_out`. A session that is not connected cannot tell WhatsApp:
    /// it is logged out here alone.
    ///
    /// # Errors
    /// WhatsApp's refusal or silence: then nothing has changed.
    pub async fn logout(&self) -> Result<SessionView> {
        self.ask(ENDING, SessionMessage::Logout).await??;
        self.describe().await
    }

    /// Logs out where that can be done at once, and ends the connection in any case.
    pub(crate) async fn retire(&self) -> Result<()> {
        self.ask(ENDING, SessionMessage::Retire).await?
    }

    /// The code to scan now; begins pairing when nothing runs.
    ///
    /// # Errors
    /// [`Error::QrPending`] while WhatsApp has not sent one, [`Error::AlreadyPaired`] when there is nothing to pair.
    pub async fn qr(&self) -> Result<Qr> {
        self.ask(LOCAL_TIMEOUT, SessionMessage::ShowQr).await?
    }

    /// Applies the present fields in order, within one time budget.
    ///
    /// # Errors
    /// [`Error::NotConnected`] before anything was tried; [`Error::Settings`] once something was.
    pub async fn apply_settings(&self, command: ApplySettings) -> Result<()> {
        self.ask(self.operation_timeout + SLACK, |reply| SessionMessage::ApplySettings {
            command,
            reply,
        })
        .await?
    }

    /// The group's invite link, live.
    pub async fn fetch_invite(&self, command: FetchInvite) -> Result<String> {
        self.ask(self.operation_timeout + SLACK, |reply| SessionMessage::FetchInvite {
            command,
            reply,
        })
        .await?
    }

    /// Replaces the group's invite link; gives the new one.
    pub async fn revoke_invite(&self, command: RevokeInvite) -> Result<String> {
        self.ask(self.operation_timeout + SLACK, |reply| SessionMessage::RevokeInvite {
            command,
            reply,
        })
        .await?
    }

    /// A code that is typed on the phone to link it; begins pairing if need be. Asked again for the same phone it is the
    /// same one as long as it holds.
    ///
    /// # Errors
    /// [`Error::AlreadyPaired`]; [`Error::CodeOutstanding`] while another phone's holds; [`Error::NotConnected`] when
    /// pairing ends before there is a code; [`Error::Timeout`] when there is none in time; WhatsApp's refusal.
    pub async fn pairing_code(&self, command: RequestPairingCode) -> Result<String> {
        self.ask(self.operation_timeout + SLACK, |reply| SessionMessage::RequestPairingCode {
            command,
            reply,
        })
        .await?
    }

    /// Waits until the session shows a status.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it does not in time.
    pub async fn reaches(&self, status: Status, patience: Duration) -> Result<()> {
        let mut observed = self.vitals.observed.subscribe();
        let reached = observed.wait_for(|observed| observed.status == status);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Timeout { read_back: None }),
        }
    }

    /// Makes a part of the session panic, for tests of its supervision.
    #[cfg(feature = "sandbox")]
    pub fn crash(&self, part: Crash) -> Result<()> {
        let message = match part {
            Crash::Actor => SessionMessage::Crash,
            Crash::Operation => SessionMessage::CrashOperation,
            Crash::Library => {
                self.vitals.trap.store(true, std::sync::atomic::Ordering::SeqCst);
                return Ok(());
            }
        };
        self.actor()?.cast(message).map_err(|_| unreachable_now())
    }

    fn actor(&self) -> Result<ActorRef<SessionMessage>> {
        let entry = self.registry.get(&self.id).ok_or(Error::NotFound("session"))?;
        entry.actor.clone().ok_or_else(unreachable_now)
    }

    /// The only question to an actor.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks an actor")]
    async fn ask<T: Send + 'static>(
        &self,
        timeout: Duration,
        message: impl FnOnce(RpcReplyPort<T>) -> SessionMessage,
    ) -> Result<T> {
        match self.actor()?.call(message, Some(timeout)).await {
            Ok(CallResult::Success(answer)) => Ok(answer),
            Ok(CallResult::Timeout) => Err(Error::Timeout { read_back: None }),
            Ok(CallResult::SenderError) | Err(_) => Err(unreachable_now()),
        }
    }
}

/// The part of a session that a test makes panic.
#[cfg(feature = "sandbox")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The actor, at its next message.
    Actor,
    /// An operation beside it.
    Operation,
    /// The protocol library's own task, when it next has something to tell.
    Library,
}

pub(crate) fn unreachable_now() -> Error {
    Error::Unavailable { retry_after: Duration::from_secs(1) }
}
