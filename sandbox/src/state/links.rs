//! Open connections, as the rest of the server sees them: something to send to and to close.

use std::collections::HashMap;

use tokio::sync::{mpsc, watch};
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
    outgoing: Option<mpsc::Sender<Node>>,
    /// Close without a word, as a broken network would.
    cut: bool,
    /// Who is logged in.
    addr: Option<DeviceAddr>,
}

/// All connections whose task runs.
#[derive(Default)]
pub(crate) struct Links {
    all: HashMap<LinkId, Link>,
    made: u64,
    ended: watch::Sender<u64>,
}

impl Links {
    /// Adds a connection: its id, and the queue that its task empties.
    pub(crate) fn open(&mut self) -> (LinkId, mpsc::Receiver<Node>) {
        self.made += 1;
        let id = LinkId(self.made);
        let (outgoing, queue) = mpsc::channel(QUEUE);
        self.all.insert(id, Link { outgoing: Some(outgoing), cut: false, addr: None });
        (id, queue)
    }

    /// Queues a stanza. A connection that does not keep up is closed: its client would miss something.
    pub(crate) fn send(&mut self, id: LinkId, node: Node) {
        if let Some(link) = self.all.get_mut(&id)
            && let Some(outgoing) = &link.outgoing
            && outgoing.try_send(node).is_err()
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

    /// Breaks every connection, without a closing word.
    pub(crate) fn close_all(&mut self) {
        for link in self.all.values_mut() {
            link.cut |= link.outgoing.take().is_some();
        }
    }

    /// The connection has become this device's.
    pub(crate) fn log_in(&mut self, id: LinkId, addr: DeviceAddr) {
        if let Some(link) = self.all.get_mut(&id) {
            link.addr = Some(addr);
        }
    }

    /// Who is logged in, as long as the connection is open.
    pub(crate) fn addr(&self, id: LinkId) -> Option<DeviceAddr> {
        let link = self.all.get(&id)?;
        link.addr.filter(|_| link.outgoing.is_some())
    }

    /// Whether a connection is to end without a closing word.
    pub(crate) fn is_cut(&self, id: LinkId) -> bool {
        self.all.get(&id).is_some_and(|link| link.cut)
    }

    /// The connection's task has ended; says who was logged in.
    pub(crate) fn gone(&mut self, id: LinkId) -> Option<DeviceAddr> {
        let addr = self.all.remove(&id)?.addr;
        self.ended.send_modify(|count| *count += 1);
        addr
    }

    /// The id of the connection made last.
    pub(crate) fn last(&self) -> LinkId {
        LinkId(self.made)
    }

    /// Whether the task of this or an earlier connection still runs.
    pub(crate) fn any_until(&self, last: LinkId) -> bool {
        self.all.keys().any(|id| *id <= last)
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
        let (id, mut queue) = links.open();
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
        let (id, _queue) = links.open();
        links.close_all();
        assert!(links.is_cut(id) && links.any_until(links.last()));
        links.gone(id);
        assert!(!links.any_until(links.last()));
    }
}
