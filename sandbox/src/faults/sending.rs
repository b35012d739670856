//! Stanzas that go wrong on their way to a client: answers, and what is delivered to devices.

use std::sync::Arc;

use wacore_binary::Node;

use super::{Effect, Moment};
use crate::state::{DeviceAddr, LinkId, Oddity, State};

impl State {
    /// Sends a stanza to the connection of a device, unless a test has ordered that to go wrong. What goes wrong before it is
    /// sent is lost; otherwise the device still has to acknowledge it.
    pub(crate) fn hand(&mut self, addr: DeviceAddr, link: LinkId, node: Arc<Node>) {
        if !self.links.is_open(link) {
            return;
        }
        let Some(effect) = self.faults.meet_delivery(addr.account, &node) else {
            return self.links.send(link, node);
        };
        if effect.moment() == Some(Moment::Before)
            && let Some(device) = self.accounts.device_mut(addr)
        {
            device.queue.lose(&node);
        }
        self.send_under(link, node, &effect);
    }

    /// Sends a stanza that meets this fault on its way.
    pub(crate) fn send_under(&mut self, link: LinkId, node: Arc<Node>, effect: &Effect) {
        match effect {
            Effect::Refuse { .. } | Effect::Silence(_) => {}
            Effect::Drop(_) => {
                self.links.cut(link);
            }
            Effect::HalfOpen(_) => self.links.freeze(link),
            Effect::Duplicate => {
                self.links.send(link, Arc::clone(&node));
                self.links.send(link, node);
            }
            Effect::Delay(time) => self.links.send_oddly(link, node, Oddity::Late(*time)),
            Effect::WrongOrder => self.links.send_oddly(link, node, Oddity::OutOfTurn),
            Effect::Corrupted => self.links.send_oddly(link, node, Oddity::Damaged),
        }
    }
}
