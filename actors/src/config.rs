//! What the actors need to know from the operator.

use std::time::Duration;

use crate::whatsapp;

/// WhatsApp's own address for linked devices.
const WHATSAPP_URL: &str = "wss://web.whatsapp.com/ws/chat";

/// Settings of all sessions of a process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where WhatsApp is: a `ws://` or `wss://` address. A sandbox build refuses all that is not loopback.
    pub endpoint: String,
    /// The client version to present; absent: the protocol library's own look-up, or a pinned one in a sandbox build.
    pub client_version: Option<(u32, u32, u32)>,
    /// The name that a phone shows in its list of linked devices.
    pub device_name: String,
    /// Budget of one operation: its time in the queue, all its fields, and the read-back after a timeout.
    pub operation_timeout: Duration,
    /// How long one attempt may take from the dial to a usable session.
    pub connect_timeout: Duration,
    /// Silence after which a connection counts as dead.
    pub silence_timeout: Duration,
    /// How long a session that was never paired keeps trying to reach WhatsApp before it fails.
    pub pairing_timeout: Duration,
    /// First delay before a connection or a crashed session is tried again; doubles up to `backoff_max`, with jitter.
    pub backoff_base: Duration,
    /// Largest such delay.
    pub backoff_max: Duration,
    /// Connection attempts under way at once, over all sessions.
    pub connects_in_flight: usize,
    /// One-time prekeys that a device keeps at WhatsApp.
    pub prekeys: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: WHATSAPP_URL.to_owned(),
            client_version: None,
            device_name: "Wharf".to_owned(),
            operation_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_mins(1),
            silence_timeout: Duration::from_secs(90),
            pairing_timeout: Duration::from_mins(3),
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_mins(1),
            connects_in_flight: 16,
            prekeys: 200,
        }
    }
}

impl Config {
    /// Refuses an endpoint that cannot be dialled by this build, before anything starts.
    ///
    /// # Errors
    /// The address does not parse, or this build must not talk to it.
    pub fn check(&self) -> Result<(), InvalidEndpoint> {
        whatsapp::check_endpoint(&self.endpoint)
    }
}

/// The configured WhatsApp address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{endpoint}` is no usable WhatsApp address: {reason}")]
pub struct InvalidEndpoint {
    /// The address as configured.
    pub endpoint: String,
    /// What is wrong with it.
    pub reason: String,
}
