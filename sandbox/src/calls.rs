//! Calls as far as they are signalled: an offer rings on every device, and what follows reaches the other side. No sound
//! and no picture pass here.
//!
//! Shapes are those of wacore 0.7 (`stanza/call.rs`): `call` with one action, which names the call and its creator.

use std::sync::Arc;

use serde_json::json;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent};

use crate::phone::Recipient;
use crate::relay::{self, Addressing};
use crate::stanza::{attr, jid};
use crate::state::{Account, AccountId, DeviceAddr, State};
use crate::tokens::{self, Shown};
use crate::{Error, Phone, Result};

/// The parts of an offer in their order; the server refuses another (wacore `stanza/call.rs`: 439).
const PARTS: [&[&str]; 8] = [
    &["privacy"],
    &["audio"],
    &["video"],
    &["net"],
    &["capability"],
    &["destination", "enc"],
    &["encopt"],
    &["device-identity"],
];

/// Takes a call's stanza from a device and hands it to the other side; returns the `ack`, which says what it was for. One
/// without an id is for now or never: wacore 0.7 `stanza/call.rs` has seen `transport` and the like come without.
pub(crate) fn call(state: &mut State, from: DeviceAddr, node: &Node) -> Node {
    let action = node.children().and_then(<[Node]>::first);
    let ack = relay::ack("call", node);
    let kind = action.map_or("", |action| action.tag.as_ref()).to_owned();
    let ack = if kind.is_empty() { ack } else { ack.attr("type", kind.as_str()) };
    match action.ok_or(400).and_then(|action| ring(state, from, node, action)) {
        Ok(()) => ack.build(),
        Err(code) => ack.attr("error", code).build(),
    }
}

/// Rings, or tells what became of it.
fn ring(
    state: &mut State,
    from: DeviceAddr,
    node: &Node,
    action: &Node,
) -> std::result::Result<(), u16> {
    let to = jid(node, "to").ok_or(400_u16)?;
    let id = attr(action, "call-id").filter(|id| !id.is_empty()).ok_or(400_u16)?;
    let way = Addressing::of(&to).ok_or(400_u16)?;
    if action.tag == "offer" && !is_in_order(action) {
        return Err(439);
    }
    let me = state.accounts.get(from.account).ok_or(404_u16)?;
    let you = state.accounts.by_jid(&to).filter(|you| you.id != me.id).ok_or(404_u16)?;
    if !you.has(to.device) {
        return Err(404);
    }
    let offers = action.tag == "offer" && !from.is_phone();
    if offers && !tokens::passes(state, me.id, you.id, Shown::in_offer(action)) {
        return Err(463);
    }
    let at = state.clock.now();
    let letters: Vec<(DeviceAddr, Arc<Node>)> = if you.privacy.blocks(me.id) {
        // Who is blocked hears it ring, and nobody answers.
        Vec::new()
    } else {
        heard_by(you, &to)
            .map(|device| (device, told(me, from, node, action, way, device, at).into()))
            .collect()
    };
    let name = me.name.clone();
    let detail = json!({ "id": id, "device": from.device, "to": you.name });
    state.journal.record(
        state.clock.now_ms(),
        &name,
        &format!("call.{}", action.tag),
        &to.to_string(),
        detail,
    );
    for (device, letter) in letters {
        state.deliver(device, letter);
    }
    Ok(())
}

/// Whether the parts that are known of an offer come in their order.
fn is_in_order(offer: &Node) -> bool {
    let place = |part: &Node| PARTS.iter().position(|names| names.contains(&part.tag.as_ref()));
    offer.children().unwrap_or_default().iter().filter_map(place).is_sorted()
}

/// The one device that is named, or all linked ones; a phone rings, but nobody hears it here.
fn heard_by<'a>(you: &'a Account, to: &Jid) -> impl Iterator<Item = DeviceAddr> + use<'a> {
    let named = to.device;
    you.linked().filter(move |device| named == 0 || device.device == named)
}

/// The stanza for one device: of the keys of a call the one that is sealed for it.
fn told(
    me: &Account,
    from: DeviceAddr,
    node: &Node,
    action: &Node,
    way: Addressing,
    device: DeviceAddr,
    at: i64,
) -> Node {
    let mut action = action.clone();
    if let Some(NodeContent::Nodes(children)) = &mut action.content {
        let is_it =
            |place: &&Node| jid(place, "jid").is_some_and(|jid| jid.device == device.device);
        let sealed = |places: &Node| {
            places.children()?.iter().find(is_it)?.get_optional_child("enc").cloned()
        };
        let parts = std::mem::take(children).into_iter();
        children.extend(parts.filter_map(|part| match part.tag.as_ref() {
            "destination" => sealed(&part),
            // That is for the server.
            "privacy" => None,
            _ => Some(part),
        }));
    }
    let mut call = NodeBuilder::new("call")
        .attr("from", way.device(me, from.device))
        .attr("t", at)
        .attr("notify", me.push_name.as_str());
    if let Some(id) = node.attrs.get("id") {
        call = call.attr("id", id.clone());
    }
    call.children([action]).build()
}

impl Phone {
    /// Calls the phone of this name, or whoever has this number or JID: it rings on all their devices. Returns the id
    /// of the call. What the other side does is in the journal: `call.reject`, `call.accept` and the like.
    pub fn calls(&self, whom: &str, video: bool) -> Result<String> {
        let (mut state, account) = self.known();
        let to = callee(&state, account, whom)?;
        Ok(begin(&mut state, account, &to, video))
    }

    /// Ends a call with whoever was called.
    pub fn hangs_up(&self, whom: &str, id: &str) -> Result<()> {
        let (mut state, account) = self.known();
        let to = callee(&state, account, whom)?;
        end(&mut state, account, &to, id);
        Ok(())
    }
}

/// The phone of an account calls somebody; returns the id of the call.
pub(crate) fn begin(state: &mut State, account: AccountId, to: &Jid, video: bool) -> String {
    let id = format!("{:032X}", u128::from_be_bytes(state.call_ids.bytes()));
    let mut children =
        vec![NodeBuilder::new("audio").attr("enc", "opus").attr("rate", "16000").build()];
    children.extend(video.then(|| NodeBuilder::new("video").attr("enc", "vp8").build()));
    say(state, account, to, "offer", &id, children);
    id
}

/// The phone of an account ends a call.
pub(crate) fn end(state: &mut State, account: AccountId, to: &Jid, id: &str) {
    say(state, account, to, "terminate", id, Vec::new());
}

/// The person whom a name, a number or a JID stands for, for somebody else to call.
pub(crate) fn callee(state: &State, caller: AccountId, whom: &str) -> Result<Jid> {
    match Recipient::find(state, whom) {
        Ok(Recipient::Person { account, .. }) if account == caller => {
            Err(Error::OwnNumber(whom.to_owned()))
        }
        Ok(person @ Recipient::Person { .. }) => Ok(person.jid(state)),
        _ => Err(Error::NoSuchPhone(whom.to_owned())),
    }
}

/// The phone of an account says something about a call.
fn say(
    state: &mut State,
    account: AccountId,
    to: &Jid,
    action: &'static str,
    id: &str,
    children: Vec<Node>,
) {
    let Some(creator) = state.accounts.get(account).map(Account::lid) else { return };
    let action = NodeBuilder::new(action).attr("call-id", id).attr("call-creator", creator);
    let stanza = state.next_id();
    let node = NodeBuilder::new("call")
        .attr("to", to)
        .attr("id", stanza)
        .children([action.children(children).build()])
        .build();
    call(state, DeviceAddr::phone(account), &node);
}
