//! Who owns a session, and what it is doing: written by the supervisor and the session's own actor, read by everyone.

use std::sync::{Arc, atomic::AtomicBool};

use dashmap::DashMap;
use ractor::ActorRef;
use tokio::sync::{Mutex, watch};
use wharf_storage::{Reason, Session, SessionId, Status};

use crate::{
    clock::steady_ms,
    command::SessionView,
    session::{LONGEST_SILENCE, SessionMessage},
    whatsapp::{Inbound, Meter, Pulse},
};

/// Where each session is. Only the supervisor inserts, replaces and removes.
pub(crate) type Registry = Arc<DashMap<SessionId, Entry>>;

/// One session of this process.
#[derive(Clone)]
pub(crate) struct Entry {
    /// The organization that owns it.
    pub(crate) organization: Arc<str>,
    /// Its actor; absent while it is being brought back.
    pub(crate) actor: Option<ActorRef<SessionMessage>>,
    /// What outlives a crash of the actor.
    pub(crate) vitals: Arc<Vitals>,
}

/// The parts of a session that outlive a crash of its actor.
pub(crate) struct Vitals {
    /// The status as it was last decided, see [`Self::seen`]; sent by the actor, and by the supervisor while there is none.
    pub(crate) observed: watch::Sender<Observed>,
    /// The socket's signs of life.
    pub(crate) pulse: Arc<Pulse>,
    /// What the session costs.
    pub(crate) meter: Arc<Meter>,
    /// Messages received.
    pub(crate) inbound: Arc<Inbound>,
    /// Held by the session's client until its last run is over: the proof that there is never a second one.
    pub(crate) gate: Arc<Mutex<()>>,
    /// When the session was last connected as an earlier process knew it, epoch milliseconds; 0 for never.
    pub(crate) last_connected: i64,
    /// Whether the owner wants the session to run.
    pub(crate) wanted: AtomicBool,
    /// Makes the library's next word to the session a panic, for tests.
    #[cfg(feature = "sandbox")]
    pub(crate) trap: AtomicBool,
}

/// A status with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) status: Status,
    pub(crate) reason: Option<Reason>,
    /// Since when, epoch milliseconds.
    pub(crate) since: i64,
}

impl Observed {
    /// The same as readers may see it at `now`, when something was last heard at `heard`, both by the steady clock: a
    /// session whose process was stopped meanwhile may not have come to withdraw what it said before.
    fn seen(self, heard: Option<i64>, now: i64) -> Self {
        let silent = heard.is_none_or(|heard| now.saturating_sub(heard) > LONGEST_SILENCE);
        match self.status {
            Status::Working if silent => Self { status: Status::Starting, ..self },
            _ => self,
        }
    }
}

impl Vitals {
    /// What the session is doing, as every reader sees it.
    pub(crate) fn seen(&self) -> Observed {
        self.observed.borrow().seen(self.pulse.heard_at(), steady_ms())
    }

    /// A stored session with what its owner knows of it at this moment.
    pub(crate) fn view(&self, mut session: Session) -> SessionView {
        let observed = self.seen();
        session.status = observed.status;
        session.status_reason = observed.reason;
        session.since = observed.since;
        SessionView {
            session,
            last_inbound_at: self.pulse.last_frame(),
            last_ping_ok_at: self.pulse.last_answer(),
        }
    }

    pub(crate) fn new(observed: Observed, last_connected: i64) -> Self {
        Self {
            observed: watch::Sender::new(observed),
            pulse: Arc::default(),
            meter: Arc::default(),
            inbound: Arc::default(),
            gate: Arc::default(),
            last_connected,
            wanted: AtomicBool::new(false),
            #[cfg(feature = "sandbox")]
            trap: AtomicBool::new(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_nothing_was_heard_of_for_too_long_is_not_seen_to_work() {
        let works = Observed { status: Status::Working, reason: None, since: 7 };
        assert_eq!(works.seen(Some(10_000), 100_000), works);
        let silent = Observed { status: Status::Starting, ..works };
        assert_eq!(works.seen(Some(10_000), 100_001), silent);
        assert_eq!(works.seen(None, 100_000), silent);
        let rests = Observed { status: Status::Stopped, reason: None, since: 7 };
        assert_eq!(rests.seen(None, 100_000), rests);
    }
}
