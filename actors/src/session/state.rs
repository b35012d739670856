//! What a session knows of itself, and the only code that changes its status.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::ActorRef;
use tokio::sync::OwnedSemaphorePermit;
use wharf_storage::{GroupJid, Reason, SessionId, Status, StatusChange, Store, Wanted};

use super::{
    SessionArgs, SessionMessage,
    ending::Unlinking,
    operations::{Job, Lane},
};
use crate::{
    clock::now_ms,
    command::Qr,
    config::Config,
    error::{Error, Result},
    event::Events,
    lanes::Lanes,
    registry::{Observed, Vitals},
    whatsapp::{Client, Shared},
};

/// What a caller is told to wait for a code that is under way.
const QR_RETRY: Duration = Duration::from_secs(1);

/// The state of one session's actor.
pub(crate) struct SessionState {
    pub(super) myself: ActorRef<SessionMessage>,
    pub(super) id: SessionId,
    pub(super) store: Store,
    pub(super) config: Arc<Config>,
    pub(super) shared: Arc<Shared>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) events: Events,
    pub(super) wanted: Wanted,
    pub(super) account: Linked,
    /// The client, while the session runs; outlives single connections.
    pub(super) client: Option<Client>,
    /// Counts connections; messages of an older one are stale.
    pub(super) generation: u64,
    /// The generation from which on a late word of a pairing counts.
    pub(super) born: u64,
    /// The place among the connections on their way to a login, until this one is there.
    pub(super) admission: Option<OwnedSemaphorePermit>,
    /// The generation that the client's signals belong to.
    pub(super) current: Arc<AtomicU64>,
    /// Whether a connection of this generation is under way.
    pub(super) running: bool,
    /// When the connection of this generation was begun, epoch milliseconds.
    pub(super) begun_at: i64,
    /// Attempts since the session last worked.
    pub(super) attempts: u32,
    /// When the current connection was told to end, epoch milliseconds.
    pub(super) ending_since: Option<i64>,
    /// When pairing began, epoch milliseconds; absent when nothing is being paired.
    pub(super) pairing_since: Option<i64>,
    /// What follows the current connection.
    pub(super) then: Then,
    /// The state that the end of the current connection leads to, when it is not "try again".
    pub(super) ends_in: Option<(Status, Reason)>,
    pub(super) qr: Option<Qr>,
    pub(super) lanes: Lanes<Lane, Job>,
    /// Groups that changed while the list of all groups is on its way; absent when none is.
    pub(super) syncing: Option<HashSet<GroupJid>>,
    /// Groups that are being read back, and whether they changed meanwhile.
    pub(super) reading: HashMap<GroupJid, bool>,
    /// Groups that somebody else changed while a change of ours was under way.
    pub(super) disturbed: HashSet<GroupJid>,
    /// Set while the device is being unlinked at a caller's word.
    pub(super) unlinking: Option<Unlinking>,
    /// What is stored of an account that is linked no more goes before the next client is made.
    pub(super) forgets: bool,
}

/// Whether a phone has linked the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Linked {
    No,
    /// The device state has it, the session's record not yet.
    Yes,
    /// The account is stored.
    Recorded,
}

/// What follows a connection that is over, unless it ended in a final state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next attempt, after a while.
    Retry,
    /// The first login of a device that a phone has just linked, at once.
    Login,
    /// A new beginning, also after a final state: somebody asked for it while the old run was not over yet.
    Anew,
}

impl SessionState {
    /// Takes up a session where its stored record left it.
    pub(super) async fn resume(
        myself: ActorRef<SessionMessage>,
        args: SessionArgs,
    ) -> Result<Self> {
        let stored = args.store.session(args.id)?.ok_or(Error::NotFound("session"))?;
        let mut state = Self {
            myself,
            id: args.id,
            store: args.store,
            config: args.config,
            shared: args.shared,
            vitals: args.vitals,
            events: Events { session: stored.id, organization: stored.organization.clone() },
            wanted: stored.wanted,
            account: if stored.account.is_some() { Linked::Recorded } else { Linked::No },
            client: None,
            generation: 0,
            born: 0,
            admission: None,
            current: Arc::default(),
            running: false,
            begun_at: 0,
            attempts: 0,
            ending_since: None,
            pairing_since: None,
            then: Then::Retry,
            ends_in: None,
            qr: None,
            lanes: Lanes::default(),
            syncing: None,
            reading: HashMap::new(),
            disturbed: HashSet::new(),
            unlinking: None,
            forgets: false,
        };
        state.set_wanted(stored.wanted);
        let final_state =
            matches!(stored.status, Status::Failed | Status::LoggedOut | Status::Stopped);
        if args.given_up {
            state.transition(Status::Failed, Some(Reason::CrashLoop), Vec::new()).await?;
        } else if stored.wanted == Wanted::Running && stored.status == Status::Stopped {
            // Killed between the wish and its first effect.
            state.begin().await?;
        } else if final_state {
            state.observe(stored.status, stored.status_reason, stored.since);
        } else if stored.wanted == Wanted::Stopped {
            // Killed between the wish and its effect.
            state.transition(Status::Stopped, None, Vec::new()).await?;
        } else {
            state.begin().await?;
        }
        Ok(state)
    }

    /// Whether a phone has linked the session.
    pub(super) fn paired(&self) -> bool {
        self.account != Linked::No
    }

    /// The status that every reader sees at this moment.
    pub(super) fn status(&self) -> Status {
        self.vitals.observed.borrow().status
    }

    /// Moves to a status: stored with its events in one transaction, then shown. Does nothing when it is the same.
    pub(super) async fn transition(
        &mut self,
        status: Status,
        reason: Option<Reason>,
        mut events: Vec<wharf_storage::NewEvent>,
    ) -> Result<()> {
        let at = now_ms();
        let stored = self.store.session(self.id)?.ok_or(Error::NotFound("session"))?;
        if stored.status == status && stored.status_reason == reason {
            if !events.is_empty() {
                self.store.record_events(events).await?;
            }
            self.observe(status, reason, stored.since);
            return Ok(());
        }
        events.insert(0, self.events.status(status, reason, at));
        // A status that stops being true is withdrawn before the write, one that becomes true is shown after it.
        if status != Status::Working {
            self.observe(status, reason, at);
        }
        let change = StatusChange { status, reason, at, connected: status == Status::Working };
        self.store.set_status(self.id, change, events).await?;
        self.observe(status, reason, at);
        tracing::info!(session.id = %self.id, status = status.as_str(), reason = reason.map(Reason::as_str),
            "session `{}` is {}", self.id, status.as_str());
        Ok(())
    }

    fn observe(&self, status: Status, reason: Option<Reason>, since: i64) {
        self.vitals.observed.send_replace(Observed { status, reason, since });
    }

    /// Runs from now on; see [`crate::SessionHandle::start`].
    pub(super) async fn start(&mut self) -> Result<()> {
        let under_way = self.wanted == Wanted::Running
            && matches!(self.status(), Status::Starting | Status::ScanQrCode | Status::Working);
        if under_way {
            return Ok(());
        }
        self.want(Wanted::Running).await?;
        self.attempts = 0;
        if self.running {
            // The old run is over before a new one begins; its end begins anew.
            self.then = Then::Anew;
            return Ok(());
        }
        self.begin_anew().await
    }

    /// Begins after a final state, with nothing of a client that is over.
    pub(super) async fn begin_anew(&mut self) -> Result<()> {
        self.then = Then::Retry;
        self.client = None;
        if self.status() == Status::LoggedOut {
            self.forgets = true;
            self.account = Linked::No;
            // At once where nothing of the old client writes any more, else before the next one is made.
            let gate = Arc::clone(&self.vitals.gate);
            if let Ok(_over) = gate.try_lock() {
                self.forget().await?;
            }
        }
        self.begin().await
    }

    /// Erases an account that is linked no more, once its client is over.
    pub(super) async fn forget(&mut self) -> Result<()> {
        if self.forgets {
            self.store.forget_account(self.id, now_ms(), Vec::new()).await?;
            self.forgets = false;
        }
        Ok(())
    }

    pub(super) fn set_wanted(&mut self, wanted: Wanted) {
        self.wanted = wanted;
        self.vitals.wanted.store(wanted == Wanted::Running, Ordering::Relaxed);
    }

    /// Enters `starting` and asks for a connection.
    async fn begin(&mut self) -> Result<()> {
        self.qr = None;
        self.ends_in = None;
        self.pairing_since = (!self.paired()).then(now_ms);
        self.transition(Status::Starting, None, Vec::new()).await?;
        self.generation += 1;
        self.tell(SessionMessage::Connect { generation: self.generation });
        Ok(())
    }

    /// The code to scan; see [`crate::SessionHandle::qr`].
    pub(super) async fn show_qr(&mut self) -> Result<Qr> {
        if self.paired() && self.status() != Status::LoggedOut {
            return Err(Error::AlreadyPaired);
        }
        if let Some(qr) = self.qr.as_ref().filter(|qr| qr.expires_at > now_ms()) {
            return Ok(qr.clone());
        }
        self.start().await?;
        Err(Error::QrPending { retry_after: QR_RETRY })
    }

    /// Sends a message to this actor. A dead actor needs none.
    pub(super) fn tell(&self, message: SessionMessage) {
        drop(self.myself.cast(message));
    }

    /// Says good-bye to WhatsApp and leaves the stored status as it is: the process ends, the session does not.
    pub(super) async fn close(&mut self) {
        self.generation += 1;
        if let Some(client) = self.client.take() {
            client.close().await;
        }
    }
}
