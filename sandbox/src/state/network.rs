//! How the server treats its connections, all of them alike.

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
}
