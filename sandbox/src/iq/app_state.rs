//! The settings that an account's devices share: versioned collections of patches, opaque to the server.

use std::collections::BTreeMap;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::stanza::{self, Push};
use crate::state::{DeviceAddr, State};

/// Patches kept per collection.
const KEPT: usize = 1000;

/// The collections of one account, by name.
#[derive(Debug, Default)]
pub(crate) struct Collections {
    by_name: BTreeMap<String, Collection>,
}

/// The patches of one collection; the version is how many were ever accepted.
#[derive(Debug, Default)]
struct Collection {
    version: u64,
    patches: Vec<Vec<u8>>,
}

/// Answers a sync: stores what is new, and sends what the device lacks. The other devices hear of changes.
pub(super) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let sync = iq.get_optional_child("sync")?;
    let account = state.accounts.get_mut(from.account)?;
    let mut changed = Vec::new();
    let mut replies = Vec::new();
    for request in sync.get_children_by_tag("collection") {
        let name = stanza::attr(request, "name")?;
        let collection = account.app_state.by_name.entry(name.clone()).or_default();
        let before = collection.version;
        replies.push(collection.sync(&name, request));
        if collection.version != before {
            changed.push((name, collection.version));
        }
    }
    for (name, version) in changed {
        notify(state, from, &name, version);
    }
    Some(stanza::result_with(iq, NodeBuilder::new("sync").children(replies).build()))
}

fn notify(state: &mut State, from: DeviceAddr, name: &str, version: u64) {
    let id = state.next_id();
    let collection =
        NodeBuilder::new("collection").attr("name", name).attr("version", version).build();
    let node = stanza::notification(wacore_binary::SERVER_JID, "server_sync", &id)
        .children([collection])
        .build();
    state.push(Push { account: from.account, except: Some(from), node: node.into() });
}

impl Collection {
    fn sync(&mut self, name: &str, request: &Node) -> Node {
        let at = stanza::attr(request, "version").and_then(|text| text.parse().ok()).unwrap_or(0);
        let upload = stanza::child_bytes(request, "patch");
        let reply = NodeBuilder::new("collection").attr("name", name);
        match upload {
            Some(patch) if at == self.version && self.patches.len() < KEPT => {
                self.version += 1;
                self.patches.push(patch.to_vec());
                reply.attr("version", self.version).attr("type", "result").build()
            }
            Some(_) => {
                let error = NodeBuilder::new("error").attr("code", 409).attr("text", "conflict");
                let children = [error.build(), self.after(at)];
                reply.attr("version", self.version).attr("type", "error").children(children).build()
            }
            None => {
                let missing = (at < self.version).then(|| self.after(at));
                reply
                    .attr("version", self.version)
                    .attr("type", "result")
                    .attr("has_more_patches", "false")
                    .children(missing)
                    .build()
            }
        }
    }

    /// The patches that come after a version.
    fn after(&self, version: u64) -> Node {
        let known = usize::try_from(version).unwrap_or(usize::MAX);
        let patches =
            self.patches.iter().skip(known).map(|patch| stanza::leaf("patch", patch.as_slice()));
        NodeBuilder::new("patches").children(patches).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: u64, patch: Option<&[u8]>) -> Node {
        NodeBuilder::new("collection")
            .attr("version", version)
            .children(patch.map(|patch| stanza::leaf("patch", patch)))
            .build()
    }

    #[test]
    fn a_patch_on_the_current_version_is_stored_and_a_late_one_conflicts() {
        let mut collection = Collection::default();
        let kind = |reply: &Node| stanza::attr(reply, "type");
        let stored = collection.sync("regular", &request(0, Some(b"one")));
        assert_eq!(kind(&stored).as_deref(), Some("result"));
        let late = collection.sync("regular", &request(0, Some(b"two")));
        assert_eq!(kind(&late).as_deref(), Some("error"));
        let missing = late.get_optional_child("patches").expect("what it lacks");
        assert_eq!(stanza::child_bytes(missing, "patch"), Some(b"one".as_slice()));
        assert_eq!(collection.version, 1);
    }

    #[test]
    fn who_is_up_to_date_gets_no_patches() {
        let mut collection = Collection::default();
        let reply = collection.sync("regular", &request(0, None));
        assert!(reply.get_optional_child("patches").is_none());
        assert_eq!(stanza::attr(&reply, "version").as_deref(), Some("0"));
    }
}
