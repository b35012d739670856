//! Requests of logged-in devices, by their namespace.

mod account;
mod encrypt;
mod mex;
pub(crate) mod privacy;
pub(crate) mod props;
mod usync;

use wacore_binary::Node;

use crate::media;
use crate::newsletters;
use crate::pictures;
use crate::profile;
use crate::stanza::{self, Answer};
use crate::state::{DeviceAddr, State};
use crate::{app_state, dirty, groups, tokens};

/// What is to follow a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// The device now listens: it gets what it missed.
    Replay,
    /// The device has prekeys for the first time: the phone shares its keys with it.
    ShareKeys,
    /// The device has unlinked itself.
    Unlink,
    /// A client that is to be linked by a code has sealed its identity: the phone opens it.
    OpenBundle,
}

/// Answers a request; one that the server does not know gets a 501, from a lenient server an empty result, and counts.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> (Answer, Then) {
    let namespace = stanza::attr(iq, "xmlns").unwrap_or_default();
    let reply = match namespace.as_str() {
        "encrypt" => return finish(encrypt::answer(state, from, iq), state, iq),
        "passive" => return finish(account::passive(iq), state, iq),
        "md" => return finish(account::unlink(state, from, iq), state, iq),
        "w:g2" => match groups::handle(state, &from, iq) {
            Some(answer) => return (answer, Then::Nothing),
            None => pictures::of_groups(state, from, iq),
        },
        "w:mex" => match mex::answer(state, from, iq) {
            Some(answer) => return (answer, Then::Nothing),
            None => None,
        },
        "newsletter" => newsletters::request::answer(state, from, iq),
        "w:m" => media::answer(state, from, iq),
        "w:profile:picture" => match pictures::answer(state, from, iq) {
            Some(answer) => return (answer, Then::Nothing),
            None => None,
        },
        "w:sync:app:state" => Some(app_state::answer(state, from, iq)),
        "privacy" => match tokens::answer(state, from, iq) {
            Some(answer) => return (answer, Then::Nothing),
            None => privacy::answer(state, from, iq),
        },
        "blocklist" => match privacy::blocklist(state, from, iq) {
            Some(answer) => return (answer, Then::Nothing),
            None => None,
        },
        "status" => match profile::about(state, from, iq) {
            Some(answer) => return (answer, Then::Nothing),
            None => None,
        },
        "disappearing_mode" => match profile::timer(state, from, iq) {
            Some(answer) => return (answer, Then::Nothing),
            None => None,
        },
        "w:biz" => profile::profiles(state, iq),
        "usync" => usync::answer(state, from, iq),
        "abt" | "w" => props::answer(state, from, iq),
        "urn:xmpp:whatsapp:dirty" => dirty::clean(state, from, iq),
        other => account::answer(other, iq, state.clock.now()),
    };
    finish(reply.map(|reply| (reply, Then::Nothing)), state, iq)
}

/// The reply to what the server does not know.
pub(crate) fn unknown(state: &mut State, iq: &Node) -> Node {
    state.strictness.unknown_iq(&mut state.oddities, iq)
}

fn finish(reply: Option<(Node, Then)>, state: &mut State, iq: &Node) -> (Answer, Then) {
    let (reply, then) = reply.unwrap_or_else(|| (unknown(state, iq), Then::Nothing));
    (reply.into(), then)
}
