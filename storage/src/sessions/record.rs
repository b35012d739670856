//! What is stored of a session.

use serde::{Deserialize, Serialize};

use crate::SessionId;

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The organization it belongs to.
    pub organization: String,
    /// What people call it.
    pub label: Option<String>,
    /// Whether incoming messages are marked read.
    pub auto_read: bool,
    /// Whether the contact sees typing before a message is sent.
    pub presence_typing: bool,
    /// Messages it may send within a minute.
    pub rate_per_min: u32,
    /// Messages it may send within an hour.
    pub rate_per_hour: u32,
    /// When it was created, in epoch milliseconds.
    pub created_at: i64,
    /// When its row last changed, in epoch milliseconds.
    pub updated_at: i64,
    /// The user who created it.
    pub created_by_user: Option<String>,
    /// What its owner wants of it.
    pub wanted: Wanted,
    /// How it is doing.
    pub status: Status,
    /// Why it has that status, where there is something to tell.
    pub status_reason: Option<Reason>,
    /// Since when it has that status, in epoch milliseconds.
    pub since: i64,
    /// The WhatsApp account it is linked to.
    pub account: Option<Account>,
    /// When it last reached WhatsApp, in epoch milliseconds.
    pub last_connected_at: Option<i64>,
}

impl Session {
    /// Messages a session may send within a minute unless told otherwise.
    pub const RATE_PER_MIN: u32 = 20;
    /// Messages a session may send within an hour unless told otherwise.
    pub const RATE_PER_HOUR: u32 = 600;
}

/// The WhatsApp account a session is linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its phone number address, such as `15550001@s.whatsapp.net`, without a device part.
    pub jid: String,
    /// Its address in the space that hides phone numbers (LID).
    pub lid: Option<String>,
    /// The name of the business, for a business account.
    pub business_name: Option<String>,
    /// What the phone runs, as it said when linking.
    pub platform: Option<String>,
}

/// What the owner wants of a session; it outlives restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It shall rest.
    Stopped,
    /// It shall be connected.
    Running,
}

/// How a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is connecting.
    Starting,
    /// It waits for a phone to scan its code.
    ScanQrCode,
    /// It is connected.
    Working,
    /// It gave up; the reason tells why.
    Failed,
    /// It rests.
    Stopped,
    /// The phone no longer knows it; it has to be linked anew.
    LoggedOut,
}

impl Status {
    /// The status as it is spelled in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::ScanQrCode => "scan_qr_code",
            Self::Working => "working",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::LoggedOut => "logged_out",
        }
    }
}

/// Why a session has its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody scanned the codes in time.
    QrExpired,
    /// The phone scanned and did not finish linking.
    PairingTimeout,
    /// Another connection took the place of this one.
    Replaced,
    /// WhatsApp banned the account.
    Banned,
    /// WhatsApp no longer accepts this client's version.
    ClientOutdated,
    /// The phone removed the linked device.
    LoggedOutByPhone,
    /// A user of the gateway logged it out.
    LoggedOutByUser,
    /// The name of the server did not resolve.
    Dns,
    /// The encrypted connection could not be set up.
    Tls,
    /// The server could not be reached.
    Connect,
    /// The proxy refused.
    Proxy,
    /// It crashed too often within a short time.
    CrashLoop,
    /// Something unforeseen; the log has it.
    Internal,
}

impl Reason {
    /// The reason as it is spelled in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QrExpired => "qr_expired",
            Self::PairingTimeout => "pairing_timeout",
            Self::Replaced => "replaced",
            Self::Banned => "banned",
            Self::ClientOutdated => "client_outdated",
            Self::LoggedOutByPhone => "logged_out_by_phone",
            Self::LoggedOutByUser => "logged_out_by_user",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::CrashLoop => "crash_loop",
            Self::Internal => "internal",
        }
    }
}

/// A new status for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// The status.
    pub status: Status,
    /// Why, where there is something to tell.
    pub reason: Option<Reason>,
    /// When, in epoch milliseconds.
    pub at: i64,
    /// Whether WhatsApp was reached just now.
    pub connected: bool,
}

/// New settings for a session; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChange {
    /// What people call it; empty takes the name away.
    pub label: Option<String>,
    /// Whether incoming messages are marked read.
    pub auto_read: Option<bool>,
    /// Whether the contact sees typing before a message is sent.
    pub presence_typing: Option<bool>,
    /// Messages it may send within a minute.
    pub rate_per_min: Option<u32>,
    /// Messages it may send within an hour.
    pub rate_per_hour: Option<u32>,
}

impl SettingsChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn apply(&self, session: &mut Session) {
        if let Some(label) = &self.label {
            session.label = Some(label.clone()).filter(|label| !label.is_empty());
        }
        session.auto_read = self.auto_read.unwrap_or(session.auto_read);
        session.presence_typing = self.presence_typing.unwrap_or(session.presence_typing);
        session.rate_per_min = self.rate_per_min.unwrap_or(session.rate_per_min);
        session.rate_per_hour = self.rate_per_hour.unwrap_or(session.rate_per_hour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_reasons_are_spelled_alike_in_json_and_in_text() {
        use Reason::{
            Banned, ClientOutdated, Connect, CrashLoop, Dns, Internal, LoggedOutByPhone,
            LoggedOutByUser, PairingTimeout, Proxy, QrExpired, Replaced, Tls,
        };
        use Status::{Failed, LoggedOut, ScanQrCode, Starting, Stopped, Working};
        for status in [Starting, ScanQrCode, Working, Failed, Stopped, LoggedOut] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for reason in [
            QrExpired,
            PairingTimeout,
            Replaced,
            Banned,
            ClientOutdated,
            LoggedOutByPhone,
            LoggedOutByUser,
            Dns,
            Tls,
            Connect,
            Proxy,
            CrashLoop,
            Internal,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
