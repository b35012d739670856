//! A connection as its task holds it: registered from before the upgrade until the task lets go.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wacore_binary::Node;

use super::dispatch;
use crate::state::{LinkId, Shared, lock};

/// The task's end of a link. Dropping it takes the link from the state, however the task ended.
pub(crate) struct Line {
    pub(super) link: LinkId,
    /// What is to be sent.
    pub(super) queue: mpsc::Receiver<Arc<Node>>,
    /// Ends the task at once, without a closing word.
    pub(super) cut: CancellationToken,
    pub(super) shared: Shared,
}

impl Drop for Line {
    fn drop(&mut self) {
        dispatch::gone(&mut lock(&self.shared), self.link);
    }
}

/// Lets a new client in, as soon as the server does not hang; `None` if it is turned away.
pub(crate) async fn admit(shared: Shared) -> Option<Line> {
    let (line, mut hanging) = {
        let mut state = lock(&shared);
        if state.network.refusing {
            return None;
        }
        let (link, queue, cut) = state.links.open();
        let hanging = state.network.watch();
        drop(state);
        (Line { link, queue, cut, shared }, hanging)
    };
    // The sender lives in the state, which the line holds.
    tokio::select! {
        biased;
        () = line.cut.cancelled() => return None,
        _ = hanging.wait_for(|hangs| !hangs) => {}
    }
    let refusing = lock(&line.shared).network.refusing;
    (!refusing).then_some(line)
}
