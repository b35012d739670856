//! What a session costs, as plain values.

use serde::{Deserialize, Serialize};

/// What a session costs this process. What is counted begins at zero with the process and only grows, over every
/// connection and every crash of the session; the rest is of this moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resources {
    /// What went over all its connections.
    pub traffic: Traffic,
    /// What went over the present one; absent while there is none.
    pub connection: Option<Connection>,
    /// Connections that were made.
    pub connects: u64,
    /// Connections that ended and were begun anew without anybody asking for it.
    pub reconnects: u64,
    /// Microseconds that were spent in the session's own tasks.
    pub cpu_us: u64,
    /// Its operations.
    pub operations: Operations,
    /// Microseconds that a message to the session waited just now; absent when it waited longer than a second, or
    /// nobody takes messages because the session is being brought back after a crash.
    pub mailbox_wait_us: Option<u64>,
    /// Its protocol client; absent while there is none.
    pub client: Option<ClientResources>,
}

/// What went over the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes received by TCP, those of TLS and of the WebSocket included.
    pub bytes_in: u64,
    /// Bytes sent, counted alike.
    pub bytes_out: u64,
    /// Frames of the protocol received, the handshake's left out.
    pub frames_in: u64,
    /// Frames of the protocol sent, counted alike.
    pub frames_out: u64,
}

/// A connection, with what went over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// When it was made, epoch milliseconds.
    pub since: i64,
    /// What went over it, its TLS and WebSocket handshakes included.
    pub traffic: Traffic,
}

/// Operations of callers, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operations {
    /// Under way at WhatsApp.
    pub running: usize,
    /// The most that may be.
    pub running_limit: usize,
    /// In line.
    pub waiting: usize,
    /// The most that may be; beyond it a caller is refused.
    pub waiting_limit: usize,
}

/// What a protocol client holds in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientResources {
    /// When it was built, epoch milliseconds.
    pub built_at: i64,
    /// Its caches; absent when they were busy for longer than a second.
    pub caches: Option<Caches>,
    /// Its queues; absent with the caches.
    pub queues: Option<Queues>,
}

/// Caches of a client. Bytes are the protocol library's estimates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caches {
    /// Groups, with their members.
    pub groups: Cache,
    /// Devices of users.
    pub devices: Cache,
    /// Which phone number is which LID.
    pub addresses: Cache,
    /// Which devices hold our sender key, by group.
    pub sender_key_devices: Cache,
    /// Devices that a message goes to, by chat.
    pub recipients: Cache,
    /// Messages that were sent.
    pub sent_messages: Cache,
    /// Encryption sessions with devices.
    pub signal_sessions: Cache,
    /// Identity keys of devices.
    pub signal_identities: Cache,
    /// Sender keys, ours and others'.
    pub sender_keys: Cache,
    /// Entries of all caches that hold a number, a time or a lock; nobody knows their bytes.
    pub notes: u64,
    /// Bytes of all that are known.
    pub total_bytes: u64,
}

/// One cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Its entries.
    pub entries: u64,
    /// Its bytes, about.
    pub bytes: u64,
}

/// What waits in a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queues {
    /// Questions to WhatsApp without an answer so far.
    pub unanswered: u64,
    /// Acknowledgements and receipts that are to be sent.
    pub acknowledgements: u64,
    /// Messages that are to be asked for again.
    pub retries: u64,
    /// Parts of the history that wait or are worked on, and their bytes as they were received.
    pub history: Cache,
}

impl Traffic {
    /// What was added since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            frames_in: self.frames_in.saturating_sub(earlier.frames_in),
            frames_out: self.frames_out.saturating_sub(earlier.frames_out),
        }
    }
}
