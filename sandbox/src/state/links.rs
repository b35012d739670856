//! Open connections, as the rest of the server sees them: something to send to and to close.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wacore_binary::Node;

use super::device::DeviceAddr;

/// Stanzas that may wait for a slow client; one more closes its connection.
const QUEUE: usize = 2048;

/// One connection, for as long as the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// The sending half of a connection; it outlives the wish to close it until its task has ended.
struct Link {
    /// Dropped to close the connection: its task writes what is queued and ends.
    outgoing: Option<mpsc::Sender<Arc<Node>>>,
    /// Cancelled to end without a word, as a broken network would.
    cut: CancellationToken,
    /// Who is logged in.
    addr: Option<DeviceAddr>,
    /// The device that was logged in is linked no more.
    orphaned: bool,
}

/// All connections whose task runs.
#[derive(Default)]
pub(crate) struct Links {
    all: HashMap<LinkId, Link>,
    made: u64,
    ended: watch::Sender<u64>,
}

impl Links {
    /// Adds a connection: its id, the queue that its task empties, and what ends the task at once.
    pub(crate) fn open(&mut self) -> (LinkId, mpsc::Receiver<Arc<Node>>, CancellationToken) {
        self.made += 1;
        let id = LinkId(self.made);
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let cut = CancellationToken::new();
        let link = Link { outgoing: Some(outgoing), cut: cut.clone(), addr: None, orphaned: false };
        self.all.insert(id, link);
        (id, queue, cut)
    }

    /// Queues a stanza. A connection that does not keep up is closed: its client would miss something.
    pub(crate) fn send(&mut self, id: LinkId, node: impl Into<Arc<Node>>) {
        if let Some(link) = self.all.get_mut(&id)
            && let Some(outgoing) = &link.outgoing
            && outgoing.try_send(node.into()).is_err()
        {
            link.outgoing = None;
        }
    }

    /// Closes a connection after what is queued was written.
    pub(crate) fn close(&mut self, id: LinkId) {
        if let Some(link) = self.all.get_mut(&id) {
            link.outgoing = None;
        }
    }

    /// Breaks a connection, without a closing word; says whether it was open.
    pub(crate) fn cut(&mut self, id: LinkId) -> bool {
        let Some(link) = self.all.get_mut(&id) else { return false };
        link.cut.cancel();
        link.outgoing.take().is_some()
    }

    /// Breaks every connection, without a closing word.
    pub(crate) fn cut_all(&mut self) {
        for link in self.all.values_mut() {
            link.cut.cancel();
            link.outgoing = None;
        }
    }

    /// The connection has become this device's.
    pub(crate) fn log_in(&mut self, id: LinkId, addr: DeviceAddr) {
        if let Some(link) = self.all.get_mut(&id) {
            link.addr = Some(addr);
        }
    }

    /// The connection's device is linked no more.
    pub(crate) fn orphan(&mut self, id: LinkId) {
        if let Some(link) = self.all.get_mut(&id) {
            link.addr = None;
            link.orphaned = true;
        }
    }

    /// Whether the connection's device was unlinked.
    pub(crate) fn is_orphaned(&self, id: LinkId) -> bool {
        self.all.get(&id).is_some_and(|link| link.orphaned)
    }

    /// Who is logged in, as long as the connection is open.
    pub(crate) fn addr(&self, id: LinkId) -> Option<DeviceAddr> {
        let link = self.all.get(&id)?;
        link.addr.filter(|_| link.outgoing.is_some())
    }

    /// Whether the server still talks on this connection.
    pub(crate) fn is_open(&self, id: LinkId) -> bool {
        self.all.get(&id).is_some_and(|link| link.outgoing.is_some())
    }

    /// The connection's task has ended; says who was logged in.
    pub(crate) fn gone(&mut self, id: LinkId) -> Option<DeviceAddr> {
        let addr = self.all.remove(&id)?.addr;
        self.ended.send_modify(|count| *count += 1);
        addr
    }

    /// Connections whose task runs, by who is logged in.
    pub(crate) fn running(
        &self,
        wanted: impl Fn(Option<DeviceAddr>) -> bool,
    ) -> impl Iterator<Item = LinkId> {
        self.all.iter().filter(move |(_, link)| wanted(link.addr)).map(|(id, _)| *id)
    }

    /// Whether the connection's task still runs.
    pub(crate) fn runs(&self, id: LinkId) -> bool {
        self.all.contains_key(&id)
    }

    /// Changes whenever a connection's task ends.
    pub(crate) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.all.values().filter(|link| link.outgoing.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    #[test]
    fn a_connection_that_does_not_keep_up_is_closed() {
        let mut links = Links::default();
        let (id, mut queue, _) = links.open();
        for _ in 0..=QUEUE {
            links.send(id, NodeBuilder::new("ib").build());
        }
        assert_eq!(links.len(), 0);
        let mut queued = 0;
        while queue.try_recv().is_ok() {
            queued += 1;
        }
        assert_eq!(queued, QUEUE);
    }

    #[test]
    fn a_closed_connection_counts_until_its_task_ends() {
        let mut links = Links::default();
        let (id, _queue, cut) = links.open();
        assert!(links.cut(id) && !links.cut(id));
        assert!(cut.is_cancelled() && !links.is_open(id) && links.runs(id));
        links.gone(id);
        assert!(!links.runs(id));
    }
}
