//! The key that clients know the server by, and how they have used it.

use std::sync::Arc;

use crate::noise::Identity;

/// The server's key, and how many handshakes went which way.
pub(crate) struct Handshakes {
    identity: Arc<Identity>,
    /// How many were begun with the server's key: one round trip, pattern IK.
    pub(crate) resumptions: u64,
    /// How many were begun with an older key of the server, and finished as `XXfallback`.
    pub(crate) fallbacks: u64,
    /// How many began with the routing information that the server gives at each login.
    pub(crate) routed: u64,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { identity: Arc::new(Identity::generate()), resumptions: 0, fallbacks: 0, routed: 0 }
    }
}

impl Handshakes {
    /// The key of connections that begin now.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity)
    }

    /// Makes a new key.
    pub(crate) fn rotate(&mut self) {
        self.identity = Arc::new(Identity::generate());
    }
}
