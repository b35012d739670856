//! Small requests that a client makes at every login, and what an account asks about itself.

use wacore_binary::Node;

use super::Then;
use crate::stanza;
use crate::state::{DeviceAddr, State};

/// Answers what needs no state; `None` for what the server does not know.
pub(super) fn answer(namespace: &str, iq: &Node, now: i64) -> Option<Node> {
    let child = stanza::first_child(iq);
    let tag = child.map(|child| child.tag.as_ref()).unwrap_or_default();
    // Baileys sends its statistics without a type (its `socket.js`, `sendWAMBuffer`).
    let kind = stanza::attr(iq, "type").unwrap_or_default();
    match (namespace, kind.as_str(), tag) {
        ("w:stats", "" | "set", "add") => Some(stanza::result(iq)),
        // The time lets a client correct its clock.
        ("w:p", "get", "" | "ping") => {
            let mut reply = stanza::result(iq);
            reply.attrs.insert("t", now);
            Some(reply)
        }
        _ => None,
    }
}

/// A client says whether it takes stanzas; becoming active begins the replay of what it missed.
pub(super) fn passive(iq: &Node) -> Option<(Node, Then)> {
    match stanza::first_child(iq)?.tag.as_ref() {
        "active" => Some((stanza::result(iq), Then::Replay)),
        "passive" => Some((stanza::result(iq), Then::Nothing)),
        _ => None,
    }
}

/// A client logs out: its device is taken from the account. Only the device itself may say so.
pub(super) fn unlink(state: &State, from: DeviceAddr, iq: &Node) -> Option<(Node, Then)> {
    let request = iq.get_optional_child("remove-companion-device")?;
    let jid = stanza::jid(request, "jid");
    let owner = jid.as_ref().and_then(|jid| state.accounts.by_jid(jid)).map(|owner| owner.id);
    let own = owner == Some(from.account) && jid.is_some_and(|jid| jid.device == from.device);
    Some(if own {
        (stanza::result(iq), Then::Unlink)
    } else {
        (stanza::error(iq, 403, "forbidden"), Then::Nothing)
    })
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn iq(kind: &'static str, child: &'static str) -> Node {
        NodeBuilder::new("iq")
            .attr("type", kind)
            .children([NodeBuilder::new(child).build()])
            .build()
    }

    #[test]
    fn a_ping_is_answered_with_the_time() {
        let reply = answer("w:p", &NodeBuilder::new("iq").attr("type", "get").build(), 7);
        assert!(reply.is_some_and(|reply| reply.attrs.contains_key("t")));
    }

    #[test]
    fn what_is_not_known_is_not_answered_here() {
        assert!(answer("w:m", &iq("set", "media_conn"), 7).is_none());
        assert!(answer("privacy", &iq("get", "privacy"), 7).is_none());
        assert!(answer("w:stats", &iq("get", "add"), 7).is_none());
        assert!(passive(&iq("set", "asleep")).is_none());
    }
}
