//! The key that clients know the server by, and how they have used it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::form::shared;
use crate::noise::Identity;
use crate::random::Source;

/// The server's key, and how many handshakes went which way.
#[derive(Serialize, Deserialize)]
pub(crate) struct Handshakes {
    #[serde(with = "shared")]
    identity: Arc<Identity>,
    #[serde(skip)]
    source: Source,
    /// How many keys there were.
    made: u64,
    /// How many were begun with the server's key: one round trip, pattern IK.
    #[serde(skip)]
    pub(crate) resumptions: u64,
    /// How many were begun with an older key of the server, and finished as `XXfallback`.
    #[serde(skip)]
    pub(crate) fallbacks: u64,
    /// How many began with the routing information that the server gives at each login.
    #[serde(skip)]
    pub(crate) routed: u64,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self::new(Source::default())
    }
}

impl Handshakes {
    /// No handshakes yet; keys are of this source.
    pub(crate) fn new(source: Source) -> Self {
        let identity = Arc::new(Identity::generate(source, 1));
        Self { identity, source, made: 1, resumptions: 0, fallbacks: 0, routed: 0 }
    }

    /// The key of connections that begin now.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity)
    }

    /// Makes a new key.
    pub(crate) fn rotate(&mut self) {
        self.made += 1;
        self.identity = Arc::new(Identity::generate(self.source, self.made));
    }
}
