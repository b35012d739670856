//! How the server treats its connections, all of them alike.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::WAIT_MAX;
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
pub(crate) struct Latency(watch::Sender<Duration>);

impl Latency {
    pub(crate) fn get(&self) -> Duration {
        *self.0.borrow()
    }

    pub(crate) fn set(&self, time: Duration) {
        self.0.send_replace(time.min(WAIT_MAX));
    }

    /// For who waits: it may change meanwhile.
    pub(crate) fn watch(&self) -> watch::Receiver<Duration> {
        self.0.subscribe()
    }
}
