//! What a session does next: decided from what it is told, with the time as an argument.
//!
//! The machine knows no clock, no store and no network. The actor tells it what callers want, what the connection said
//! and what time it is, and carries out what it answers. Every change of status goes through the table of [`moves`].

mod deadlines;
mod moves;
#[cfg(test)]
mod properties;
mod vocabulary;
mod words;

use wharf_storage::{Reason, Status, Wanted};

pub(super) use self::{
    deadlines::Limits,
    vocabulary::{Effect, Input, Stored, Verdict, Word},
};
use self::{deadlines::Open, moves::By};
use crate::schedule::Turn;

/// What follows a connection that is over, unless WhatsApp refused it for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The next attempt, after a while.
    Retry,
    /// The first login of a device that a phone has just linked, at once.
    Login,
    /// A new beginning, for somebody asked for it before the old run was over.
    Anew,
}

#[derive(Debug)]
enum Connection {
    /// None, and none is coming.
    None,
    /// The next one waits for its time, for an older client to end, or for its place.
    Awaited,
    Open(Open),
}

/// The state of one session.
#[derive(Debug)]
pub(super) struct Machine {
    limits: Limits,
    wanted: Wanted,
    status: Status,
    reason: Option<Reason>,
    /// Whether a phone has linked the device.
    paired: bool,
    /// Counts connections; what is said of an older one is stale.
    generation: u64,
    /// The first generation of the present client: a late word of a pairing counts from there on.
    born: u64,
    connection: Connection,
    /// Attempts since the session last worked.
    attempts: u32,
    /// Those of them, since a caller last asked for it, that led to nothing.
    failures: u32,
    /// Whether somebody waits for the session to run.
    hurried: bool,
    /// When pairing began; absent when nothing is being paired.
    pairing_since: Option<i64>,
}

impl Machine {
    /// Takes up a session where its record left it. `given_up`: it crashed too often to be tried again.
    pub(super) fn resume(
        stored: Stored,
        limits: Limits,
        given_up: bool,
        now: i64,
    ) -> (Self, Vec<Effect>) {
        let mut machine = Self {
            limits,
            wanted: stored.wanted,
            status: stored.status,
            reason: stored.reason,
            paired: stored.paired,
            generation: 0,
            born: 1,
            connection: Connection::None,
            attempts: 0,
            failures: 0,
            hurried: false,
            pairing_since: None,
        };
        let mut out = Vec::new();
        let rests = match stored.status {
            Status::Failed | Status::LoggedOut => true,
            // Killed between the wish to run and its first effect, if it is wanted.
            Status::Stopped => stored.wanted == Wanted::Stopped,
            Status::Starting | Status::ScanQrCode | Status::Working => false,
        };
        if rests {
            out.push(Effect::Show { status: stored.status, reason: stored.reason });
        } else if stored.wanted == Wanted::Stopped {
            // Killed between the wish to rest and its effect.
            machine.go(By::Caller, Status::Stopped, None, &mut out);
        } else {
            machine.begin(now, &mut out);
            if given_up {
                machine.connection = Connection::None;
                machine.pairing_since = None;
                out.clear();
                machine.go(By::Session, Status::Failed, Some(Reason::CrashLoop), &mut out);
            }
        }
        (machine, out)
    }

    /// Takes something in; gives what is to be done about it, which is nothing when it is stale.
    pub(super) fn take(&mut self, input: Input, now: i64) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Start => self.start(now, &mut out),
            Input::Restart => {
                self.want(Wanted::Running, &mut out);
                self.hurry();
                self.leave_connection(&mut out);
                self.close(&mut out);
                self.begin_anew(now, &mut out);
            }
            Input::Stop => {
                let (status, reason) = match self.status {
                    Status::LoggedOut => (Status::LoggedOut, self.reason),
                    _ => (Status::Stopped, None),
                };
                self.rest(status, reason, &mut out);
            }
            Input::Leave => {
                let reason = match self.status {
                    Status::LoggedOut => self.reason,
                    _ => Some(Reason::LoggedOutByUser),
                };
                self.rest(Status::LoggedOut, reason, &mut out);
            }
            Input::Admitted { generation } => {
                if self.awaits(generation) {
                    self.connection = Connection::Open(Open::new(now, &self.limits));
                    out.push(Effect::Run { generation });
                }
            }
            Input::Heard { generation, word } => self.hear(generation, word, now, &mut out),
            Input::Ended { generation, failure, linked } => {
                if generation == self.generation {
                    self.ended(failure, linked, now, &mut out);
                }
            }
            Input::Tick { heard, failure } => self.tick(heard, failure, now, &mut out),
        }
        out
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Whether a phone has linked the device.
    pub(super) fn paired(&self) -> bool {
        self.paired
    }

    /// How many attempts led to nothing since the session last worked.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When the next connection has its turn.
    pub(super) fn turn(&self) -> Turn {
        Turn::of(self.hurried, self.failures)
    }

    /// Whether the connection of this generation is the next one.
    pub(super) fn awaits(&self, generation: u64) -> bool {
        generation == self.generation && matches!(self.connection, Connection::Awaited)
    }

    /// Whether the connection of this generation is the present one, and shall go on.
    pub(super) fn relies_on(&self, generation: u64) -> bool {
        generation == self.generation
            && matches!(&self.connection, Connection::Open(open) if open.goes_on())
    }

    /// Whether the connection of this generation is the present one.
    pub(super) fn runs(&self, generation: u64) -> bool {
        generation == self.generation && matches!(self.connection, Connection::Open(_))
    }

    /// Whether a word of a pairing from this generation still counts: the library may tell of it only after the
    /// connection that carried it is over.
    pub(super) fn minds_pairing(&self, generation: u64) -> bool {
        generation >= self.born && self.wanted == Wanted::Running
    }

    fn start(&mut self, now: i64, out: &mut Vec<Effect>) {
        let under_way =
            matches!(self.status, Status::Starting | Status::ScanQrCode | Status::Working);
        if self.wanted == Wanted::Running && under_way {
            if matches!(self.connection, Connection::Awaited) && !self.hurried {
                // It waits for its turn among many; now there is somebody who waits for it.
                self.hurry();
                out.push(Effect::Connect { generation: self.generation, attempt: None });
            }
            return;
        }
        self.want(Wanted::Running, out);
        self.hurry();
        if let Connection::Open(open) = &mut self.connection {
            // The old run is over before a new one begins; its end begins anew.
            open.then = Then::Anew;
            return;
        }
        self.begin_anew(now, out);
    }

    /// Somebody waits from now on; what failed before is forgiven.
    fn hurry(&mut self) {
        self.hurried = true;
        self.attempts = 0;
        self.failures = 0;
    }

    /// Begins after a state that only a caller ends, with nothing of a client that is over.
    fn begin_anew(&mut self, now: i64, out: &mut Vec<Effect>) {
        self.discard(out);
        if self.status == Status::LoggedOut {
            self.paired = false;
            out.push(Effect::Forget);
        }
        self.begin(now, out);
    }

    fn begin(&mut self, now: i64, out: &mut Vec<Effect>) {
        self.pairing_since = (!self.paired).then_some(now);
        // That the session runs is what a caller wished for, also when its process was started again.
        self.go(By::Caller, Status::Starting, None, out);
        self.await_next(None, out);
    }

    /// Ends in a status that only a caller changes again.
    fn rest(&mut self, status: Status, reason: Option<Reason>, out: &mut Vec<Effect>) {
        self.want(Wanted::Stopped, out);
        self.leave_connection(out);
        self.go(By::Caller, status, reason, out);
        self.close(out);
    }

    fn want(&mut self, wanted: Wanted, out: &mut Vec<Effect>) {
        self.wanted = wanted;
        out.push(Effect::Want(wanted));
    }

    /// From here on nothing of the present connection counts.
    fn leave_connection(&mut self, out: &mut Vec<Effect>) {
        self.generation += 1;
        self.connection = Connection::None;
        self.pairing_since = None;
        out.push(Effect::Clear);
    }

    fn close(&mut self, out: &mut Vec<Effect>) {
        out.push(Effect::Close);
        self.born = self.generation + 1;
    }

    fn discard(&mut self, out: &mut Vec<Effect>) {
        out.push(Effect::Discard);
        self.born = self.generation + 1;
    }

    fn await_next(&mut self, attempt: Option<u32>, out: &mut Vec<Effect>) {
        self.generation += 1;
        self.connection = Connection::Awaited;
        out.push(Effect::Connect { generation: self.generation, attempt });
    }

    /// Changes the status, if the table has the move.
    fn go(&mut self, by: By, status: Status, reason: Option<Reason>, out: &mut Vec<Effect>) {
        let stays = (status, reason) == (self.status, self.reason);
        if !stays && !moves::is_legal(self.status, status, reason, by) {
            let (from, to) = (self.status.as_str(), status.as_str());
            tracing::error!(
                ?reason,
                ?by,
                "a move from `{from}` to `{to}` is not in the table and is refused"
            );
            debug_assert!(stays, "{from} -> {to}, {reason:?}, by {by:?}");
            return;
        }
        self.status = status;
        self.reason = reason;
        out.push(Effect::Show { status, reason });
    }
}
