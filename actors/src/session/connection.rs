//! From one connection to the next.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::ActorRef;
use tokio::sync::OwnedMutexGuard;
use wharf_storage::{GroupSnapshot, Status};

use super::{
    SessionMessage, SessionState,
    machine::{Input, Verdict, Word},
    operations::Lane,
};
use crate::{
    admissions::Place,
    clock::now_ms,
    error::{Error, Result},
    schedule::Claim,
    whatsapp::{Client, Failure, Making, Signal, SignalSink, Version},
};

/// How often it is looked whether the run of an older client is over.
const GATE_RETRY: Duration = Duration::from_millis(50);
/// How long the first question of a connection may take.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// The way of a client's word into the actor.
struct Mailbox {
    actor: ActorRef<SessionMessage>,
    generation: Arc<AtomicU64>,
    #[cfg(feature = "sandbox")]
    vitals: Arc<crate::registry::Vitals>,
}

impl SignalSink for Mailbox {
    fn signal(&self, signal: Signal) {
        #[cfg(feature = "sandbox")]
        assert!(!self.vitals.trap.swap(false, Ordering::SeqCst), "a test asked for this panic");
        let generation = self.generation.load(Ordering::Acquire);
        drop(self.actor.cast(SessionMessage::Signal { generation, signal }));
    }
}

impl SessionState {
    /// Puts the session in line for the connection of this generation.
    pub(super) fn connect(&mut self, generation: u64) {
        if !self.machine.awaits(generation) {
            return;
        }
        // A run of an older client may still write what the new one would load: it is over first.
        if self.client.is_none() && self.vitals.gate.try_lock().is_err() {
            self.connect_soon(generation);
            return;
        }
        let claim = Claim {
            organization: Arc::clone(&self.organization),
            turn: self.machine.turn(),
            failures: self.machine.failures(),
            heard_at: self.vitals.pulse.last_frame().unwrap_or(self.vitals.last_connected),
        };
        let actor = self.myself.clone();
        self.application = Some(self.shared.admissions.apply(claim, generation, actor));
    }

    fn connect_soon(&self, generation: u64) {
        self.myself.send_after(GATE_RETRY, move || SessionMessage::Connect { generation });
    }

    /// There is a place among the connections on their way. Only now is anything loaded for it.
    pub(super) async fn admitted(&mut self, generation: u64, place: Place) -> Result<()> {
        if !self.machine.awaits(generation) {
            return Ok(());
        }
        self.application = None;
        if self.client.is_none() {
            // Every client of this process presents the version that was looked up once, before the first had a place.
            let (Ok(alive), Some(version)) =
                (Arc::clone(&self.vitals.gate).try_lock_owned(), self.shared.version())
            else {
                self.connect_soon(generation);
                return Ok(());
            };
            self.build(generation, alive, version).await?;
        }
        self.admission = Some(place);
        self.feed(Input::Admitted { generation }).await
    }

    async fn build(
        &mut self,
        generation: u64,
        alive: OwnedMutexGuard<()>,
        version: Version,
    ) -> Result<()> {
        self.forget().await?;
        // A client of its own, a count of its own: what an older one still says stays stale.
        self.current = Arc::new(AtomicU64::new(generation));
        let sink = Mailbox {
            actor: self.myself.clone(),
            generation: Arc::clone(&self.current),
            #[cfg(feature = "sandbox")]
            vitals: Arc::clone(&self.vitals),
        };
        let client = Client::build(Making {
            shared: &self.shared,
            store: &self.store,
            session: self.id,
            version,
            pulse: Arc::clone(&self.vitals.pulse),
            meter: Arc::clone(&self.vitals.meter),
            inbound: Arc::clone(&self.vitals.inbound),
            alive,
            sink: Arc::new(sink),
        })
        .await?;
        self.client = Some(client);
        Ok(())
    }

    /// Makes the connection.
    pub(super) fn run(&mut self, generation: u64) {
        let Some(client) = &mut self.client else { return };
        self.current.store(generation, Ordering::Release);
        let actor = self.myself.clone();
        client.run(move |panicked| {
            drop(actor.cast(SessionMessage::RunEnded { generation, panicked }));
        });
    }

    /// The connection told something.
    pub(super) async fn signalled(&mut self, generation: u64, signal: Signal) -> Result<()> {
        let verdict = match signal {
            Signal::Paired(account) => return self.linked(generation, account).await,
            Signal::LoggedOut if self.unlinking.is_some() => Verdict::LoggedOutByUser,
            Signal::LoggedOut => Verdict::LoggedOutByPhone,
            Signal::Replaced => Verdict::Replaced,
            Signal::Banned => Verdict::Banned,
            Signal::Outdated => Verdict::Outdated,
            Signal::Refused { why } => {
                tracing::error!(session.id = %self.id, "whatsapp refused the login of session `{}`: {why}", self.id);
                Verdict::Odd
            }
            // What follows is of no use once the connection is over.
            _ if !self.machine.runs(generation) => return Ok(()),
            Signal::QrCode { code, valid } => return self.qr_shown(generation, code, valid).await,
            Signal::QrExhausted { closes } => {
                return self.heard(generation, Word::CodesOver { closes }).await;
            }
            Signal::PairingCodeVoid => {
                self.forget_pairing_code();
                return Ok(());
            }
            Signal::Connected => {
                self.sync(generation);
                return Ok(());
            }
            Signal::Group(news) => return self.group_changed(*news).await,
            Signal::Panicked => {
                return Err(Error::Internal("a task of the protocol library panicked".to_owned()));
            }
        };
        self.heard(generation, Word::Refused(verdict)).await
    }

    /// Tells the machine what the connection said.
    pub(super) async fn heard(&mut self, generation: u64, word: Word) -> Result<()> {
        self.feed(Input::Heard { generation, word }).await
    }

    /// WhatsApp answered a probe.
    pub(super) async fn answered(&mut self, generation: u64) -> Result<()> {
        if self.machine.runs(generation) {
            self.vitals.pulse.answered();
        }
        self.heard(generation, Word::Answered).await
    }

    /// Logged in by the library's word; one answered question proves it, and the groups are the answer we need.
    fn sync(&mut self, generation: u64) {
        if !self.machine.relies_on(generation) {
            return;
        }
        let Some(client) = &self.client else { return };
        self.syncing = Some(self.lanes.taken().filter_map(Lane::group).cloned().collect());
        let link = client.link();
        let actor = self.myself.clone();
        tokio::spawn(self.vitals.meter.timed(async move {
            let outcome = tokio::time::timeout(SYNC_TIMEOUT, link.groups()).await;
            let outcome = outcome.unwrap_or(Err(Failure::Timeout));
            drop(actor.cast(SessionMessage::Synced { generation, outcome }));
        }));
    }

    /// The first question of a connection was answered, or not.
    pub(super) async fn synced(
        &mut self,
        generation: u64,
        outcome: Result<Vec<GroupSnapshot>, Failure>,
    ) -> Result<()> {
        if !self.machine.relies_on(generation) {
            return Ok(());
        }
        let touched = self.syncing.take().unwrap_or_default();
        match outcome {
            Ok(groups) => self.store_groups(groups, touched.clone()).await?,
            Err(Failure::Refused(refusal)) => {
                tracing::warn!(session.id = %self.id, "session `{}` could not read its groups: {refusal}", self.id);
                self.store.mark_groups_stale(self.id, now_ms()).await?;
                self.resync_later(generation);
            }
            Err(Failure::Timeout | Failure::Broken(_)) => {
                if self.machine.status() == Status::Working {
                    self.resync_later(generation);
                }
                return self.heard(generation, Word::Unproven).await;
            }
            // The end of the run follows by itself.
            Err(Failure::Disconnected) => return Ok(()),
        }
        self.take_account().await?;
        // The library saves the device state only when it says good-bye, and a killed process never does.
        if let Some(client) = &self.client {
            client.flush().await?;
        }
        self.vitals.pulse.answered();
        self.heard(generation, Word::Proven).await?;
        // What the list says of these may be older than what is stored, or newer.
        for group in touched {
            self.read_group(group);
        }
        Ok(())
    }

    /// Asks for the list again, as late as a connection that failed often would be tried again.
    fn resync_later(&self, generation: u64) {
        let again = move || SessionMessage::Signal { generation, signal: Signal::Connected };
        self.myself.send_after(self.config.backoff_max, again);
    }

    /// The connection is over.
    pub(super) async fn run_ended(&mut self, generation: u64, panicked: bool) -> Result<()> {
        if !self.machine.runs(generation) {
            return Ok(());
        }
        if panicked {
            return Err(Error::Internal("the protocol library panicked".to_owned()));
        }
        let linked = self.machine.paired() || !self.own_addresses().is_empty();
        if linked && !self.machine.paired() {
            self.save_device().await?;
        }
        let failure = self.vitals.pulse.dial_failure();
        self.feed(Input::Ended { generation, failure, linked }).await
    }

    /// Tells the connection to end, beside the actor: the peer may not answer.
    pub(super) fn drop_connection(&self) {
        if let Some(client) = &self.client {
            tracing::warn!(session.id = %self.id, "a connection of session `{}` is given up", self.id);
            let link = client.link();
            tokio::spawn(self.vitals.meter.timed(async move { link.drop_connection().await }));
        }
    }

    /// Cuts the connection, which was told to end.
    pub(super) fn cut(&self) {
        tracing::warn!(session.id = %self.id, "a connection of session `{}` did not end and is cut", self.id);
        if let Some(client) = &self.client {
            client.cut();
        }
    }
}
