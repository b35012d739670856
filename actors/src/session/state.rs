//! What a session's actor holds, and the only code that changes its status.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ractor::ActorRef;
use wharf_storage::{GroupJid, NewEvent, Reason, SessionId, Status, StatusChange, Store, Wanted};

use super::{
    SessionArgs, SessionMessage,
    alarm::Alarm,
    codes::PairingCode,
    ending::{Unlinking, Waiting},
    machine::{Effect, Input, Limits, Machine, Stored},
    operations::{Job, Lane},
    pairing::ShownQr,
};
use crate::{
    admissions::{Application, Place},
    clock::{now_ms, steady_ms},
    config::Config,
    error::{Error, Result},
    event::Events,
    lanes::Lanes,
    registry::{Observed, Vitals},
    supervisor::backoff,
    whatsapp::{Client, Shared},
};

/// The state of one session's actor.
pub(crate) struct SessionState {
    pub(super) myself: ActorRef<SessionMessage>,
    pub(super) id: SessionId,
    pub(super) organization: Arc<str>,
    pub(super) store: Store,
    pub(super) config: Arc<Config>,
    pub(super) shared: Arc<Shared>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) events: Events,
    /// What decides what is next.
    pub(super) machine: Machine,
    /// Rings when the machine wants to be told the time.
    pub(super) alarm: Alarm,
    /// Whether the account is in the session's record.
    pub(super) recorded: bool,
    /// The client, while the session runs; outlives single connections.
    pub(super) client: Option<Client>,
    /// The place among the connections on their way to a login, until this one is there.
    pub(super) admission: Option<Place>,
    /// Waits for that place.
    pub(super) application: Option<Application>,
    /// The generation that the client's signals belong to.
    pub(super) current: Arc<AtomicU64>,
    pub(super) qr: Option<ShownQr>,
    /// A code to type that was asked for.
    pub(super) pairing_code: Option<PairingCode>,
    pub(super) code_requests: u64,
    pub(super) lanes: Lanes<Lane, Job>,
    /// Groups that changed, or may have, while the list of all groups is on its way; absent when none is.
    pub(super) syncing: Option<HashSet<GroupJid>>,
    /// Groups that are being read back, and whether they changed since they were asked for.
    pub(super) reading: HashMap<GroupJid, bool>,
    /// Groups that are read after a while.
    pub(super) postponed: HashSet<GroupJid>,
    /// Groups that somebody else changed while a change of ours was under way.
    pub(super) disturbed: HashSet<GroupJid>,
    /// Set while the device is being unlinked at a caller's word.
    pub(super) unlinking: Option<Unlinking>,
    /// Callers that are answered once the client is closed.
    pub(super) waiting: Vec<Waiting>,
    /// What is stored of an account that is linked no more goes before the next client is made.
    pub(super) forgets: bool,
}

impl SessionState {
    /// Takes up a session where its stored record left it.
    pub(super) async fn resume(
        myself: ActorRef<SessionMessage>,
        args: SessionArgs,
    ) -> Result<Self> {
        let stored = args.store.session(args.id)?.ok_or(Error::NotFound("session"))?;
        let recorded = stored.account.is_some();
        let (machine, effects) = Machine::resume(
            Stored {
                wanted: stored.wanted,
                status: stored.status,
                reason: stored.status_reason,
                paired: recorded,
            },
            Limits::of(&args.config),
            args.given_up,
            steady_ms(),
        );
        let mut state = Self {
            myself,
            id: args.id,
            organization: args.organization,
            store: args.store,
            config: args.config,
            shared: args.shared,
            vitals: args.vitals,
            events: Events { session: stored.id, organization: stored.organization.clone() },
            machine,
            alarm: Alarm::default(),
            recorded,
            client: None,
            admission: None,
            application: None,
            current: Arc::default(),
            qr: None,
            pairing_code: None,
            code_requests: 0,
            lanes: Lanes::default(),
            syncing: None,
            reading: HashMap::new(),
            postponed: HashSet::new(),
            disturbed: HashSet::new(),
            unlinking: None,
            waiting: Vec::new(),
            forgets: false,
        };
        state.vitals.wanted.store(stored.wanted == Wanted::Running, Ordering::Relaxed);
        state.vitals.meter.note_operations(0, 0);
        state.carry_out(effects, Vec::new()).await?;
        Ok(state)
    }

    /// The status that every reader sees at this moment.
    pub(super) fn status(&self) -> Status {
        self.vitals.observed.borrow().status
    }

    /// Tells the machine something and does what it answers.
    pub(super) async fn feed(&mut self, input: Input) -> Result<()> {
        let effects = self.machine.take(input, steady_ms());
        self.carry_out(effects, Vec::new()).await
    }

    /// Carries out what the machine decided. `events` are told with the status.
    pub(super) async fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        mut events: Vec<NewEvent>,
    ) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Want(wanted) => self.want(wanted).await?,
                Effect::Show { status, reason } => {
                    self.show(status, reason, std::mem::take(&mut events)).await?;
                }
                Effect::Connect { generation, attempt } => self.connect_later(generation, attempt),
                Effect::Run { generation } => self.run(generation),
                Effect::FreePlace => self.admission = None,
                Effect::Probe { generation } => self.probe(generation),
                Effect::Hang => self.drop_connection(),
                Effect::Cut => self.cut(),
                Effect::Clear => self.clear(),
                Effect::Discard => self.client = None,
                Effect::Close => self.say_goodbye(),
                Effect::Forget => self.forget_soon().await?,
            }
        }
        self.set_alarm();
        Ok(())
    }

    /// Notes what the owner wants, apart from what is.
    async fn want(&mut self, wanted: Wanted) -> Result<()> {
        let running = wanted == Wanted::Running;
        if self.vitals.wanted.load(Ordering::Relaxed) != running {
            self.store.set_wanted(self.id, wanted, now_ms()).await?;
            self.vitals.wanted.store(running, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Stores a status with its events in one transaction, then shows it. When it is the same already, only the events.
    async fn show(
        &mut self,
        status: Status,
        reason: Option<Reason>,
        mut events: Vec<NewEvent>,
    ) -> Result<()> {
        let at = now_ms();
        let stored = self.store.session(self.id)?.ok_or(Error::NotFound("session"))?;
        // Another reason of the same status is as old as the status.
        let since = if stored.status == status { stored.since } else { at };
        if stored.status == status && stored.status_reason == reason {
            if !events.is_empty() {
                self.store.record_events(events).await?;
            }
            self.observe(status, reason, since);
        } else {
            events.insert(0, self.events.status(status, reason, at));
            // A status that stops being true is withdrawn before the write, one that becomes true is shown after it.
            if status != Status::Working {
                self.observe(status, reason, since);
            }
            let change = StatusChange { status, reason, at, connected: status == Status::Working };
            self.store.set_status(self.id, change, events).await?;
            self.observe(status, reason, since);
            tracing::info!(session.id = %self.id, status = status.as_str(), reason = reason.map(Reason::as_str),
                "session `{}` is {}", self.id, status.as_str());
            if !matches!(status, Status::Starting | Status::ScanQrCode) {
                self.refuse_pairing_code();
            }
        }
        Ok(())
    }

    fn observe(&self, status: Status, reason: Option<Reason>, since: i64) {
        self.vitals.observed.send_replace(Observed { status, reason, since });
    }

    fn connect_later(&mut self, generation: u64, attempt: Option<u32>) {
        self.qr = None;
        let Some(attempt) = attempt else {
            self.connect(generation);
            return;
        };
        self.shared.counts.reconnects();
        self.vitals.meter.reconnects();
        let delay = backoff(attempt, self.config.backoff_base, self.config.backoff_max);
        tracing::debug!(session.id = %self.id, ?delay, failure = ?self.vitals.pulse.dial_failure(),
            "session `{}` connects again", self.id);
        self.myself.send_after(delay, move || SessionMessage::Connect { generation });
    }

    /// What belongs to a connection that is over.
    fn clear(&mut self) {
        self.admission = None;
        self.application = None;
        self.qr = None;
        self.syncing = None;
        self.reading.clear();
        self.disturbed.clear();
        self.refuse_waiting();
        self.interrupt_pairing_code();
    }

    /// Erases the account: at once where nothing of the old client writes any more, else before the next one is made.
    async fn forget_soon(&mut self) -> Result<()> {
        self.forgets = true;
        self.recorded = false;
        let gate = Arc::clone(&self.vitals.gate);
        if let Ok(_over) = gate.try_lock() {
            self.forget().await?;
        }
        Ok(())
    }

    /// Erases an account that is linked no more, once its client is over.
    pub(super) async fn forget(&mut self) -> Result<()> {
        if self.forgets {
            self.store.forget_account(self.id, now_ms(), Vec::new()).await?;
            self.forgets = false;
        }
        Ok(())
    }

    /// Says good-bye to WhatsApp and leaves the stored status as it is: the process ends, the session does not.
    pub(super) async fn close(&mut self) {
        if let Some(client) = self.client.take() {
            client.close().await;
        }
    }
}
