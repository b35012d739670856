//! Requests of clients, logged in or to be linked: the answer, what follows it, and what a test ordered to go wrong.

use std::time::Duration;

use wacore_binary::Node;

use crate::faults::{Effect, Moment};
use crate::iq::{self, Then};
use crate::state::{DeviceAddr, LinkId, State};
use crate::{limits, pairing, relay, stanza};

/// What is left to do when the lock is gone.
pub(super) enum Later {
    /// The phone shares its keys with a device.
    Share(DeviceAddr),
    /// A client that was just linked is told to come back.
    Restart(LinkId),
    /// A request is answered after a while; the connection of a device that has unlinked itself ends then.
    Answer { after: Duration, reply: Node, last: bool },
}

/// Acts on a request, unless it comes too soon or a fault is in the way. It comes from a device, or from a client that is to be linked.
pub(super) fn act(
    state: &mut State,
    link: LinkId,
    from: Option<DeviceAddr>,
    iq: &Node,
) -> Vec<Later> {
    if matches!(stanza::attr(iq, "type").as_deref(), Some("result" | "error")) {
        return Vec::new();
    }
    if let Some(refusal) = from.and_then(|from| limits::refusal(state, from.account, iq)) {
        state.links.send(link, refusal);
        return Vec::new();
    }
    let fault = state.faults.meet(from.map(|from| from.account), iq);
    let refusal = |code, text: &str, backoff| stanza::refusal(iq, code, text, backoff);
    if stops(state, link, fault.as_ref(), refusal) {
        return Vec::new();
    }
    let (answer, then) = match from {
        Some(from) => iq::answer(state, from, iq),
        None => pairing::answer(state, link, iq),
    };
    let last = then == Then::Unlink;
    // The end of its connection belongs to what a device hears of its own logout.
    let ends = !matches!(
        fault,
        Some(Effect::Silence(_) | Effect::HalfOpen(_) | Effect::Delay(_) | Effect::Refuse { .. })
    );
    let mut later: Vec<Later> =
        reply(state, link, fault.as_ref(), answer.reply, last).into_iter().collect();
    state.push_all(answer.pushes);
    match (then, from) {
        (Then::Replay, Some(from)) => state.replay(from),
        (Then::ShareKeys, Some(from)) => later.push(Later::Share(from)),
        (Then::Unlink, Some(from)) => {
            super::remove(state, from);
            if ends {
                super::end_removed(state, link);
            }
        }
        (Then::OpenBundle, _) => pairing::open_bundle(state, link),
        (Then::Nothing | Then::Replay | Then::ShareKeys | Then::Unlink, _) => {}
    }
    later
}

/// Hands a message on, unless a fault is in the way; a refusal is the `error` of its `ack`.
pub(super) fn message(
    state: &mut State,
    link: LinkId,
    from: DeviceAddr,
    node: &Node,
) -> Vec<Later> {
    let fault = state.faults.meet(Some(from.account), node);
    let now = state.clock.now();
    let refusal = |code, _: &str, _| relay::refusal(node, code, now);
    if stops(state, link, fault.as_ref(), refusal) {
        return Vec::new();
    }
    let ack = relay::message(state, from, node);
    reply(state, link, fault.as_ref(), ack, false).into_iter().collect()
}

/// What a test ordered to go wrong before the server acts: says whether it does not act then.
fn stops(
    state: &mut State,
    link: LinkId,
    fault: Option<&Effect>,
    refusal: impl FnOnce(u16, &str, Option<u32>) -> Node,
) -> bool {
    match fault {
        Some(Effect::Refuse { code, text, backoff }) => {
            state.links.send(link, refusal(*code, text, *backoff));
        }
        Some(Effect::Silence(Moment::Before)) => {}
        Some(Effect::Drop(Moment::Before)) => {
            state.links.cut(link);
        }
        Some(Effect::HalfOpen(Moment::Before)) => state.links.freeze(link),
        _ => return false,
    }
    true
}

/// Replies once the server has acted, unless a test ordered that to go wrong; `last` is for a reply that comes late.
fn reply(
    state: &mut State,
    link: LinkId,
    fault: Option<&Effect>,
    reply: Node,
    last: bool,
) -> Option<Later> {
    match fault {
        Some(&Effect::Delay(after)) => return Some(Later::Answer { after, reply, last }),
        Some(effect) => state.send_under(link, reply.into(), effect),
        None => state.links.send(link, reply),
    }
    None
}
