//! Who hears that a message has arrived, was read, or has to be sent once more.

use tracing::{debug, warn};
use wacore_binary::{Jid, Node, Server};

use super::stanza::{self, Addresses, Addressing};
use crate::newsletters;
use crate::stanza::{attr, has_id, jid};
use crate::state::{Account, DeviceAddr, State};

/// Whom a receipt concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The author, on all their devices.
    Author,
    /// The author, and the reader's other devices: what one has read the others show as read.
    AuthorAndOwn,
    /// The one device that is named.
    Device,
    /// The same, if it is the reader's account's: its affairs are nobody else's.
    OwnDevice,
    /// The phone of the reader's account, whichever device of it is named: whatsapp-rust `features/media_reupload.rs` names
    /// its own, Baileys `messages-media.js` none.
    OwnPhone,
    /// The reader's other devices only: nobody else is to know.
    Own,
}

impl Reach {
    /// By the type of the receipt; types are those of whatsapp-rust 0.7 (`types/presence.rs`).
    fn of(kind: Option<&str>) -> Option<Self> {
        Some(match kind {
            None | Some("inactive" | "view") => Self::Author,
            Some("read" | "played") => Self::AuthorAndOwn,
            Some("read-self" | "played-self") => Self::Own,
            Some("retry" | "enc_rekey_retry") => Self::Device,
            Some("sender" | "peer_msg" | "hist_sync") => Self::OwnDevice,
            Some("server-error") => Self::OwnPhone,
            Some(_) => return None,
        })
    }
}

/// Takes a receipt from a device: the message is off its queue, and those whom it concerns hear of it. Returns the
/// device's `ack`.
pub(crate) fn receipt(state: &mut State, from: DeviceAddr, node: &Node) -> Node {
    state.acknowledge(from, node);
    let kind = attr(node, "type");
    if let Some(newsletter) = jid(node, "to").filter(|to| to.server == Server::Newsletter) {
        newsletters::relay::receipt(state, from, &newsletter, node);
    } else if !has_id(node) {
        debug!("a receipt without an id is for no message");
    } else if let Some(reach) = Reach::of(kind.as_deref()) {
        let at = state.clock.now();
        for (addr, addresses) in concerned(state, from, node, reach).unwrap_or_default() {
            state.deliver(addr, stanza::receipt(node, addresses, at).into());
        }
    } else {
        warn!(kind, "a receipt of a type that is not known");
    }
    let mut ack = stanza::ack("receipt", node);
    for name in ["type", "participant"] {
        if let Some(value) = node.attrs.get(name) {
            ack = ack.attr(name, value.clone());
        }
    }
    ack.build()
}

type Letters = Vec<(DeviceAddr, Addresses)>;

fn concerned(state: &State, from: DeviceAddr, node: &Node, reach: Reach) -> Option<Letters> {
    let me = state.accounts.get(from.account)?;
    let to = jid(node, "to")?;
    let participant = jid(node, "participant");
    let in_chat = matches!(to.server, Server::Group | Server::Broadcast);
    // In a chat of many the author is named beside it; among two the author is the other one.
    let author = if in_chat { participant.clone()? } else { to.clone() };
    let way = Addressing::of(&author)?;
    let account = state.accounts.by_jid(&author)?;
    let mine = if in_chat {
        stanza::in_chat(&to, me, from, way)
    } else {
        vec![("from", way.device(me, from.device).into())]
    };
    // Among two it names the chat of a copy, which only the account's own devices get.
    let with_chat = |chat: Option<Jid>| -> Addresses {
        let chat = chat.filter(|_| !in_chat);
        mine.iter().cloned().chain(chat.map(|chat| ("recipient", chat.into()))).collect()
    };
    let theirs = with_chat(jid(node, "recipient").filter(|_| account.id == me.id));
    let all = |account: &Account, addresses: Addresses| -> Letters {
        others(account, from).map(|addr| (addr, addresses.clone())).collect()
    };
    let own = || all(me, with_chat((account.id != me.id).then(|| to.to_non_ad())));
    let outside = to.server == Server::Group
        && !state.groups.find(&to).is_ok_and(|group| group.member(&me.name).is_some());
    // Who is not in the group, or is blocked, is heard by their own devices at most.
    let unheard = outside || (!in_chat && account.privacy.blocks(me.id));
    let mut letters = match reach {
        Reach::OwnDevice | Reach::OwnPhone if account.id != me.id => Vec::new(),
        Reach::Device | Reach::OwnDevice | Reach::OwnPhone => {
            let device = if reach == Reach::OwnPhone { 0 } else { author.device };
            let named = DeviceAddr { account: account.id, device };
            if named == from { Vec::new() } else { vec![(named, theirs)] }
        }
        Reach::Own => own(),
        Reach::AuthorAndOwn if account.id != me.id => [all(account, theirs), own()].concat(),
        Reach::Author | Reach::AuthorAndOwn => all(account, theirs),
    };
    letters.retain(|(addr, _)| !unheard || addr.account == me.id);
    Some(letters)
}

/// All devices of an account, but for this one.
fn others(account: &Account, from: DeviceAddr) -> impl Iterator<Item = DeviceAddr> + use<'_> {
    account.everywhere().filter(move |addr| *addr != from)
}
