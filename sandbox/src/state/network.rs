//! How the server treats its connections, all of them alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::transport::Transport;

/// Whether new connections are turned away, and whether all of them hang.
#[derive(Default)]
pub(crate) struct Network {
    /// New clients are turned away.
    pub(crate) refusing: bool,
    /// Half-open: nothing is read, answered or sent. Followed by [`State::hush`](super::State::hush).
    pub(crate) hanging: bool,
    /// How it talks on those that begin now.
    pub(crate) transport: Transport,
    /// How long stanzas are held back.
    pub(crate) latency: Latency,
}

/// How long each stanza to a client is held back. Every connection reads it for every stanza, so it is beside the lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latency(Arc<AtomicU64>);

impl Latency {
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
