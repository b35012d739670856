//! From one connection to the next.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::ActorRef;
use tokio::sync::OwnedSemaphorePermit;
use wharf_storage::{GroupSnapshot, Reason, Status, Wanted};

use super::{SessionMessage, SessionState, operations::Lane, state::Then};
use crate::{
    clock::now_ms,
    error::{Error, Result},
    supervisor::backoff,
    whatsapp::{Client, Failure, Making, Signal, SignalSink},
};

/// How often a connection is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked whether the run of an older client is over.
const GATE_RETRY: Duration = Duration::from_millis(50);
/// How long a connection that was told to end may take before it is cut.
const END_GRACE: Duration = Duration::from_secs(10);
/// How long a connection keeps its place among those on their way.
const ADMISSION: Duration = Duration::from_secs(10);
/// How long the first question of a connection may take.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a session whose first sync was refused waits before it asks again.
const RESYNC_DELAY: Duration = Duration::from_mins(1);

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
    /// Begins the connection of this generation, as soon as there is a place for it.
    pub(super) async fn connect(&mut self, generation: u64) -> Result<()> {
        if generation != self.generation || self.running || self.wanted != Wanted::Running {
            return Ok(());
        }
        if self.client.is_none() {
            // A run of an older client may still write what the new one would load: it is over first. And every
            // client of this process presents the version that was looked up once.
            let (Ok(alive), Some(version)) =
                (Arc::clone(&self.vitals.gate).try_lock_owned(), self.shared.version())
            else {
                self.myself.send_after(GATE_RETRY, move || SessionMessage::Connect { generation });
                return Ok(());
            };
            self.forget().await?;
            // A client of its own, a count of its own: what an older one still says stays stale.
            self.current = Arc::new(AtomicU64::new(generation));
            self.born = generation;
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
                inbound: Arc::clone(&self.vitals.inbound),
                alive,
                sink: Arc::new(sink),
            })
            .await?;
            self.client = Some(client);
        }
        let actor = self.myself.clone();
        let admissions = Arc::clone(&self.shared.admissions);
        tokio::spawn(async move {
            // Never closed.
            if let Ok(place) = admissions.acquire_owned().await {
                drop(actor.cast(SessionMessage::Admitted { generation, place }));
            }
        });
        Ok(())
    }

    /// There is a place among the connections on their way.
    pub(super) fn admitted(&mut self, generation: u64, place: OwnedSemaphorePermit) {
        let Some(client) = &mut self.client else { return };
        if generation != self.generation || self.running || self.wanted != Wanted::Running {
            return;
        }
        self.admission = Some(place);
        self.current.store(generation, Ordering::Release);
        self.running = true;
        self.begun_at = now_ms();
        self.then = Then::Retry;
        let actor = self.myself.clone();
        client.run(move |panicked| {
            drop(actor.cast(SessionMessage::RunEnded { generation, panicked }));
        });
        self.myself.send_after(CHECK_EVERY, move || SessionMessage::Check { generation });
    }

    /// The connection told something.
    pub(super) async fn signalled(&mut self, generation: u64, signal: Signal) -> Result<()> {
        // The library may tell of a pairing only after the connection that carried it is over.
        let late_pairing = generation >= self.born && matches!(signal, Signal::Paired(_));
        if generation != self.generation && !late_pairing {
            return Ok(());
        }
        let late =
            matches!(signal, Signal::QrCode { .. } | Signal::QrExhausted | Signal::Connected);
        if self.ends_in.is_some() && late {
            return Ok(());
        }
        match signal {
            Signal::QrCode { code, valid } => self.qr_shown(code, valid).await?,
            Signal::QrExhausted => self.ends_in = Some((Status::Failed, Reason::QrExpired)),
            Signal::Paired(account) => self.linked(account).await?,
            Signal::Connected => self.sync(generation),
            Signal::LoggedOut => {
                let reason = match self.unlinking {
                    Some(_) => Reason::LoggedOutByUser,
                    None => Reason::LoggedOutByPhone,
                };
                self.finish(Status::LoggedOut, reason).await?;
            }
            Signal::Replaced => self.finish(Status::Failed, Reason::Replaced).await?,
            Signal::Banned => self.finish(Status::Failed, Reason::Banned).await?,
            Signal::Outdated => self.finish(Status::Failed, Reason::ClientOutdated).await?,
            Signal::Refused => self.finish(Status::Failed, Reason::Internal).await?,
            Signal::Group(news) => self.group_changed(*news).await?,
            Signal::Panicked => {
                return Err(Error::Internal("a task of the protocol library panicked".to_owned()));
            }
        }
        Ok(())
    }

    /// Logged in by the library's word; one answered question proves it, and the groups are the answer we need.
    fn sync(&mut self, generation: u64) {
        let Some(client) = &self.client else { return };
        self.syncing = Some(self.lanes.busy().filter_map(Lane::group).cloned().collect());
        let link = client.link();
        let actor = self.myself.clone();
        tokio::spawn(async move {
            let outcome = tokio::time::timeout(SYNC_TIMEOUT, link.groups()).await;
            let outcome = outcome.unwrap_or(Err(Failure::Timeout));
            drop(actor.cast(SessionMessage::Synced { generation, outcome }));
        });
    }

    /// The first question of a connection was answered, or not.
    pub(super) async fn synced(
        &mut self,
        generation: u64,
        outcome: Result<Vec<GroupSnapshot>, Failure>,
    ) -> Result<()> {
        if generation != self.generation || !self.running || self.ending_since.is_some() {
            return Ok(());
        }
        let touched = self.syncing.take().unwrap_or_default();
        match outcome {
            Ok(groups) => self.store_groups(groups).await?,
            Err(Failure::Refused(refusal)) => {
                tracing::warn!(session.id = %self.id, "session `{}` could not read its groups: {refusal}", self.id);
                self.store.mark_groups_stale(self.id, now_ms()).await?;
                self.resync_later(generation);
            }
            Err(Failure::Timeout | Failure::Broken(_)) if self.status() != Status::Working => {
                self.drop_connection();
                return Ok(());
            }
            Err(Failure::Timeout | Failure::Broken(_)) => {
                self.resync_later(generation);
                return Ok(());
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
        self.admission = None;
        self.attempts = 0;
        self.transition(Status::Working, None, Vec::new()).await?;
        for group in touched {
            self.read_group(group);
        }
        Ok(())
    }

    /// The account's own addresses, phone number first; none before a phone has linked this device.
    pub(super) fn own_addresses(&self) -> Vec<String> {
        self.client.as_ref().map(|client| client.link().own_addresses()).unwrap_or_default()
    }

    fn resync_later(&self, generation: u64) {
        let again = move || SessionMessage::Signal { generation, signal: Signal::Connected };
        self.myself.send_after(RESYNC_DELAY, again);
    }

    /// The session comes to a state that only a caller ends.
    async fn finish(&mut self, status: Status, reason: Reason) -> Result<()> {
        self.ends_in = Some((status, reason));
        self.ending_since.get_or_insert_with(now_ms);
        self.transition(status, Some(reason), Vec::new()).await
    }

    /// The connection is over: on to the next, or to the state that it ended in.
    pub(super) async fn run_ended(&mut self, generation: u64, panicked: bool) -> Result<()> {
        if generation != self.generation {
            return Ok(());
        }
        self.running = false;
        self.admission = None;
        self.ending_since = None;
        self.syncing = None;
        self.reading.clear();
        self.disturbed.clear();
        if panicked {
            return Err(Error::Internal("the protocol library panicked".to_owned()));
        }
        if let Some((status, reason)) = self.ends_in.take() {
            // The library is done with this client; the next start builds a new one.
            self.client = None;
            self.qr = None;
            self.transition(status, Some(reason), Vec::new()).await?;
            return if self.then == Then::Anew { self.begin_anew().await } else { Ok(()) };
        }
        if self.wanted != Wanted::Running {
            return Ok(());
        }
        if let Some(reason) = self.pairing_is_hopeless() {
            self.client = None;
            return self.transition(Status::Failed, Some(reason), Vec::new()).await;
        }
        self.qr = None;
        if !self.paired() && self.own_addresses().is_empty() {
            // The library's rotation of codes outlives its connection and would end the next one: a new client.
            self.client = None;
        } else if !self.paired() {
            self.expect_login().await?;
        }
        self.transition(Status::Starting, None, Vec::new()).await?;
        self.generation += 1;
        let generation = self.generation;
        if self.then == Then::Login {
            self.tell(SessionMessage::Connect { generation });
        } else {
            let delay = backoff(self.attempts, self.config.backoff_base, self.config.backoff_max);
            self.attempts = self.attempts.saturating_add(1);
            self.shared.counts.reconnects();
            tracing::debug!(session.id = %self.id, ?delay, failure = ?self.vitals.pulse.dial_failure(),
                "session `{}` connects again", self.id);
            self.myself.send_after(delay, move || SessionMessage::Connect { generation });
        }
        Ok(())
    }

    /// Ends a connection that is silent, or that does not come to a login.
    pub(super) async fn check(&mut self, generation: u64) -> Result<()> {
        if generation != self.generation || !self.running {
            return Ok(());
        }
        let now = now_ms();
        let longer = |since: i64, limit: Duration| {
            now.saturating_sub(since) > i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)
        };
        if self.ending_since.is_some_and(|since| longer(since, END_GRACE)) {
            tracing::warn!(session.id = %self.id, "a connection of session `{}` did not end and is cut", self.id);
            if let Some(client) = &self.client {
                client.cut();
            }
        }
        if longer(self.begun_at, ADMISSION) {
            // Nobody waits behind one that hangs.
            self.admission = None;
        }
        let heard = self.vitals.pulse.last_frame().unwrap_or(0).max(self.begun_at);
        match self.status() {
            Status::Working if longer(heard, self.config.silence_timeout) => {
                tracing::warn!(session.id = %self.id, "session `{}` fell silent and is connected anew", self.id);
                self.transition(Status::Starting, None, Vec::new()).await?;
                self.drop_connection();
            }
            Status::Starting if longer(self.begun_at, self.config.connect_timeout) => {
                self.drop_connection();
            }
            _ => {}
        }
        self.myself.send_after(CHECK_EVERY, move || SessionMessage::Check { generation });
        Ok(())
    }

    fn drop_connection(&mut self) {
        self.ending_since.get_or_insert_with(now_ms);
        if let Some(client) = &self.client {
            let link = client.link();
            tokio::spawn(async move { link.drop_connection().await });
        }
    }
}
