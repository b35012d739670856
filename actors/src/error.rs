//! What can go wrong with a session, in terms that a caller acts on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wharf_storage::Status;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such thing, or it belongs to another organization.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A live action needs a connected session.
    #[error("session is not connected")]
    NotConnected {
        /// What the session is doing instead.
        status: Status,
    },
    /// Pairing has begun, but WhatsApp has not sent a code yet.
    #[error("the QR code is not there yet")]
    QrPending {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The session is linked to an account already.
    #[error("session is already paired")]
    AlreadyPaired,
    /// Another phone has a pairing code of this session that still holds.
    #[error("a pairing code for another phone still holds")]
    CodeOutstanding {
        /// When it holds no more.
        retry_after: Duration,
    },
    /// Too many operations of this session are waiting.
    #[error("too many operations are waiting in this session")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// As many sessions are stored as may be.
    #[error("the gateway has {most} sessions, which is as many as it may have")]
    Full {
        /// How many that is.
        most: usize,
    },
    /// The owner of the session cannot be reached now.
    #[error("session is not reachable")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// WhatsApp's own refusal.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// WhatsApp did not answer in time.
    #[error("whatsapp did not answer in time")]
    Timeout {
        /// For a change: whether reading the group back succeeded (and showed that it had no effect). Absent when
        /// nothing was there to read back.
        read_back: Option<bool>,
    },
    /// A change of settings stopped part-way.
    #[error("the group settings were applied in part")]
    Settings(Box<SettingsFailure>),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] wharf_storage::Error),
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

/// WhatsApp's answer to an operation that it did not carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The account may not do this: not an admin, not a member, or settings are locked.
    #[error("whatsapp refused the operation for this account (code {code})")]
    Forbidden {
        /// WhatsApp's code.
        code: u16,
    },
    /// WhatsApp does not know the group.
    #[error("group not found")]
    NotFound {
        /// WhatsApp's code.
        code: u16,
    },
    /// Somebody else changed the same thing.
    #[error("the group was changed by somebody else at the same time")]
    Conflict {
        /// WhatsApp's code.
        code: u16,
    },
    /// The account asks too often.
    #[error("whatsapp limits the rate of this account")]
    RateLimited {
        /// WhatsApp's code.
        code: u16,
        /// WhatsApp's hint, when it gave one.
        retry_after: Option<Duration>,
    },
    /// Anything else.
    #[error("whatsapp answered with code {code}")]
    Other {
        /// WhatsApp's code; 0 when the answer had none.
        code: u16,
        /// WhatsApp's text.
        text: String,
    },
}

/// A setting of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The group's name.
    Subject,
    /// The text below the name.
    Description,
    /// Only admins send messages.
    Announce,
    /// Only admins edit settings.
    Locked,
}

impl Field {
    /// The field's name in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Description => "description",
            Self::Announce => "announce",
            Self::Locked => "locked",
        }
    }
}

/// How far a change of settings came.
#[derive(Debug)]
pub struct SettingsFailure {
    /// Fields that took effect at WhatsApp.
    pub applied: Vec<Field>,
    /// The field at which it stopped. When it is among the `applied` too, it took effect and was not stored.
    pub failed: Field,
    /// Fields that were not tried.
    pub not_attempted: Vec<Field>,
    /// Why `failed` failed.
    pub cause: Error,
}

impl SettingsFailure {
    /// Whether the field at which it stopped took effect at WhatsApp all the same, and only the store did not take it.
    pub fn took_effect(&self) -> bool {
        self.applied.contains(&self.failed)
    }
}
