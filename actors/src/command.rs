//! Commands and answers: plain values that could cross a network.

use serde::{Deserialize, Serialize};
use wharf_storage::{GroupJid, Session};

use crate::error::Field;

/// What a caller wants of a new session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewSession {
    /// The organization that will own the session.
    pub organization: String,
    /// A name for people.
    pub label: Option<String>,
    /// Mark incoming messages as read; false when absent.
    pub auto_read: Option<bool>,
    /// Show "typing" before a send; false when absent.
    pub presence_typing: Option<bool>,
    /// The person who made it; absent when a key did.
    pub created_by_user: Option<String>,
    /// Begin pairing at once.
    pub start: bool,
}

impl NewSession {
    /// One that begins pairing at once, and leaves the rest as it is usual.
    pub fn begun(organization: &str) -> Self {
        Self {
            organization: organization.to_owned(),
            label: None,
            auto_read: None,
            presence_typing: None,
            created_by_user: None,
            start: true,
        }
    }
}

/// Changes of a group's settings; present fields are applied in the order of this struct.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplySettings {
    /// The group to change.
    pub group: GroupJid,
    /// 1 to 100 Unicode scalar values.
    pub subject: Option<String>,
    /// Up to 2048 Unicode scalar values; empty clears it.
    pub description: Option<String>,
    /// Whether only admins may send messages.
    pub announce: Option<bool>,
    /// Whether only admins may edit the group's settings.
    pub locked: Option<bool>,
}

impl ApplySettings {
    /// The present fields, in the order in which they are applied.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        if self.subject.is_some() {
            fields.push(Field::Subject);
        }
        if self.description.is_some() {
            fields.push(Field::Description);
        }
        if self.announce.is_some() {
            fields.push(Field::Announce);
        }
        if self.locked.is_some() {
            fields.push(Field::Locked);
        }
        fields
    }
}

/// Asks WhatsApp for a group's invite link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchInvite {
    /// The group to ask for.
    pub group: GroupJid,
}

/// Makes WhatsApp replace a group's invite link by a new one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeInvite {
    /// The group whose link ends.
    pub group: GroupJid,
}

/// A code for a phone to scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qr {
    /// The text that the picture encodes.
    pub code: String,
    /// When WhatsApp stops accepting it, epoch milliseconds.
    pub expires_at: i64,
}

/// Asks for a code that is typed on a phone instead of one that is scanned.
#[derive(Clone, Serialize, Deserialize)]
pub struct RequestPairingCode {
    /// The phone's number with its country code, digits only.
    pub phone: String,
}

/// A session as the gateway knows it at this moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionView {
    /// The stored session, with the status that its actor holds.
    pub session: Session,
    /// When the last frame came from WhatsApp, epoch milliseconds; absent before the first one of this process.
    pub last_inbound_at: Option<i64>,
    /// When WhatsApp last answered a probe of ours, epoch milliseconds.
    pub last_ping_ok_at: Option<i64>,
}

/// How many sessions there are, and how they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Sessions of this process.
    pub sessions: usize,
    /// Those that are wanted running.
    pub wanted: usize,
    /// Those that wait for their turn to connect.
    pub waiting: usize,
    /// Those whose turn it is, on their way from the dial to a login.
    pub connecting: usize,
    /// Those that work.
    pub working: usize,
}
