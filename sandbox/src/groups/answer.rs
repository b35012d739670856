//! Answers to the IQs of namespace `w:g2`.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent};

use super::change::{Change, MEMBERS_MAX, Refusal};
use super::group::{Person, Role};
use super::members::Move;
use super::registry::{Founding, Notice};
use super::request::{self, Create, Request};
use super::standing::Standing;
use super::stanza::Parts;
use super::{community, joining, members, people, stanza as node};
use crate::relay::Addressing;
use crate::stanza::{self, Answer, Push};
use crate::state::{DeviceAddr, State};

/// The namespace of group IQs.
const NAMESPACE: &str = "w:g2";

/// Answers a group IQ; `None` for every other one, and for group requests that this server does not know.
pub(crate) fn handle(state: &mut State, from: &DeviceAddr, iq: &Node) -> Option<Answer> {
    if iq.attrs.get("xmlns").is_none_or(|xmlns| *xmlns != *NAMESPACE) {
        return None;
    }
    let request = request::read(iq, &mut state.groups.codes)?;
    let author = people::of_account(state, from.account)?;
    let outcome = request.and_then(|request| carry_out(state, *from, &author, request));
    Some(match outcome {
        Ok((Some(content), pushes)) => Answer { reply: stanza::result_with(iq, content), pushes },
        Ok((None, pushes)) => Answer { reply: stanza::result(iq), pushes },
        Err(refusal) => stanza::error(iq, refusal.code(), &refusal.to_string()).into(),
    })
}

/// The content of the answer and what others are to hear, or why not.
pub(super) type Outcome = Result<(Option<Node>, Vec<Push>), Refusal>;

fn carry_out(state: &mut State, from: DeviceAddr, author: &Person, request: Request) -> Outcome {
    let name = author.name.as_str();
    match request {
        Request::Participating { participants, description } => {
            let parts = Parts { participants, description };
            let groups = state.groups.of(name).map(|group| node::group(group, parts));
            Ok((Some(NodeBuilder::new("groups").children(groups).build()), Vec::new()))
        }
        Request::Info(gid) => {
            let group = state.groups.find(&gid)?;
            group.role_of(name)?;
            Ok((Some(node::group(group, Parts::ALL)), Vec::new()))
        }
        Request::Invite(gid) => {
            let code = state.groups.find(&gid)?.invite_for(name)?;
            Ok((Some(node::invite(code)), Vec::new()))
        }
        Request::Batch(gids) => Ok((Some(batch(state, name, &gids)), Vec::new())),
        Request::Preview(code) => joining::preview(state, &code),
        Request::Join(code) => joining::join(state, from, author, &code),
        Request::Accept { gid, code, admin } => {
            joining::accept(state, from, author, &gid, &code, &admin)
        }
        Request::Requests(gid) => joining::requests(state, author, &gid),
        Request::Decide { gid, admit, people } => {
            joining::decide(state, from, author, &gid, admit, &people)
        }
        Request::Create(create) => found(state, from, author, *create),
        Request::Change(gid, change) => apply(state, from, author, &gid, &change),
        Request::Members(gid, movement, people) => {
            change_members(state, from, author, &gid, movement, &people)
        }
        Request::Leave(groups) => leave(state, from, author, &groups),
        Request::Community(gid, wish) => community::carry_out(state, from, author, &gid, wish),
    }
}

/// People whom the server does not know are left out of a new group, and so are those who do not let themselves be
/// added: the answer names them beside the members (whatsmeow `group.go`: a participant with an `error`).
fn found(state: &mut State, from: DeviceAddr, author: &Person, create: Create) -> Outcome {
    let known = |jid: &Jid| people::of_jid(state, jid).map(|who| (jid.clone(), who));
    let (left_out, others): (Vec<_>, Vec<_>) = create
        .participants
        .iter()
        .filter_map(known)
        .partition(|(jid, who)| who != author && people::lets_nobody_add(state, jid));
    if others.len() >= MEMBERS_MAX {
        return Err(Refusal::Full);
    }
    let others = others.into_iter().map(|(_, who)| (who, Role::Member));
    let founding = Founding {
        subject: create.subject,
        creator: author.clone(),
        others: others.collect(),
        description: create.description,
        options: create.options,
        addressing: Addressing::Lid,
        invite: state.groups.codes.invite(),
        standing: Standing::Alone,
    };
    let at_ms = state.clock.now_ms();
    let journal = &mut state.journal;
    let (gid, notices) = state.groups.found_at(journal, founding, create.place, at_ms)?;
    let mut group = node::group(state.groups.find(&gid)?, Parts::ALL);
    for (jid, who) in left_out {
        let fate = joining::invited(state, &gid, author, &jid, &who);
        if let Some(NodeContent::Nodes(children)) = &mut group.content {
            children.push(fate);
        }
    }
    Ok((Some(group), all_pushes(state, notices, Some(from))))
}

/// Changes one group.
pub(super) fn apply(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    gid: &Jid,
    change: &Change,
) -> Outcome {
    let at_ms = state.clock.now_ms();
    let notices = state.groups.change(&mut state.journal, gid, author, change, at_ms)?;
    let content = match change {
        Change::Invite(code) => Some(node::invite(code)),
        _ => None,
    };
    Ok((content, all_pushes(state, notices, Some(from))))
}

/// Each of these groups, or the number of the refusal in its place.
fn batch(state: &State, name: &str, gids: &[Jid]) -> Node {
    let groups = gids.iter().map(|gid| {
        let found = state.groups.find(gid).and_then(|group| group.role_of(name).map(|_| group));
        match found {
            Ok(group) => node::group(group, Parts::ALL),
            Err(refusal) => {
                NodeBuilder::new("group").attr("id", gid).attr("error", refusal.code()).build()
            }
        }
    });
    NodeBuilder::new("groups").children(groups.collect::<Vec<_>>()).build()
}

/// Who may be moved is moved, as one change; the answer says of everybody how it went.
fn change_members(
    state: &mut State,
    from: DeviceAddr,
    author: &Person,
    gid: &Jid,
    movement: Move,
    asked: &[Jid],
) -> Outcome {
    let group = state.groups.find(gid)?;
    match movement {
        Move::Add => group.for_adding(&author.name)?,
        _ => group.for_admin(&author.name)?,
    }
    let mut moved: Vec<Person> = Vec::new();
    let mut fates = Vec::with_capacity(asked.len());
    for jid in asked {
        let group = state.groups.find(gid)?;
        let person = people::of_jid(state, jid);
        let allowed = match &person {
            Some(person) => group.allows(movement, &person.name),
            None => Err(Refusal::NotFound),
        };
        let full = movement == Move::Add && group.has_room(moved.len() + 1).is_err();
        let allowed = if full { allowed.and(Err(Refusal::Full)) } else { allowed };
        let shy = movement == Move::Add && people::lets_nobody_add(state, jid);
        match person {
            Some(person) if shy && allowed.is_ok() => {
                fates.push(joining::invited(state, gid, author, jid, &person));
            }
            person => {
                fates.push(members::fate(jid, person.as_ref(), allowed.err()));
                moved.extend(person.filter(|who| allowed.is_ok() && !moved.contains(who)));
            }
        }
    }
    let content = NodeBuilder::new(movement.tag()).children(fates).build();
    if moved.is_empty() {
        return Ok((Some(content), Vec::new()));
    }
    let (_, pushes) = apply(state, from, author, gid, &movement.of(moved))?;
    Ok((Some(content), pushes))
}

/// All of the groups are left, or none.
fn leave(state: &mut State, from: DeviceAddr, author: &Person, groups: &[Jid]) -> Outcome {
    for gid in groups {
        state.groups.find(gid)?.role_of(&author.name)?;
    }
    let mut heard = Vec::new();
    for gid in groups {
        // Who has left a community is in its groups no more.
        if state.groups.find(gid)?.member(&author.name).is_none() {
            continue;
        }
        heard.extend(apply(state, from, author, gid, &Change::Leave)?.1);
    }
    let left = groups.iter().map(|gid| NodeBuilder::new("group").attr("id", gid).build());
    let content = NodeBuilder::new("leave").children(left.collect::<Vec<_>>()).build();
    Ok((Some(content), heard))
}

/// Notices as pushes, in their order.
pub(super) fn all_pushes(
    state: &State,
    notices: Vec<Notice>,
    acting: Option<DeviceAddr>,
) -> Vec<Push> {
    notices.into_iter().flat_map(|notice| pushes(state, notice, acting)).collect()
}

/// A notice as one push for each member's account.
fn pushes(state: &State, notice: Notice, acting: Option<DeviceAddr>) -> Vec<Push> {
    let Notice { to, node } = notice;
    let node = Arc::new(node);
    to.into_iter()
        .filter_map(|name| state.accounts.by_name(&name))
        .map(|account| Push { account: account.id, except: acting, node: Arc::clone(&node) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lets_nobody_add_them_is_not_in_a_new_group_either() {
        let mut state = State::default();
        let [shop, mia, bob] =
            ["shop", "mia", "bob"].map(|name| state.accounts.add(name).expect("a free name"));
        let account = state.accounts.get_mut(mia).expect("just made");
        assert!(account.privacy.set("groupadd", "none"));
        let people = [mia, bob].map(|id| {
            let lid = state.accounts.get(id).expect("just made").lid();
            NodeBuilder::new("participant").attr("jid", lid).build()
        });
        let create = NodeBuilder::new("create").attr("subject", "Crew").children(people).build();
        let iq = NodeBuilder::new("iq").attr("xmlns", NAMESPACE).attr("type", "set");
        let iq = iq.attr("to", "g.us").attr("id", "1").children([create]).build();
        let from = DeviceAddr { account: shop, device: 1 };
        let answer = handle(&mut state, &from, &iq).expect("a group request");
        let group = state.groups.of("shop").next().expect("the new group");
        let members: Vec<&str> =
            group.members.iter().map(|member| member.person.name.as_str()).collect();
        assert_eq!((members, answer.pushes.len()), (vec!["shop", "bob"], 2));
        let said = answer.reply.get_optional_child("group").expect("the group");
        let mut refused = said
            .get_children_by_tag("participant")
            .filter(|node| stanza::attr(node, "error").as_deref() == Some("403"));
        assert!(
            refused.next().is_some_and(|node| node.get_optional_child("add_request").is_some())
        );
        assert!(group.invitations.contains_key("mia") && refused.next().is_none());
    }
}
