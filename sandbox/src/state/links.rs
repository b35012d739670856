//! Open connections, as the rest of the server sees them: something to send to and to close.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wacore_binary::Node;

use super::device::DeviceAddr;
use super::parcel::{Oddity, Parcel};
use crate::numbers::Alias;

/// Stanzas that may wait for a slow client; one more closes its connection.
const QUEUE: usize = 2048;

/// One connection, for as long as the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// The sending half of a connection; it outlives the wish to close it until its task has ended.
struct Link {
    /// Dropped to close the connection: its task writes what is queued and ends.
    outgoing: Option<mpsc::Sender<Parcel>>,
    /// Cancelled to end without a word, as a broken network would.
    cut: CancellationToken,
    /// Who is logged in.
    addr: Option<DeviceAddr>,
    /// What stands for the number of the account on this connection.
    alias: Option<Alias>,
    /// The device that was logged in is linked no more.
    orphaned: bool,
    /// Tells the task whether it hangs.
    hanging: watch::Sender<bool>,
    /// It hangs whatever the others do.
    frozen: bool,
}

/// A new connection, as its task gets it.
pub(crate) struct Opened {
    pub(crate) link: LinkId,
    /// What is to be sent.
    pub(crate) queue: mpsc::Receiver<Parcel>,
    /// Ends the task at once, without a closing word.
    pub(crate) cut: CancellationToken,
    /// Whether nothing may be read, answered or sent.
    pub(crate) hanging: watch::Receiver<bool>,
}

/// All connections whose task runs.
#[derive(Default)]
pub(crate) struct Links {
    all: HashMap<LinkId, Link>,
    made: u64,
    /// How many were ended by their client with a close frame.
    pub(crate) goodbyes: u64,
    ended: watch::Sender<u64>,
}

impl Links {
    /// Adds a connection, which hangs from the start or not.
    pub(crate) fn open(&mut self, hangs: bool) -> Opened {
        self.made += 1;
        let id = LinkId(self.made);
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let cut = CancellationToken::new();
        let (hanging, follows) = watch::channel(hangs);
        let link = Link {
            outgoing: Some(outgoing),
            cut: cut.clone(),
            addr: None,
            alias: None,
            orphaned: false,
            hanging,
            frozen: false,
        };
        self.all.insert(id, link);
        Opened { link: id, queue, cut, hanging: follows }
    }

    /// Queues a stanza. A connection that does not keep up is closed: its client would miss something.
    pub(crate) fn send(&mut self, id: LinkId, node: impl Into<Arc<Node>>) {
        self.post(id, node.into(), None);
    }

    /// Queues a stanza that is to be written in an odd way.
    pub(crate) fn send_oddly(&mut self, id: LinkId, node: Arc<Node>, oddity: Oddity) {
        self.post(id, node, Some(oddity));
    }

    fn post(&mut self, id: LinkId, node: Arc<Node>, oddity: Option<Oddity>) {
        let Some(link) = self.all.get_mut(&id) else { return };
        let Some(outgoing) = &link.outgoing else { return };
        let node = match &link.alias {
            Some(alias) => alias.outward(node),
            None => node,
        };
        if outgoing.try_send(Parcel { node, oddity }).is_err() {
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

    /// Another number stands for that of the account from now on, or the account's own.
    pub(crate) fn alias(&mut self, id: LinkId, alias: Option<Alias>) {
        if let Some(link) = self.all.get_mut(&id) {
            link.alias = alias;
        }
    }

    /// What a client has said, with the number of its account where it names another one.
    pub(crate) fn understood<'a>(&self, id: LinkId, node: &'a Node) -> Cow<'a, Node> {
        match self.all.get(&id).and_then(|link| link.alias.as_ref()) {
            Some(alias) => Cow::Owned(alias.inward(node.clone())),
            None => Cow::Borrowed(node),
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

    /// Tells each connection whether it hangs, by who is logged in; a frozen one does anyway.
    pub(crate) fn hush(&self, hangs: impl Fn(Option<DeviceAddr>) -> bool) {
        for link in self.all.values() {
            let hangs = link.frozen || hangs(link.addr);
            link.hanging.send_if_modified(|now| std::mem::replace(now, hangs) != hangs);
        }
    }

    /// Lets a connection hang until it is thawed.
    pub(crate) fn freeze(&mut self, id: LinkId) {
        if let Some(link) = self.all.get_mut(&id) {
            link.frozen = true;
            link.hanging.send_replace(true);
        }
    }

    /// No connection is frozen any more; whether it hangs is for [`Links::hush`] to say.
    pub(crate) fn thaw(&mut self) {
        for link in self.all.values_mut() {
            link.frozen = false;
        }
    }

    /// Whether nothing is read, answered or sent on this connection.
    pub(crate) fn hangs(&self, id: LinkId) -> bool {
        self.all.get(&id).is_some_and(|link| *link.hanging.borrow())
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
        let Opened { link, mut queue, .. } = links.open(false);
        for _ in 0..=QUEUE {
            links.send(link, NodeBuilder::new("ib").build());
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
        let Opened { link, queue: _queue, cut, .. } = links.open(false);
        assert!(links.cut(link) && !links.cut(link));
        assert!(cut.is_cancelled() && !links.is_open(link) && links.runs(link));
        links.gone(link);
        assert!(!links.runs(link));
    }

    #[test]
    fn a_frozen_connection_hangs_until_it_is_thawed() {
        let mut links = Links::default();
        let (frozen, other) = (links.open(false), links.open(true));
        assert!(!links.hangs(frozen.link) && links.hangs(other.link));
        links.freeze(frozen.link);
        links.hush(|_| false);
        assert!(*frozen.hanging.borrow() && !*other.hanging.borrow());
        links.thaw();
        links.hush(|_| false);
        assert!(!links.hangs(frozen.link));
    }
}
