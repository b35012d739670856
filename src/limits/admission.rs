//! Whether the gateway takes on one more session. Those that run already, or shall, are never asked about: they come back
//! after a drop and after a start of the process, whatever the limits say.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use wharf_actors::{SessionHandle, Sessions};
use wharf_storage::Status;

use super::{Connections, descriptors, memory};
use crate::{config, error::ApiError, metrics};

/// How long a measurement holds: with many descriptors it is not for nothing.
const HOLDS: Duration = Duration::from_secs(1);

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limited {
    /// Sessions that are stored.
    Sessions,
    /// Bytes that the process occupies.
    Memory,
    /// Descriptors that are open, and one for each session that is yet to connect.
    Descriptors,
}

impl Limited {
    pub(crate) const ALL: [Self; 3] = [Self::Sessions, Self::Memory, Self::Descriptors];

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
        }
    }

    /// What a refused caller is told, for programs.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Sessions => "max_sessions",
            Self::Memory => "max_memory",
            Self::Descriptors => "max_descriptors",
        }
    }

    /// What it is counted in.
    fn unit(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Memory => "bytes of memory",
            Self::Descriptors => "descriptors",
        }
    }
}

/// How much of something is used and may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Absent where the system does not tell.
    pub(crate) used: Option<u64>,
    /// Absent where nothing limits it.
    pub(crate) allowed: Option<u64>,
}

impl Usage {
    /// Whether `more` of it would be too much.
    fn forbids(self, more: u64) -> bool {
        let beyond = |used: u64, allowed| used.saturating_add(more) > allowed;
        matches!((self.used, self.allowed), (Some(used), Some(allowed)) if beyond(used, allowed))
    }
}

/// The limits on what adds load, and what was refused for them. Without limits nothing is.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    sessions: Option<u64>,
    memory: Option<u64>,
    descriptors: Option<u64>,
    measured: Mutex<Option<Measured>>,
    /// Descriptors of sessions that were let through and do not show yet that they start.
    arriving: AtomicU64,
    refused: [AtomicU64; Limited::ALL.len()],
}

/// What was found the last time.
#[derive(Debug, Clone, Copy)]
struct Measured {
    at: Instant,
    memory: Option<u64>,
    /// With those of sessions that were let through since.
    descriptors: Option<u64>,
}

impl Admission {
    /// As it is configured, or as the system has it. The limit on descriptors is the one that holds by now.
    pub(crate) fn new(config: &config::Admission) -> Self {
        let memory = match config.max_memory {
            Some(0) => None,
            Some(most) => Some(most),
            None => nine_tenths_of_the_group(),
        };
        Self {
            sessions: config.max_sessions.map(|most| most as u64),
            memory,
            descriptors: descriptors::for_sessions(),
            ..Self::default()
        }
    }

    /// Says what the limits are, and warns when they do not fit the sessions that there are.
    pub(crate) fn tell(&self, sessions: &Sessions, callers: &Connections) {
        let limits = Limited::ALL.map(|limited| match self.allowed(limited) {
            Some(most) => format!("{most} {}", limited.unit()),
            None => format!("any number of {}", limited.unit()),
        });
        tracing::info!("sessions are taken on up to these limits: {}", limits.join(", "));
        let count = sessions.count();
        if self.sessions.is_some_and(|most| count as u64 > most) {
            tracing::warn!(
                "there are {count} sessions, more than `--max-sessions`: those that shall run do, and no other is started"
            );
        }
        descriptors::check(count, callers.most());
    }

    /// Lets a session be made; `starts`: and started. How many are made at once is the store's to bound: see
    /// [`Self::not_made`].
    pub(crate) fn create(
        &self,
        sessions: &Sessions,
        starts: bool,
    ) -> Result<Admitted<'_>, ApiError> {
        self.check(Limited::Sessions, sessions, 1)?;
        self.load(sessions, u64::from(starts), None)
    }

    /// Lets a session be started. One that runs adds nothing.
    pub(crate) fn start<'a>(
        &'a self,
        sessions: &Sessions,
        session: &'a SessionHandle,
    ) -> Result<Admitted<'a>, ApiError> {
        if runs(session) {
            return Ok(self.admitted(0, Some(session)));
        }
        self.check(Limited::Sessions, sessions, 0)?;
        self.load(sessions, 1, Some(session))
    }

    /// The answer when a session was not made, which may be for those that were made at the same time.
    pub(crate) fn not_made(&self, error: wharf_actors::Error) -> ApiError {
        match error {
            wharf_actors::Error::Full { most } => {
                let most = Some(most as u64);
                self.refuse(Limited::Sessions, Usage { used: most, allowed: most })
            }
            other => other.into(),
        }
    }

    /// How much of it is used and may be.
    pub(crate) fn usage(&self, limited: Limited, sessions: &Sessions) -> Usage {
        let used = match limited {
            Limited::Sessions => Some(sessions.count() as u64),
            Limited::Memory => self.measure(&mut self.measured(), sessions).memory,
            Limited::Descriptors => self.measure(&mut self.measured(), sessions).descriptors,
        };
        Usage { used, allowed: self.allowed(limited) }
    }

    /// How much was refused for want of it.
    pub(crate) fn refused(&self, limited: Limited) -> u64 {
        self.refused[limited as usize].load(Ordering::Relaxed)
    }

    fn allowed(&self, limited: Limited) -> Option<u64> {
        match limited {
            Limited::Sessions => self.sessions,
            Limited::Memory => self.memory,
            Limited::Descriptors => self.descriptors,
        }
    }

    fn check(&self, limited: Limited, sessions: &Sessions, more: u64) -> Result<(), ApiError> {
        let usage = self.usage(limited, sessions);
        if usage.forbids(more) { Err(self.refuse(limited, usage)) } else { Ok(()) }
    }

    /// Lets through what takes memory, and so many descriptors.
    fn load<'a>(
        &'a self,
        sessions: &Sessions,
        descriptors: u64,
        session: Option<&'a SessionHandle>,
    ) -> Result<Admitted<'a>, ApiError> {
        self.check(Limited::Memory, sessions, 0)?;
        // Held from the look to the taking: of many at once no more are let through than fit.
        let mut measured = self.measured();
        let found = self.measure(&mut measured, sessions);
        let usage = Usage { used: found.descriptors, allowed: self.descriptors };
        if descriptors > 0 && usage.forbids(descriptors) {
            return Err(self.refuse(Limited::Descriptors, usage));
        }
        found.descriptors = found.descriptors.map(|used| used + descriptors);
        Ok(self.admitted(descriptors, session))
    }

    fn admitted<'a>(
        &'a self,
        descriptors: u64,
        session: Option<&'a SessionHandle>,
    ) -> Admitted<'a> {
        self.arriving.fetch_add(descriptors, Ordering::Relaxed);
        Admitted { admission: self, descriptors, session, made: false }
    }

    /// What was let through came to nothing.
    fn take_back(&self, descriptors: u64) {
        if let Some(found) = self.measured().as_mut() {
            found.descriptors = found.descriptors.map(|used| used.saturating_sub(descriptors));
        }
    }

    fn measured(&self) -> MutexGuard<'_, Option<Measured>> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was measured, no longer ago than it holds.
    fn measure<'a>(&self, last: &'a mut Option<Measured>, sessions: &Sessions) -> &'a mut Measured {
        let now = Instant::now();
        if last.is_some_and(|found| now - found.at >= HOLDS) {
            *last = None;
        }
        last.get_or_insert_with(|| {
            let promised = promised(sessions) + self.arriving.load(Ordering::Relaxed);
            Measured {
                at: now,
                memory: metrics::resident_bytes(),
                descriptors: metrics::open_descriptors().map(|open| open + promised),
            }
        })
    }

    fn refuse(&self, limited: Limited, usage: Usage) -> ApiError {
        self.refused[limited as usize].fetch_add(1, Ordering::Relaxed);
        let [used, allowed] = [usage.used, usage.allowed].map(Option::unwrap_or_default);
        let message = format!(
            "the gateway takes on no more sessions: {used} {} are used, {allowed} are allowed",
            limited.unit()
        );
        ApiError::beyond(limited.reason(), message)
    }
}

/// That a session was let through: to be kept until it shows that it starts, or did not come to it.
#[must_use]
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
    descriptors: u64,
    /// The session, where there is one already: it shows whether it starts.
    session: Option<&'a SessionHandle>,
    made: bool,
}

impl Admitted<'_> {
    /// The session was made, or it was not: then it takes nothing.
    pub(crate) fn ends(mut self, made: bool) {
        self.made = made;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.descriptors > 0 {
            self.admission.arriving.fetch_sub(self.descriptors, Ordering::Relaxed);
            if !self.made && !self.session.is_some_and(runs) {
                self.admission.take_back(self.descriptors);
            }
        }
    }
}

fn runs(session: &SessionHandle) -> bool {
    matches!(session.status(), Status::Starting | Status::ScanQrCode | Status::Working)
}

/// The limit on memory where none is configured: the rest is for the running sessions to grow.
fn nine_tenths_of_the_group() -> Option<u64> {
    let most = memory::allowed_by_the_system()?;
    let allowed = most - most / 10;
    tracing::info!(
        "the process's cgroup may have {most} bytes of memory: no session is taken on beyond nine tenths of it, {allowed}"
    );
    Some(allowed)
}

/// Sessions that shall connect and have no connection yet.
fn promised(sessions: &Sessions) -> u64 {
    let figures = sessions.figures();
    let starting =
        figures.sessions.iter().filter(|((status, _), _)| *status == Status::Starting.as_str());
    let starting: usize = starting.map(|(_, count)| count).sum();
    starting.saturating_sub(sessions.connects().under_way) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_or_unlimited_forbids_nothing() {
        for (used, allowed, more, forbids) in [
            (Some(9), Some(10), 1, false),
            (Some(10), Some(10), 1, true),
            (Some(10), Some(10), 0, false),
            (Some(11), Some(10), 0, true),
            (Some(u64::MAX), Some(10), 1, true),
            (None, Some(10), 1, false),
            (Some(11), None, 1, false),
        ] {
            assert_eq!(Usage { used, allowed }.forbids(more), forbids, "{used:?} {allowed:?}");
        }
    }
}
