//! How the server treats its connections.

use tokio::sync::watch;

/// Whether new connections are turned away, and whether all of them hang.
#[derive(Default)]
pub(crate) struct Network {
    /// New clients are turned away.
    pub(crate) refusing: bool,
    hanging: watch::Sender<bool>,
}

impl Network {
    /// Half-open: nothing is read, answered or sent; or goes on with what waits.
    pub(crate) fn hang(&self, on: bool) {
        self.hanging.send_replace(on);
    }

    /// Whether everything hangs.
    pub(crate) fn hangs(&self) -> bool {
        *self.hanging.borrow()
    }

    /// Follows [`Network::hangs`].
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.hanging.subscribe()
    }
}
