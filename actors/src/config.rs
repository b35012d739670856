//! What the actors need to know from the operator.

use std::{num::NonZeroU32, time::Duration};

use crate::whatsapp::{self, TrustedRoots};

/// WhatsApp's own address for linked devices.
const WHATSAPP_URL: &str = "wss://web.whatsapp.com/ws/chat";

/// Settings of all sessions of a process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where WhatsApp is: a `ws://` or `wss://` address. A sandbox build refuses all that is not loopback.
    pub endpoint: String,
    /// Certificates that are trusted for that address beside the built-in ones.
    pub trusted_roots: TrustedRoots,
    /// The client version to present; absent: the protocol library's own look-up, or a pinned one in a sandbox build.
    pub client_version: Option<(u32, u32, u32)>,
    /// The name that a phone shows in its list of linked devices.
    pub device_name: String,
    /// Budget of one operation: its time in the queue, all its fields, and the read-back after a timeout.
    pub operation_timeout: Duration,
    /// How long one attempt may take from the dial to a code or to a working session.
    pub connect_timeout: Duration,
    /// Silence after which WhatsApp is asked whether it is there. The protocol library asks an idle connection by itself, 15 to
    /// 30 s after anything came, and what it hears is heard by us: to ask as often again would double what idleness costs.
    pub probe_after: Duration,
    /// How long its answer may take before the connection counts as dead: nothing is `working` after a silence of both.
    pub probe_timeout: Duration,
    /// How long a session that is being paired keeps trying to reach WhatsApp before it fails.
    pub pairing_timeout: Duration,
    /// First delay before a connection or a crashed session is tried again; doubles up to `backoff_max`, with full jitter.
    pub backoff_base: Duration,
    /// Largest such delay.
    pub backoff_max: Duration,
    /// Connections that may be begun in a second, over all sessions.
    pub connect_rate: NonZeroU32,
    /// Connection attempts under way at once, over all sessions.
    pub connects_in_flight: usize,
    /// How long one attempt may count among them: nobody waits behind one that hangs.
    pub place_timeout: Duration,
    /// One-time prekeys that a device keeps at WhatsApp.
    pub prekeys: usize,
    /// Bytes that the caches of one session's client may take, about; those that the protocol library bounds otherwise
    /// come on top.
    pub session_cache: usize,
    /// Parts of the history and of the app state that are worked on at once, over all sessions.
    pub syncs_at_once: usize,
    /// Sessions that may be stored, over all organizations; absent: any number.
    pub max_sessions: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: WHATSAPP_URL.to_owned(),
            trusted_roots: TrustedRoots::default(),
            client_version: None,
            device_name: "Wharf".to_owned(),
            operation_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_mins(1),
            probe_after: Duration::from_secs(32),
            probe_timeout: Duration::from_secs(20),
            pairing_timeout: Duration::from_mins(3),
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_mins(1),
            connect_rate: NonZeroU32::new(50).expect("it is not zero"),
            connects_in_flight: 16,
            place_timeout: Duration::from_secs(10),
            prekeys: 200,
            session_cache: 8 << 20,
            syncs_at_once: 2,
            max_sessions: None,
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
