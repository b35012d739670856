//! What a device has not acknowledged, and how it gets that at its next login: piece by piece, as it asks for it.
//!
//! whatsapp-rust 0.7 `client/offline_resume.rs` describes the real server: it announces how much waits, sends a primer
//! of about five stanzas, and then waits for `offline_batch` before it sends more. A client that asks only once (Baileys
//! does) gets the next batch when it has acknowledged everything that was sent.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wacore_binary::{Node, NodeValue};

use crate::data::form::nodes;
use crate::stanza::ids;

/// Stanzas kept for a device that does not acknowledge; beyond that the oldest are dropped.
const KEPT: usize = 1000;

/// Sent without being asked for.
const PRIMER: usize = 5;

/// How far the device's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is none, or it does not take stanzas yet; so many were asked for all the same.
    Waiting { asked: usize },
    /// It gets what it missed. The first `sent` of the queue are on their way, `credit` more may be, and `done` were.
    Catching { sent: usize, credit: usize, batch: usize, done: usize },
    /// It gets everything at once.
    Live,
}

/// The stanzas of one device, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Queue {
    #[serde(with = "nodes")]
    kept: VecDeque<Arc<Node>>,
    #[serde(skip)]
    phase: Phase,
}

/// How much waits, by kind: what an `offline_preview` announces.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) messages: usize,
    pub(crate) receipts: usize,
    pub(crate) notifications: usize,
    pub(crate) calls: usize,
}

/// What may be sent now.
#[derive(Debug, Default)]
pub(crate) struct Released {
    /// Marked as having waited.
    pub(crate) stanzas: Vec<Node>,
    /// That was all: how many there were since the login.
    pub(crate) done: Option<usize>,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Waiting { asked: 0 }
    }
}

impl Queue {
    /// The connection is another one, or gone: what is kept waits.
    pub(crate) fn rest(&mut self) {
        self.phase = Phase::Waiting { asked: 0 };
    }

    /// Whether new stanzas are to be sent at once.
    pub(crate) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Whether the device takes stanzas.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.phase, Phase::Waiting { .. })
    }

    /// Keeps a stanza, which has an id, until it is acknowledged; says whether it is to be sent at once.
    pub(crate) fn keep(&mut self, node: Arc<Node>) -> bool {
        if self.kept.len() == KEPT {
            self.forget(0);
        }
        self.kept.push_back(node);
        self.is_live()
    }

    /// How much waits.
    pub(crate) fn missed(&self) -> Missed {
        let mut missed = Missed::default();
        for node in &self.kept {
            *match node.tag.as_ref() {
                "message" => &mut missed.messages,
                "receipt" => &mut missed.receipts,
                "call" => &mut missed.calls,
                _ => &mut missed.notifications,
            } += 1;
        }
        missed
    }

    /// The device takes stanzas from now on.
    pub(crate) fn start(&mut self) {
        if let Phase::Waiting { asked } = self.phase {
            let credit = asked.saturating_add(PRIMER);
            self.phase = Phase::Catching { sent: 0, credit, batch: asked, done: 0 };
        }
    }

    /// The device asks for so many more.
    pub(crate) fn ask(&mut self, count: usize) {
        match &mut self.phase {
            Phase::Waiting { asked } => *asked = asked.saturating_add(count),
            Phase::Catching { credit, batch, .. } => {
                *credit = credit.saturating_add(count);
                *batch = count;
            }
            Phase::Live => {}
        }
    }

    /// What may be sent now, of what the device missed.
    pub(crate) fn release(&mut self) -> Released {
        let Phase::Catching { sent, credit, batch, done } = &mut self.phase else {
            return Released::default();
        };
        if *credit == 0 && *sent == 0 {
            *credit = *batch;
        }
        let now = (*credit).min(self.kept.len() - *sent);
        let stanzas = self.kept.range(*sent..*sent + now).map(|node| {
            let mut node = Node::clone(node);
            node.attrs.insert("offline", "0");
            node
        });
        let stanzas = stanzas.collect();
        *sent += now;
        *credit -= now;
        *done += now;
        let all = (*sent == self.kept.len()).then_some(*done);
        if all.is_some() {
            self.phase = Phase::Live;
        }
        Released { stanzas, done: all }
    }

    /// The device has the stanzas that this `ack` or `receipt` names. A copy of what another device of the account has
    /// sent is off the queue with a receipt only (whatsapp-rust 0.7 `receipt.rs`: a bare `ack` is ignored). Receipts for one
    /// message have its id, and differ by type, which clients repeat (whatsapp-rust `client.rs`, Baileys `messages-recv.js`).
    pub(crate) fn acknowledge(&mut self, word: &Node) {
        let text = |name| word.attrs.get(name).map(NodeValue::as_str);
        let receipt = word.tag == "receipt";
        let class = if receipt { Some("message".into()) } else { text("class") };
        for id in ids(word) {
            // Acknowledgements come in order, so this one is near the front.
            let position = self.kept.iter().position(|kept| {
                kept.attrs.get("id").is_some_and(|own| own.as_str() == id.as_str())
                    && class.as_ref().is_none_or(|class| kept.tag == **class)
                    && (receipt || kept.tag != "message" || !kept.attrs.contains_key("recipient"))
                    && (kept.tag != "receipt" || kept.attrs.get("type") == word.attrs.get("type"))
            });
            if let Some(position) = position {
                self.forget(position);
            }
        }
    }

    /// A stanza is lost on its way, as if it had never been kept.
    pub(crate) fn lose(&mut self, lost: &Node) {
        let is_it = |kept: &Arc<Node>| {
            let mut same = ["id", "type"].into_iter();
            kept.tag == lost.tag && same.all(|name| kept.attrs.get(name) == lost.attrs.get(name))
        };
        if let Some(position) = self.kept.iter().position(is_it) {
            self.forget(position);
        }
    }

    fn forget(&mut self, position: usize) {
        self.kept.remove(position);
        if let Phase::Catching { sent, .. } = &mut self.phase
            && position < *sent
        {
            *sent -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;
    use crate::stanza::attr;

    fn message(id: &str) -> Arc<Node> {
        NodeBuilder::new("message").attr("id", id).build().into()
    }

    fn ack(class: &str, id: &str) -> Node {
        NodeBuilder::new("ack").attr("class", class).attr("id", id).build()
    }

    fn filled(count: usize) -> Queue {
        let mut queue = Queue::default();
        for number in 0..count {
            assert!(!queue.keep(message(&number.to_string())));
        }
        queue
    }

    fn ids(released: &Released) -> Vec<String> {
        released.stanzas.iter().filter_map(|node| attr(node, "id")).collect()
    }

    #[test]
    fn what_was_not_acknowledged_is_replayed_in_order() {
        let mut queue = filled(3);
        queue.acknowledge(&ack("message", "1"));
        queue.start();
        let released = queue.release();
        assert_eq!((ids(&released), released.done), (vec!["0".into(), "2".into()], Some(2)));
        assert_eq!(attr(&released.stanzas[0], "offline").as_deref(), Some("0"));
        assert!(queue.is_live() && queue.keep(message("new")));
        queue.rest();
        queue.start();
        assert_eq!(queue.release().stanzas.len(), 3);
    }

    #[test]
    fn beyond_a_primer_it_goes_by_what_is_asked_for() {
        let mut queue = filled(20);
        queue.start();
        assert_eq!(queue.release().stanzas.len(), PRIMER);
        assert!(queue.release().stanzas.is_empty() && !queue.is_live());
        queue.ask(10);
        assert_eq!(queue.release().stanzas.len(), 10);
        // What comes meanwhile waits behind the rest.
        assert!(!queue.keep(message("late")));
        queue.ask(10);
        let last = queue.release();
        assert_eq!((last.stanzas.len(), last.done), (6, Some(21)));
    }

    #[test]
    fn who_asked_before_it_took_stanzas_asked_all_the_same() {
        let mut queue = filled(20);
        queue.ask(10);
        queue.start();
        assert_eq!(queue.release().stanzas.len(), 15);
    }

    #[test]
    fn who_asked_once_gets_the_next_batch_for_acknowledging_the_last() {
        let mut queue = filled(20);
        queue.start();
        assert_eq!(queue.release().stanzas.len(), 5);
        for id in 0..5 {
            queue.acknowledge(&ack("message", &id.to_string()));
        }
        assert!(queue.release().stanzas.is_empty(), "it never asked");
        queue.ask(10);
        assert_eq!(queue.release().stanzas.len(), 10);
        for id in 5..15 {
            queue.acknowledge(&ack("message", &id.to_string()));
        }
        assert_eq!(queue.release().done, Some(20));
    }

    #[test]
    fn an_acknowledgement_is_of_a_class_and_a_copy_needs_a_receipt() {
        let mut queue = Queue::default();
        let copy = NodeBuilder::new("message").attr("id", "A").attr("recipient", "1@lid").build();
        queue.keep(copy.into());
        queue.acknowledge(&ack("notification", "A"));
        queue.acknowledge(&ack("message", "A"));
        assert_eq!(queue.missed().messages, 1);
        let item = NodeBuilder::new("item").attr("id", "A").build();
        let list = NodeBuilder::new("list").children([item]).build();
        queue.acknowledge(&NodeBuilder::new("receipt").attr("id", "B").children([list]).build());
        assert_eq!(queue.missed(), Missed::default());
    }

    #[test]
    fn of_two_receipts_for_one_message_the_one_that_is_named_is_acknowledged_or_lost() {
        let receipt = |kind: Option<&str>| {
            let node = NodeBuilder::new("receipt").attr("id", "A");
            kind.into_iter().fold(node, |node, kind| node.attr("type", kind)).build()
        };
        let mut queue = Queue::default();
        for kind in [None, Some("read"), Some("played")] {
            queue.keep(receipt(kind).into());
        }
        for _ in 0..2 {
            queue.acknowledge(&ack("receipt", "A"));
            queue.lose(&receipt(Some("played")));
        }
        let kept: Vec<_> = queue.kept.iter().map(|kept| attr(kept, "type")).collect();
        assert_eq!(kept, [Some("read".to_owned())]);
    }

    #[test]
    fn the_queue_is_bounded_and_drops_the_oldest() {
        let mut queue = filled(KEPT + 1);
        queue.ask(KEPT);
        queue.start();
        let released = queue.release();
        assert_eq!((released.stanzas.len(), ids(&released)[0].as_str()), (KEPT, "1"));
    }
}
