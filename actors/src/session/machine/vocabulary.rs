//! What the machine is told, and what it answers.

use wharf_storage::{Reason, Status, Wanted};

use super::moves::By;
use crate::whatsapp::DialFailure;

/// What a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Input {
    /// A caller wants it to run.
    Start,
    /// A caller wants its connection to end and another one to begin.
    Restart,
    /// A caller wants it to rest.
    Stop,
    /// The device was taken off the account at a caller's word, or shall count as if it was.
    Leave,
    /// The connection of this generation has its place, and may begin.
    Admitted { generation: u64 },
    /// The connection of this generation said something.
    Heard { generation: u64, word: Word },
    /// The connection of this generation is over.
    Ended {
        generation: u64,
        /// Why the dial failed, when it did.
        failure: Option<DialFailure>,
        /// Whether the device state has an account by now.
        linked: bool,
    },
    /// Time has passed.
    Tick {
        /// When anything last came from WhatsApp.
        heard: i64,
        /// Where the dial stands, or failed; absent when it succeeded.
        failure: Option<DialFailure>,
    },
}

/// What a connection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Word {
    /// There is a code to scan until then.
    Code { until: i64 },
    /// No code to scan is left; `closes`: the client ends itself over it.
    CodesOver { closes: bool },
    /// There is a code to type until then.
    PairingCode { until: i64 },
    /// A phone has linked the device.
    Linked,
    /// The account answered the first question.
    Proven,
    /// It did not.
    Unproven,
    /// WhatsApp answered a probe.
    Answered,
    /// WhatsApp refuses this device, for good.
    Refused(Verdict),
}

/// Why trying again would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Verdict {
    LoggedOutByPhone,
    LoggedOutByUser,
    Replaced,
    Banned,
    Outdated,
    /// WhatsApp refuses the login in another way.
    Odd,
    /// Pairing came to nothing.
    Unpaired(Reason),
}

impl Verdict {
    pub(super) fn state(self) -> (Status, Reason) {
        match self {
            Self::LoggedOutByPhone => (Status::LoggedOut, Reason::LoggedOutByPhone),
            Self::LoggedOutByUser => (Status::LoggedOut, Reason::LoggedOutByUser),
            Self::Replaced => (Status::Failed, Reason::Replaced),
            Self::Banned => (Status::Failed, Reason::Banned),
            Self::Outdated => (Status::Failed, Reason::ClientOutdated),
            Self::Odd => (Status::Failed, Reason::Internal),
            Self::Unpaired(reason) => (Status::Failed, reason),
        }
    }

    pub(super) fn by(self) -> By {
        if self == Self::LoggedOutByUser { By::Caller } else { By::Session }
    }
}

/// What the actor shall do, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Effect {
    /// Store the wish.
    Want(Wanted),
    /// Store the status with its event, and show it.
    Show { status: Status, reason: Option<Reason> },
    /// Begin the connection of this generation: at once, or after the delay of this attempt.
    Connect { generation: u64, attempt: Option<u32> },
    /// Run the connection of this generation.
    Run { generation: u64 },
    /// Give the place among the connections on their way to the next one.
    FreePlace,
    /// Ask WhatsApp whether it is there.
    Probe { generation: u64 },
    /// Tell the connection to end.
    Hang,
    /// Cut the connection, which was told to end and did not.
    Cut,
    /// What belongs to the connection that is over counts no more.
    Clear,
    /// Let the client go: the next connection makes another one.
    Discard,
    /// Close the client in order.
    Close,
    /// Erase what is stored of the account before the next client is made.
    Forget,
}

/// What a session was when its record was read.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Stored {
    pub(in crate::session) wanted: Wanted,
    pub(in crate::session) status: Status,
    pub(in crate::session) reason: Option<Reason>,
    pub(in crate::session) paired: bool,
}
