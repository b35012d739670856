//! Prekeys: devices store theirs, and fetch those of others.
//!
//! Widths are those of wacore `iq/prekeys.rs`: ids of keys 3 bytes, of registrations 4, keys 32, signatures 64. What has
//! others is refused with 406, the number that whatsapp-rust `features/rotate_key.rs` knows for a bad key.

use wacore::prekeys::compute_key_bundle_digest;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Then;
use crate::stanza::{self, child_bytes, leaf};
use crate::state::{DeviceAddr, OneTimeKey, State};
use crate::{devices, key_nodes, phone};

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
        ("get", "key") => fetch(state, from, iq, child).unwrap_or_else(|| not_acceptable(iq)),
        ("set", "rotate") => match store_signed_key(state, from, child) {
            Some(()) => stanza::result(iq),
            None => not_acceptable(iq),
        },
        ("set", _) if iq.get_optional_child("list").is_some() => {
            return Some(match upload(state, from, iq) {
                Some(then) => (stanza::result(iq), then),
                None => (not_acceptable(iq), Then::Nothing),
            });
        }
        _ => return None,
    };
    Some((reply, Then::Nothing))
}

fn not_acceptable(iq: &Node) -> Node {
    stanza::error(iq, 406, "not-acceptable")
}

/// Stores what a device uploads, if it is all its own; `None` if anything is not in order.
fn upload(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Then> {
    let keys: Vec<OneTimeKey> = iq
        .get_optional_child("list")?
        .get_children_by_tag("key")
        .map(key_nodes::read_one_time)
        .collect::<Option<_>>()?;
    let registration = child_bytes(iq, "registration")?.try_into().ok()?;
    let device = state.accounts.device(from)?;
    let identity = child_bytes(iq, "identity")?;
    if identity != device.identity || child_bytes(iq, "type")? != [5] {
        return None;
    }
    store_signed_key(state, from, iq)?;
    let device = state.accounts.device_mut(from)?;
    device.registration = u32::from_be_bytes(registration);
    let mut known: std::collections::HashSet<u32> =
        device.one_time_keys.iter().map(OneTimeKey::id).collect();
    let room = MAX_KEYS.saturating_sub(device.one_time_keys.len());
    device.one_time_keys.extend(keys.into_iter().filter(|key| known.insert(key.id())).take(room));
    // There are hundreds, for as long as the device is linked.
    device.one_time_keys.shrink_to_fit();
    let first = !std::mem::replace(&mut device.uploaded, true);
    Some(if first { Then::ShareKeys } else { Then::Nothing })
}

fn store_signed_key(state: &mut State, from: DeviceAddr, parent: &Node) -> Option<()> {
    let key = key_nodes::read_signed(parent.get_optional_child("skey")?)?;
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
    let ids = device.one_time_keys.iter().map(|key| key_nodes::id(key.id()));
    let digest = NodeBuilder::new("digest").children([
        leaf("registration", device.registration.to_be_bytes()),
        leaf("type", [5]),
        leaf("identity", device.identity),
        key_nodes::signed(signed),
        NodeBuilder::new("list").children(ids).build(),
        leaf("hash", hash),
    ]);
    stanza::result_with(iq, digest.build())
}

/// The keys of everybody who is asked for; `None` if nobody is, or somebody without an address.
fn fetch(state: &mut State, from: DeviceAddr, iq: &Node, request: &Node) -> Option<Node> {
    let jid = |user: &Node| stanza::jid(user, "jid");
    let asked: Vec<Jid> = request.get_children_by_tag("user").map(jid).collect::<Option<_>>()?;
    if asked.is_empty() {
        return None;
    }
    let users: Vec<Node> = asked.into_iter().map(|jid| bundle(state, from, jid)).collect();
    Some(stanza::result_with(iq, NodeBuilder::new("list").children(users).build()))
}

/// The keys of one device, a one-time prekey used up; an error in their place if it has none (wacore `prekeys.rs`: the
/// number 406 says that this device is gone, and concerns no other of the same answer).
fn bundle(state: &mut State, from: DeviceAddr, jid: Jid) -> Node {
    let found = keys_of(state, from, &jid);
    let node = NodeBuilder::new("user").attr("jid", jid);
    if let Some(children) = found {
        return node.attr("t", state.clock.now()).children(children).build();
    }
    let error = NodeBuilder::new("error").attr("code", 406).attr("text", "not-acceptable");
    node.children([error.build()]).build()
}

fn keys_of(state: &mut State, from: DeviceAddr, jid: &Jid) -> Option<Vec<Node>> {
    let account = state.accounts.by_jid(jid)?.id;
    devices::knows(state, from.account, account);
    let addr = DeviceAddr { account, device: jid.device };
    let bundle = state.take_bundle(addr)?;
    let mut nodes = vec![
        leaf("registration", bundle.registration.to_be_bytes()),
        leaf("type", [5]),
        leaf("identity", bundle.identity),
        key_nodes::signed(&bundle.signed_key),
    ];
    nodes.extend(bundle.one_time_key.map(key_nodes::one_time));
    // The phone needs nobody to vouch for it.
    let device = state.accounts.device(addr);
    nodes.extend(device.map(|it| leaf("device-identity", it.signed_identity.as_slice())));
    Some(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Device;

    /// A device that is linked and has not uploaded anything.
    fn linked() -> (State, DeviceAddr) {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        state.accounts.get_mut(account).expect("just made").devices.push(Device::new(1, 1, 7));
        (state, DeviceAddr { account, device: 1 })
    }

    fn asks(state: &mut State, from: DeviceAddr, child: Node) -> Node {
        let iq = NodeBuilder::new("iq").attr("id", "1").attr("type", "get").children([child]);
        answer(state, from, &iq.build()).expect("an answer").0
    }

    fn code(parent: Option<&Node>) -> Option<String> {
        stanza::attr(parent?.get_optional_child("error")?, "code")
    }

    #[test]
    fn a_device_without_keys_has_no_digest_and_no_bundle() {
        let (mut state, from) = linked();
        let reply = asks(&mut state, from, NodeBuilder::new("digest").build());
        assert_eq!(code(Some(&reply)).as_deref(), Some("404"));
        let user = NodeBuilder::new("user").attr("jid", Jid::pn_device("15550000001", 1)).build();
        let reply = asks(&mut state, from, NodeBuilder::new("key").children([user]).build());
        let user = reply.get_optional_child_by_tag(&["list", "user"]);
        assert_eq!(code(user).as_deref(), Some("406"));
        assert_eq!(stanza::attr(&reply, "type").as_deref(), Some("result"));
    }
}
