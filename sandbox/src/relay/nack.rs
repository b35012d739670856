//! Why a message is not taken.

use crate::groups::Refusal;

/// A refusal; its number is the `error` of the `ack`.
///
/// The names are of `wacore` 0.7 (`protocol/nack.rs`, and what `whatsapp-rust`'s `node_io.rs` says of each number).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nack {
    /// Addressed in a way that does not hold together: a device of somebody else among the recipient's, a `status` tag,
    /// phone numbers in a message to a LID.
    Malformed,
    /// Nobody has this address.
    NotFound,
    /// Not in the group, or not among those who may write in it (`server returned error 420`, whatsmeow issue 380).
    NotAllowed,
    /// The group addresses its members in the other way by now.
    StaleAddressing,
    /// The recipient demands privacy tokens, and this message shows none that is good (`MissingTcToken`).
    MissingToken,
    /// A field is missing or has a form that the server does not take (`SmaxInvalid`).
    Invalid,
}

impl Nack {
    /// What a newsletter's refusal is as that of a message.
    pub(crate) fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound,
            Refusal::Forbidden => Self::NotAllowed,
            _ => Self::Invalid,
        }
    }

    /// The number on the wire.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotFound => 404,
            Self::NotAllowed => 420,
            Self::StaleAddressing => 421,
            Self::MissingToken => 463,
            Self::Invalid => 479,
        }
    }
}
