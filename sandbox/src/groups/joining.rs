//! How people come into a group other than by being added: by its link, with an admin's leave, or invited by name.
//!
//! Numbers as clients know them from the real server: 401 for a link that never was, 410 for one that was revoked or an
//! invitation that has expired or whose author may add nobody any more, 419 for a full group.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::answer::{Outcome, apply};
use super::change::{Change, Refusal};
use super::group::{Invitation, Person};
use super::{members, people, stanza as node};
use crate::state::{DeviceAddr, State};

/// How long somebody who was invited by name may take, in seconds: three days.
const INVITATION: i64 = 3 * 86_400;

/// What a link leads to.
pub(super) fn preview(state: &State, code: &str) -> Outcome {
    let group = state.groups.by_code(code)?;
    Ok((Some(node::group(group, node::Parts::ALL)), Vec::new()))
}

/// Somebody follows a link: they are in, or have asked to be let in.
pub(super) fn join(state: &mut State, from: DeviceAddr, author: &Person, code: &str) -> Outcome {
    let group = state.groups.by_code(code)?;
    let (gid, change) = (group.jid(), group.joining());
    let asks = change == Change::Ask;
    let (_, pushes) = apply(state, from, author, &gid, &change)?;
    let content = NodeBuilder::new(if asks { "membership_approval_request" } else { "group" });
    Ok((Some(content.attr("jid", &gid).build()), pushes))
}

/// Somebody takes an invitation that has their name on it.
pub(super) fn accept(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    gid: &Jid,
    code: &str,
    admin: &Jid,
) -> Outcome {
    let group = state.groups.find(gid)?;
    let invitation = group.invitations.get(&author.name).ok_or(Refusal::NotAuthorized)?;
    let by = people::of_jid(state, admin).ok_or(Refusal::NotFound)?;
    if invitation.code != code || invitation.by != by {
        return Err(Refusal::NotAuthorized);
    }
    // It is worth as much as the word of who invited: whom they may not add now they do not invite either.
    if invitation.expires <= state.clock.now() || group.for_adding(&by.name).is_err() {
        return Err(Refusal::Gone);
    }
    let (_, pushes) = apply(state, from, author, gid, &Change::Join)?;
    Ok((Some(NodeBuilder::new("group").attr("jid", gid).build()), pushes))
}

/// Invites somebody who lets nobody add them; what the answer says of them.
pub(super) fn invited(
    state: &mut State,
    gid: &Jid,
    by: &Person,
    asked: &Jid,
    person: &Person,
) -> Node {
    let expires = state.clock.now() + INVITATION;
    let code = state.groups.codes.invite();
    let invitation = Invitation { code: code.clone(), expires, by: by.clone() };
    state.groups.invite(gid, &person.name, invitation);
    let request = NodeBuilder::new("add_request").attr("code", code).attr("expiration", expires);
    let mut fate = members::fate(asked, Some(person), Some(Refusal::Forbidden));
    fate.content = Some(wacore_binary::NodeContent::Nodes(vec![request.build()]));
    fate
}

/// Those who ask to be let in, for admins.
pub(super) fn requests(state: &State, author: &Person, gid: &Jid) -> Outcome {
    let group = state.groups.find(gid)?;
    group.for_admin(&author.name)?;
    Ok((Some(node::requests(group)), Vec::new()))
}

/// An admin lets in or turns away who has asked; the answer says of everybody how it went.
pub(super) fn decide(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    gid: &Jid,
    admit: bool,
    asked: &[Jid],
) -> Outcome {
    let group = state.groups.find(gid)?;
    group.for_admin(&author.name)?;
    let mut decided: Vec<Person> = Vec::new();
    let fates: Vec<Node> = asked
        .iter()
        .map(|jid| {
            let person = people::of_jid(state, jid);
            let known = person.as_ref().ok_or(Refusal::NotFound);
            let refused = known
                .and_then(|person| group.asked(&person.name))
                .and_then(|()| if admit { group.has_room(decided.len() + 1) } else { Ok(()) })
                .err();
            let fate = members::fate(jid, person.as_ref(), refused);
            decided.extend(person.filter(|who| refused.is_none() && !decided.contains(who)));
            fate
        })
        .collect();
    let tag = if admit { "approve" } else { "reject" };
    let inner = NodeBuilder::new(tag).children(fates).build();
    let content = NodeBuilder::new("membership_requests_action").children([inner]).build();
    if decided.is_empty() {
        return Ok((Some(content), Vec::new()));
    }
    let change = if admit {
        Change::Admit(decided)
    } else {
        Change::Reject(decided.into_iter().map(|person| person.name).collect())
    };
    let (_, pushes) = apply(state, from, author, gid, &change)?;
    Ok((Some(content), pushes))
}
