//! Prekeys: devices store theirs, and fetch those of others.

use wacore::prekeys::compute_key_bundle_digest;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Then;
use crate::clock;
use crate::pairing::number;
use crate::phone;
use crate::stanza::{self, child_bytes, leaf};
use crate::state::{DeviceAddr, OneTimeKey, SignedKey, State};

/// One-time prekeys that a device may store: several times what clients upload.
const MAX_KEYS: usize = 4096;

/// Answers a request in the namespace `encrypt`.
pub(super) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<(Node, Then)> {
    let child = stanza::first_child(iq)?;
    let kind = stanza::attr(iq, "type")?;
    let reply = match (kind.as_str(), child.tag.as_ref()) {
        ("get", "count") => {
            let count = state.accounts.device(from)?.one_time_keys.len();
            stanza::result_with(iq, NodeBuilder::new("count").attr("value", count).build())
        }
        ("get", "digest") => digest(state, from, iq),
        ("get", "key") => {
            let users = child.get_children_by_tag("user").map(|user| bundle(state, user));
            let users: Vec<Node> = users.collect();
            stanza::result_with(iq, NodeBuilder::new("list").children(users).build())
        }
        ("set", "rotate") => match store_signed_key(state, from, child) {
            Some(()) => stanza::result(iq),
            None => stanza::error(iq, 406, "not-acceptable"),
        },
        ("set", _) if iq.get_optional_child("list").is_some() => {
            return Some(match upload(state, from, iq) {
                Some(then) => (stanza::result(iq), then),
                None => (stanza::error(iq, 406, "not-acceptable"), Then::Nothing),
            });
        }
        _ => return None,
    };
    Some((reply, Then::Nothing))
}

/// Stores what a device uploads, if it is all its own; `None` if anything is not in order.
fn upload(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Then> {
    let keys: Vec<OneTimeKey> = iq
        .get_optional_child("list")?
        .get_children_by_tag("key")
        .map(|key| {
            let id = number(child_bytes(key, "id")?)?;
            let public = child_bytes(key, "value")?.try_into().ok()?;
            Some(OneTimeKey { id, public })
        })
        .collect::<Option<_>>()?;
    let registration = number(child_bytes(iq, "registration")?)?;
    let device = state.accounts.device(from)?;
    let identity = child_bytes(iq, "identity")?;
    if identity != device.identity || child_bytes(iq, "type")? != [5] {
        return None;
    }
    store_signed_key(state, from, iq)?;
    let device = state.accounts.device_mut(from)?;
    device.registration = registration;
    let known: std::collections::HashSet<u32> =
        device.one_time_keys.iter().map(|key| key.id).collect();
    let room = MAX_KEYS.saturating_sub(device.one_time_keys.len());
    device.one_time_keys.extend(keys.into_iter().filter(|key| !known.contains(&key.id)).take(room));
    let first = !std::mem::replace(&mut device.uploaded, true);
    Some(if first { Then::ShareKeys } else { Then::Nothing })
}

fn store_signed_key(state: &mut State, from: DeviceAddr, parent: &Node) -> Option<()> {
    let node = parent.get_optional_child("skey")?;
    let key = SignedKey {
        id: number(child_bytes(node, "id")?)?,
        public: child_bytes(node, "value")?.try_into().ok()?,
        signature: child_bytes(node, "signature")?.try_into().ok()?,
    };
    let device = state.accounts.device_mut(from)?;
    phone::signed_by(device.identity, &key).then(|| device.signed_key = key)
}

/// What the server has of a device, for it to compare.
fn digest(state: &State, from: DeviceAddr, iq: &Node) -> Node {
    let Some(device) = state.accounts.device(from).filter(|device| device.uploaded) else {
        return stanza::error(iq, 404, "item-not-found");
    };
    let publics: Vec<&[u8]> =
        device.one_time_keys.iter().map(|key| key.public.as_slice()).collect();
    let signed = &device.signed_key;
    let hash =
        compute_key_bundle_digest(&device.identity, &signed.public, &signed.signature, &publics);
    let ids = device.one_time_keys.iter().map(|key| leaf("id", key_id(key.id)));
    let digest = NodeBuilder::new("digest").children([
        leaf("registration", device.registration.to_be_bytes()),
        leaf("type", [5]),
        leaf("identity", device.identity),
        signed_key(signed),
        NodeBuilder::new("list").children(ids).build(),
        leaf("hash", hash),
    ]);
    stanza::result_with(iq, digest.build())
}

/// The keys of one device, a one-time prekey used up; an error in their place if it has none.
fn bundle(state: &mut State, user: &Node) -> Node {
    let jid = user.attrs.get("jid").and_then(wacore_binary::NodeValue::to_jid).unwrap_or_default();
    let found = keys_of(state, &jid);
    let node = NodeBuilder::new("user").attr("jid", jid);
    if let Some(children) = found {
        return node.attr("t", clock::now()).children(children).build();
    }
    let error = NodeBuilder::new("error").attr("code", 406).attr("text", "not-acceptable");
    node.children([error.build()]).build()
}

fn keys_of(state: &mut State, jid: &Jid) -> Option<Vec<Node>> {
    let account = state.accounts.by_jid(jid)?;
    if jid.device == 0 {
        let keys = &account.keys;
        return Some(identity_nodes(keys.registration, keys.public(), &keys.signed_key));
    }
    let addr = DeviceAddr { account: account.id, device: jid.device };
    let device = state.accounts.device_mut(addr).filter(|device| device.uploaded)?;
    let mut nodes = identity_nodes(device.registration, device.identity, &device.signed_key);
    if let Some(key) = device.one_time_keys.pop_front() {
        let parts = [leaf("id", key_id(key.id)), leaf("value", key.public)];
        nodes.push(NodeBuilder::new("key").children(parts).build());
    }
    nodes.push(leaf("device-identity", device.signed_identity.as_slice()));
    Some(nodes)
}

fn identity_nodes(registration: u32, identity: [u8; 32], key: &SignedKey) -> Vec<Node> {
    vec![
        leaf("registration", registration.to_be_bytes()),
        leaf("type", [5]),
        leaf("identity", identity),
        signed_key(key),
    ]
}

fn signed_key(key: &SignedKey) -> Node {
    let parts =
        [leaf("id", key_id(key.id)), leaf("value", key.public), leaf("signature", key.signature)];
    NodeBuilder::new("skey").children(parts).build()
}

/// Ids of keys are three bytes on the wire.
fn key_id(id: u32) -> Vec<u8> {
    id.to_be_bytes()[1..].to_vec()
}
