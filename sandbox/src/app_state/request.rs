//! What a device wants: what it lacks of a collection, or to add a patch to it.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::{Refusal, lacks, named, stanza, upload};
use crate::stanza as common;
use crate::state::{DeviceAddr, State};

/// A `collection` of a request.
struct Wanted<'a> {
    name: String,
    /// The version that the device has; 0 if it has none.
    at: u64,
    /// Whether it begins anew.
    anew: bool,
    patch: Option<&'a [u8]>,
}

/// Answers a sync, collection by collection: one that is refused does not keep the others from being answered.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Node {
    let Some(wanted) = read(iq) else { return common::error(iq, 400, "bad-request") };
    let replies: Vec<Node> = wanted.iter().map(|wanted| one(state, from, wanted)).collect();
    common::result_with(iq, NodeBuilder::new("sync").children(replies).build())
}

fn one(state: &mut State, from: DeviceAddr, wanted: &Wanted<'_>) -> Node {
    let Some(name) = named(&wanted.name) else { return stanza::refused(&wanted.name) };
    let Some(patch) = wanted.patch else {
        return stanza::result(name, lacks(state, from.account, name, wanted.at, wanted.anew));
    };
    match upload(state, from, name, wanted.at, patch) {
        Ok(version) => stanza::taken(name, version),
        Err(Refusal::Conflict) => {
            stanza::conflict(name, lacks(state, from.account, name, wanted.at, false))
        }
        Err(refusal @ Refusal::Invalid(_)) => {
            tracing::warn!(%refusal, "a patch of `{}` was refused", wanted.name);
            stanza::refused(&wanted.name)
        }
    }
}

/// Reads a request; `None` if it is badly formed.
fn read(iq: &Node) -> Option<Vec<Wanted<'_>>> {
    let sync = iq.get_optional_child("sync")?;
    let wanted: Vec<Wanted<'_>> =
        sync.get_children_by_tag("collection").map(collection).collect::<Option<_>>()?;
    (!wanted.is_empty()).then_some(wanted)
}

fn collection(node: &Node) -> Option<Wanted<'_>> {
    let at = common::attr(node, "version").map_or(Some(0), |text| text.parse().ok())?;
    let mut patches = node.get_children_by_tag("patch");
    let patch = patches.next().map(|patch| common::bytes(patch).unwrap_or_default());
    if patches.next().is_some() {
        return None;
    }
    let anew = common::attr(node, "return_snapshot").as_deref() == Some("true");
    Some(Wanted { name: common::attr(node, "name")?, at, anew, patch })
}

#[cfg(test)]
mod tests {
    use buffa::Message as _;
    use waproto::whatsapp::syncd_mutation::SyncdOperation::SET;

    use super::super::patch::tests::{mutation, patch};
    use super::*;
    use crate::stanza::attr;
    use crate::state::Device;

    const FROM: DeviceAddr = DeviceAddr { account: crate::state::AccountId(0), device: 1 };

    fn state() -> State {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        let account = state.accounts.get_mut(account).expect("just made");
        account.devices.extend([Device::new(1, 1, 7), Device::new(2, 2, 8)]);
        state
    }

    fn wants(name: &str, at: u64, bytes: Option<&[u8]>) -> Node {
        NodeBuilder::new("collection")
            .attr("name", name)
            .attr("version", at)
            .children(bytes.map(|bytes| common::leaf("patch", bytes)))
            .build()
    }

    fn ask(state: &mut State, collections: Vec<Node>) -> Node {
        let sync = NodeBuilder::new("sync").children(collections).build();
        answer(state, FROM, &NodeBuilder::new("iq").attr("id", "1").children([sync]).build())
    }

    /// Type, version, error and number of patches of each collection in a reply.
    fn outcome(reply: &Node) -> Vec<(String, Option<String>, Option<String>, usize)> {
        let sync = reply.get_optional_child("sync").expect("a sync");
        let outcome = sync.children().unwrap_or_default().iter().map(|collection| {
            let error = collection.get_optional_child("error");
            let patches = collection.get_optional_child("patches").and_then(Node::children);
            (
                attr(collection, "type").expect("a type"),
                attr(collection, "version"),
                error.and_then(|error| attr(error, "code")),
                patches.map_or(0, <[Node]>::len),
            )
        });
        outcome.collect()
    }

    #[test]
    fn a_patch_on_the_newest_version_is_taken_and_a_late_one_conflicts() {
        let mut state = state();
        let bytes = patch(vec![mutation(SET, 1, 1)], 1).encode_to_vec();
        let taken = ask(&mut state, vec![wants("regular", 0, Some(&bytes))]);
        assert_eq!(outcome(&taken), [("result".into(), Some("1".into()), None, 0)]);
        let late = ask(&mut state, vec![wants("regular", 0, Some(&bytes))]);
        assert_eq!(
            outcome(&late),
            [("error".into(), Some("1".into()), Some("409".into()), 1)],
            "with what is missing"
        );
        let early = ask(&mut state, vec![wants("regular", 7, Some(&bytes))]);
        assert_eq!(outcome(&early)[0].2.as_deref(), Some("409"));
        let waiting = |device| {
            let device = state.accounts.device(DeviceAddr { device, ..FROM });
            device.expect("linked").queue.missed().notifications
        };
        assert_eq!((waiting(1), waiting(2)), (0, 1), "the other device hears of it");
    }

    #[test]
    fn each_collection_is_answered_for_itself() {
        let mut state = state();
        let reply = ask(
            &mut state,
            vec![
                wants("irregular", 0, None),
                wants("regular_low", 0, Some(b"garbage")),
                wants("critical_block", 0, None),
            ],
        );
        let refused = || ("error".to_owned(), None, Some("400".to_owned()), 0);
        let empty = ("result".to_owned(), Some("0".to_owned()), None, 0);
        assert_eq!(outcome(&reply), [refused(), refused(), empty]);
    }

    #[test]
    fn a_badly_formed_request_is_refused() {
        let nameless = NodeBuilder::new("collection").attr("version", 0).build();
        let twice = NodeBuilder::new("collection").attr("name", "regular");
        let twice = twice.children([common::leaf("patch", b"a"), common::leaf("patch", b"b")]);
        let mut unnumbered = wants("regular", 0, None);
        unnumbered.attrs.insert("version", "first");
        for collections in [vec![], vec![nameless], vec![twice.build()], vec![unnumbered]] {
            let reply = ask(&mut state(), collections);
            let error = reply.get_optional_child("error").expect("an error");
            assert_eq!(attr(error, "code").as_deref(), Some("400"));
        }
    }
}
