//! Communities: groups to which other groups are linked.
//!
//! `request` reads what a client asks of one, `stanza` is how it looks on the wire, `graph` what the GraphQL channel
//! says of it; the rules are those of the registry.

pub(crate) mod graph;
pub(crate) mod levers;
pub(super) mod request;
pub(crate) mod stanza;

use std::collections::BTreeSet;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::answer::{Outcome, all_pushes, apply};
use super::change::{Change, Refusal};
use super::group::Person;
use super::members::{self, Move};
use super::people;
use super::registry::Notice;
use crate::state::{DeviceAddr, State};

pub(super) use request::Wish;

/// Carries out what somebody asks of a community.
pub(super) fn carry_out(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    community: &Jid,
    wish: Wish,
) -> Outcome {
    match wish {
        Wish::Link(groups) => link(state, from, author, community, &groups),
        Wish::Unlink(groups) => unlink(state, from, author, community, &groups),
        Wish::Deactivate => {
            let at_ms = state.clock.now_ms();
            let notices = state.groups.deactivate(&mut state.journal, community, author, at_ms)?;
            Ok((None, all_pushes(state, notices, Some(from))))
        }
        Wish::Query(gid) => {
            state.groups.community(community)?.role_of(&author.name)?;
            let group = state.groups.linked(community, &gid)?;
            let member = group.member(&author.name).is_some();
            Ok((Some(stanza::linked_group(group, member)), Vec::new()))
        }
        Wish::Subgroups => {
            state.groups.community(community)?.role_of(&author.name)?;
            let groups = state.groups.linked_to(community);
            Ok((Some(stanza::sub_groups(groups)), Vec::new()))
        }
        Wish::Join(gid) => join(state, from, author, community, &gid),
        Wish::Participants => participants(state, author, community),
        Wish::Remove(asked) => remove(state, from, author, community, &asked),
    }
}

fn link(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    community: &Jid,
    groups: &[Jid],
) -> Outcome {
    state.groups.community(community)?.for_admin(&author.name)?;
    let at_ms = state.clock.now_ms();
    let mut heard = Vec::new();
    let mut fates = Vec::with_capacity(groups.len());
    for gid in groups {
        let linked = state.groups.link(&mut state.journal, community, gid, author, at_ms);
        fates.push(settled(gid, linked, &mut heard));
    }
    Ok((Some(stanza::links(fates)), all_pushes(state, heard, Some(from))))
}

fn unlink(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    community: &Jid,
    groups: &[(Jid, bool)],
) -> Outcome {
    state.groups.community(community)?.for_admin(&author.name)?;
    let at_ms = state.clock.now_ms();
    let mut heard = Vec::new();
    let mut fates = Vec::with_capacity(groups.len());
    for (gid, orphans) in groups {
        let journal = &mut state.journal;
        let done = state.groups.unlink(journal, community, gid, author, *orphans, at_ms);
        fates.push(settled(gid, done, &mut heard));
    }
    Ok((Some(stanza::unlink(fates)), all_pushes(state, heard, Some(from))))
}

/// What the answer says of one group; what is to be heard of it goes to the rest.
fn settled(gid: &Jid, done: Result<Vec<Notice>, Refusal>, heard: &mut Vec<Notice>) -> Node {
    match done {
        Ok(notices) => {
            heard.extend(notices);
            stanza::fate(gid, None)
        }
        Err(refusal) => stanza::fate(gid, Some(refusal)),
    }
}

/// A member of the community comes into a group of it, or asks to be let in where an admin decides.
fn join(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    community: &Jid,
    gid: &Jid,
) -> Outcome {
    state.groups.community(community)?.role_of(&author.name)?;
    let group = state.groups.linked(community, gid)?;
    let change = if group.options.approval { Change::Ask } else { Change::Enter };
    let (_, pushes) = apply(state, from, author, gid, &change)?;
    let content = if change == Change::Ask {
        NodeBuilder::new("membership_approval_request").attr("jid", gid).build()
    } else {
        stanza::linked_group(state.groups.find(gid)?, true)
    };
    Ok((Some(content), pushes))
}

fn participants(state: &State, author: &Person, community: &Jid) -> Outcome {
    state.groups.community(community)?.role_of(&author.name)?;
    let mut known = BTreeSet::new();
    let people = state
        .groups
        .linked_to(community)
        .flat_map(|group| &group.members)
        .map(|member| &member.person)
        .filter(|who| known.insert(who.name.clone()));
    Ok((Some(stanza::participants(people)), Vec::new()))
}

/// Each of these people goes from the community and its groups, or is answered with the number of the refusal.
fn remove(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    community: &Jid,
    asked: &[Jid],
) -> Outcome {
    let group = state.groups.community(community)?;
    group.for_admin(&author.name)?;
    let mut names = Vec::new();
    let mut fates = Vec::with_capacity(asked.len());
    for jid in asked {
        let person = people::of_jid(state, jid);
        let allowed = match &person {
            Some(person) => group.allows(Move::Remove, &person.name),
            None => Err(Refusal::NotFound),
        };
        fates.push(members::fate(jid, person.as_ref(), allowed.err()));
        names.extend(
            person
                .filter(|_| allowed.is_ok())
                .map(|who| who.name)
                .filter(|name| !names.contains(name)),
        );
    }
    let content = NodeBuilder::new("remove").children(fates).build();
    if names.is_empty() {
        return Ok((Some(content), Vec::new()));
    }
    let at_ms = state.clock.now_ms();
    let journal = &mut state.journal;
    let notices = state.groups.remove_everywhere(journal, community, author, &names, at_ms)?;
    Ok((Some(content), all_pushes(state, notices, Some(from))))
}
