//! What an IQ asks of a community, read from the wire.

use wacore_binary::{Jid, Node};

use crate::groups::change::Refusal;
use crate::groups::request;
use crate::stanza;

/// A request to a community.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// These groups become its own.
    Link(Vec<Jid>),
    /// These groups are its own no more; beside each stands whether those go who are in no other.
    Unlink(Vec<(Jid, bool)>),
    /// There is to be no community any more.
    Deactivate,
    /// A group of it.
    Query(Jid),
    /// Its groups.
    Subgroups,
    /// The account comes into a group of it.
    Join(Jid),
    /// Who is in its groups.
    Participants,
    /// These people go, from it and from all its groups.
    Remove(Vec<Jid>),
}

/// Reads an IQ to a group; `None` for what is no request to a community.
pub(crate) fn read(kind: &str, child: &Node) -> Option<Result<Wish, Refusal>> {
    let jid = || child.attrs().optional_jid("jid").ok_or(Refusal::BadRequest);
    Some(match (kind, child.tag.as_ref()) {
        ("set", "links") => link(child),
        ("set", "unlink") => unlink(child),
        ("set", "delete_parent") => Ok(Wish::Deactivate),
        ("get", "query_linked") => jid().map(Wish::Query),
        ("set", "join_linked_group") => jid().map(Wish::Join),
        // Baileys `Socket/communities.js`, `communityFetchLinkedGroups`.
        ("get", "sub_groups") => Ok(Wish::Subgroups),
        ("get", "linked_groups_participants") => Ok(Wish::Participants),
        ("set", "remove") if stanza::attr(child, "linked_groups").as_deref() == Some("true") => {
            request::participants(child).map(Wish::Remove)
        }
        _ => return None,
    })
}

fn link(child: &Node) -> Result<Wish, Refusal> {
    let link = child.get_optional_child("link").ok_or(Refusal::BadRequest)?;
    of_type(link, "link_type")?;
    request::groups(link, "jid").map(Wish::Link)
}

fn unlink(child: &Node) -> Result<Wish, Refusal> {
    of_type(child, "unlink_type")?;
    let groups = child.get_children_by_tag("group").map(|node| {
        let gid = node.attrs().optional_jid("jid").ok_or(Refusal::BadRequest)?;
        let orphans = stanza::attr(node, "remove_orphaned_members").as_deref() == Some("true");
        Ok((gid, orphans))
    });
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    if groups.is_empty() { Err(Refusal::BadRequest) } else { Ok(Wish::Unlink(groups)) }
}

fn of_type(node: &Node, name: &str) -> Result<(), Refusal> {
    let right = stanza::attr(node, name).as_deref() == Some("sub_group");
    right.then_some(()).ok_or(Refusal::BadRequest)
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    #[test]
    fn groups_to_link_and_to_unlink_are_named() {
        let gid = Jid::group("1");
        let group = |gid: &Jid| NodeBuilder::new("group").attr("jid", gid);
        let links = |kind: &str, groups: Vec<Node>| {
            let link = NodeBuilder::new("link").attr("link_type", kind).children(groups).build();
            read("set", &NodeBuilder::new("links").children([link]).build())
        };
        let named = vec![group(&gid).build()];
        assert_eq!(links("sub_group", named.clone()), Some(Ok(Wish::Link(vec![gid.clone()]))));
        assert_eq!(links("sub_group", vec![]), Some(Err(Refusal::BadRequest)));
        assert_eq!(links("parent_group", named), Some(Err(Refusal::BadRequest)));
        let orphans = group(&gid).attr("remove_orphaned_members", "true").build();
        let unlink = |groups: Vec<Node>| {
            let node = NodeBuilder::new("unlink").attr("unlink_type", "sub_group");
            read("set", &node.children(groups).build())
        };
        assert_eq!(unlink(vec![orphans]), Some(Ok(Wish::Unlink(vec![(gid, true)]))));
        assert_eq!(unlink(vec![]), Some(Err(Refusal::BadRequest)));
    }

    #[test]
    fn who_is_sent_away_from_one_group_is_no_affair_of_communities() {
        assert_eq!(read("set", &NodeBuilder::new("remove").build()), None);
    }
}
