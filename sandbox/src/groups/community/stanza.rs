//! Communities as nodes on the wire: what marks a group as one or as linked to one, and what is said of ties.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::groups::change::Refusal;
use crate::groups::group::{Group, Person};
use crate::groups::standing::{Part, Standing};
use crate::groups::stanza::{self, Parts};

/// What became of the tie between a community and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    /// They are linked now.
    Linked,
    /// They are linked no more.
    Unlinked,
    /// They are linked no more, because there is no community any more.
    Orphaned,
}

/// What marks a group in its `group` node (wacore `iq/groups.rs`, `GroupInfoResponse`).
pub(crate) fn marks(group: &Group) -> Vec<Node> {
    let flag = |tag| NodeBuilder::new(tag).build();
    match &group.standing {
        Standing::Alone => Vec::new(),
        Standing::Community { open } => {
            let parent = NodeBuilder::new("parent");
            let parent = if group.options.approval {
                parent.attr("default_membership_approval_mode", "request_required")
            } else {
                parent
            };
            let open = open.then(|| flag("allow_non_admin_sub_group_creation"));
            std::iter::once(parent.build()).chain(open).collect()
        }
        Standing::Linked { to, part } => {
            let linked = NodeBuilder::new("linked_parent").attr("jid", to).build();
            let part = match part {
                Part::Announcements => Some(flag("default_sub_group")),
                Part::General => Some(flag("general_chat")),
                Part::Group => None,
            };
            std::iter::once(linked).chain(part).collect()
        }
    }
}

/// What a notification says of a group's tie with another (wacore `stanza/groups.rs`: `Link`, `Unlink`).
pub(crate) fn tie(group: &Group, other: &Group, tie: Tie) -> Node {
    let other_is = if group.is_community() { "sub_group" } else { "parent_group" };
    let node = match tie {
        Tie::Linked => NodeBuilder::new("link").attr("link_type", other_is),
        Tie::Unlinked => NodeBuilder::new("unlink")
            .attr("unlink_type", other_is)
            .attr("unlink_reason", "unlink_group"),
        Tie::Orphaned => NodeBuilder::new("unlink")
            .attr("unlink_type", other_is)
            .attr("unlink_reason", "delete_parent"),
    };
    let other = NodeBuilder::new("group")
        .attr("jid", other.jid())
        .attr("subject", other.subject.text.as_str())
        .attr("s_t", other.subject.at_ms / 1000);
    node.children([other.build()]).build()
}

/// What a notification says when there is no group any more (wacore `stanza/groups.rs`: `Delete`).
pub(crate) fn deleted() -> Node {
    NodeBuilder::new("delete").attr("reason", "delete_parent").build()
}

/// What became of each group that was to be linked (wacore `iq/groups.rs`, `LinkSubgroupsIq`).
pub(crate) fn links(fates: Vec<Node>) -> Node {
    let link = NodeBuilder::new("link").attr("link_type", "sub_group").children(fates).build();
    NodeBuilder::new("links").children([link]).build()
}

/// What became of each group that was to be unlinked (wacore `iq/groups.rs`, `UnlinkSubgroupsIq`).
pub(crate) fn unlink(fates: Vec<Node>) -> Node {
    NodeBuilder::new("unlink").attr("unlink_type", "sub_group").children(fates).build()
}

/// What became of one group.
pub(crate) fn fate(gid: &Jid, refused: Option<Refusal>) -> Node {
    let node = NodeBuilder::new("group").attr("jid", gid);
    match refused {
        Some(refusal) => node.attr("error", refusal.code()).build(),
        None => node.build(),
    }
}

/// A group as its community shows it: who is in it, it says only to its members.
pub(crate) fn linked_group(group: &Group, member: bool) -> Node {
    let parts = Parts { participants: member, description: true };
    NodeBuilder::new("linked_group").children([stanza::group(group, parts)]).build()
}

/// The groups of a community, without their members (Baileys `Socket/communities.js`).
pub(crate) fn sub_groups<'a>(groups: impl Iterator<Item = &'a Group>) -> Node {
    let parts = Parts { participants: false, description: false };
    let groups = groups.map(|group| stanza::group(group, parts));
    NodeBuilder::new("sub_groups").children(groups.collect::<Vec<_>>()).build()
}

/// Everybody who is in a group of a community, once.
pub(crate) fn participants<'a>(people: impl Iterator<Item = &'a Person>) -> Node {
    let people = people.map(|who| {
        NodeBuilder::new("participant")
            .attr("jid", &who.lid)
            .attr("phone_number", &who.phone)
            .build()
    });
    NodeBuilder::new("linked_groups_participants").children(people.collect::<Vec<_>>()).build()
}
