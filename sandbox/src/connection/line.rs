//! A connection as its task holds it: registered from before the upgrade until the task lets go.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::dispatch;
use super::outbox::Outbox;
use crate::noise::Identity;
use crate::state::{LinkId, Opened, Shared, lock};
use crate::transport::Transport;

/// The task's end of a link. Dropping it takes the link from the state, however the task ended.
pub(crate) struct Line {
    pub(super) link: LinkId,
    /// What is to be sent.
    pub(super) outbox: Outbox,
    /// Ends the task at once, without a closing word.
    pub(super) cut: CancellationToken,
    /// Whether nothing may be read, answered or sent.
    pub(super) hanging: watch::Receiver<bool>,
    /// The server's key when the client came: a new key cuts the connections of the old one.
    pub(super) identity: Arc<Identity>,
    /// How the server talks, as it was when the client came.
    pub(super) transport: Transport,
    pub(super) shared: Shared,
}

impl Drop for Line {
    fn drop(&mut self) {
        dispatch::gone(&mut lock(&self.shared), self.link);
    }
}

/// Lets a new client in, as soon as the server does not hang; `None` if it is turned away.
pub(crate) async fn admit(shared: Shared) -> Option<Line> {
    let mut line = {
        let mut state = lock(&shared);
        if state.network.refusing {
            return None;
        }
        let hangs = state.network.hanging;
        let Opened { link, queue, cut, hanging } = state.links.open(hangs);
        let (identity, transport) = (state.handshakes.identity(), state.network.transport);
        let outbox = Outbox::new(queue, state.network.latency.clone());
        drop(state);
        Line { link, outbox, cut, hanging, identity, transport, shared }
    };
    // The sender lives in the state, which the line holds.
    tokio::select! {
        biased;
        () = line.cut.cancelled() => return None,
        _ = line.hanging.wait_for(|hangs| !hangs) => {}
    }
    let refusing = lock(&line.shared).network.refusing;
    (!refusing).then_some(line)
}
