//! Answers to the IQs about pictures.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::request::{self, Request, Wanted};
use super::{Owner, change, owner, seen_by, stanza as node};
use crate::groups::Refusal;
use crate::stanza::{self, Answer};
use crate::state::{AccountId, DeviceAddr, State};
use crate::tokens::Shown;

/// Answers an IQ in `w:profile:picture`; `None` for what this server does not know.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Answer> {
    let outcome = match request::read(iq)? {
        Ok(Request::Get(target, wanted)) => owner(state, &target)
            .and_then(|owner| {
                let shown = iq.get_optional_child("picture").map(Shown::in_query);
                find(state, from.account, &owner, &wanted, shown.unwrap_or_default())
            })
            .map(|picture| stanza::result_with(iq, picture.build()).into()),
        Ok(Request::Set(target, new)) => {
            let owner = match target {
                Some(target) => owner(state, &target),
                None => Ok(Owner::Account(from.account)),
            };
            owner.and_then(|owner| change(state, from.account, Some(from), &owner, new)).map(
                |(id, pushes)| {
                    let reply = match id {
                        Some(id) => stanza::result_with(iq, node::set(id)),
                        None => stanza::result(iq),
                    };
                    Answer { reply, pushes }
                },
            )
        }
        Err(refusal) => Err(refusal),
    };
    Some(
        outcome.unwrap_or_else(|refusal| {
            stanza::error(iq, refusal.code(), &refusal.to_string()).into()
        }),
    )
}

/// Answers an IQ in `w:g2` for the pictures of many groups; `None` for every other one.
pub(crate) fn of_groups(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let asked = match request::many(iq)? {
        Ok(asked) => asked,
        Err(refusal) => return Some(stanza::error(iq, refusal.code(), &refusal.to_string())),
    };
    let pictures = asked.into_iter().map(|(gid, wanted)| {
        let known = state.groups.find(&gid).is_ok();
        let found =
            find(state, from.account, &Owner::Group(gid.clone()), &wanted, Shown::default());
        found.unwrap_or_else(|refusal| node::lacking(refusal, known)).attr("jid", gid).build()
    });
    let pictures: Vec<Node> = pictures.collect();
    Some(stanza::result_with(iq, NodeBuilder::new("pictures").children(pictures).build()))
}

/// Where the picture is.
fn find(
    state: &mut State,
    viewer: AccountId,
    owner: &Owner,
    wanted: &Wanted,
    shown: Shown<'_>,
) -> Result<NodeBuilder, Refusal> {
    let picture = seen_by(state, viewer, owner, shown)?;
    if wanted.known == Some(picture.id) {
        return Ok(node::unchanged());
    }
    let stored = picture.publish(wanted.form, &mut state.media);
    Ok(node::found(picture.id, wanted.form, &stored))
}
