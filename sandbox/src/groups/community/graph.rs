//! What the GraphQL channel says of communities (whatsapp-rust `features/community.rs`).

use serde_json::{Value, json};
use wacore_binary::Jid;

use crate::groups::change::Refusal;
use crate::groups::group::Group;
use crate::groups::people;
use crate::groups::standing::Part;
use crate::state::{DeviceAddr, State};

/// The groups of a community, its announcements apart from the others: query `fetch_all_subgroups`.
pub(crate) fn subgroups(
    state: &State,
    from: &DeviceAddr,
    variables: &Value,
) -> Result<Value, Refusal> {
    let community = asked(state, from, &variables["group_id"])?;
    let edges = others(state, &community).map(|group| {
        let mut node = shown(group);
        node["properties"] = json!({
            "general_chat": if group.part() == Some(Part::General) { "1" } else { "0" },
            "membership_approval_mode_enabled": group.options.approval,
        });
        node["membership_approval_requests"] = json!({ "total_count": group.requests.len() });
        json!({ "node": node })
    });
    let edges: Vec<Value> = edges.collect();
    let announcements = state.groups.linked_to(&community);
    let mut announcements =
        announcements.filter(|group| group.part() == Some(Part::Announcements)).map(shown);
    Ok(json!({ "xwa2_group_query_by_id": {
        "__typename": "XWA2CommunityGroup",
        "id": community.to_string(),
        "default_sub_group": announcements.next(),
        "sub_groups": { "edges": edges },
    } }))
}

/// How many are in each group of a community: query `query_subgroup_participant_count`.
pub(crate) fn counts(
    state: &State,
    from: &DeviceAddr,
    variables: &Value,
) -> Result<Value, Refusal> {
    let community = asked(state, from, &variables["input"]["group_jid"])?;
    let edges = others(state, &community).map(|group| {
        json!({ "node": {
            "id": group.jid().to_string(),
            "total_participants_count": group.members.len(),
        } })
    });
    let edges: Vec<Value> = edges.collect();
    Ok(json!({ "xwa2_group_query_by_id": {
        "__typename": "XWA2CommunityGroup",
        "id": community.to_string(),
        "sub_groups": { "edges": edges },
    } }))
}

/// The community that is asked for, by a member of it.
fn asked(state: &State, from: &DeviceAddr, gid: &Value) -> Result<Jid, Refusal> {
    let gid = gid.as_str().and_then(|gid| gid.parse().ok()).ok_or(Refusal::BadRequest)?;
    let asker = people::of_account(state, from.account).ok_or(Refusal::NotFound)?;
    state.groups.community(&gid)?.role_of(&asker.name)?;
    Ok(gid)
}

fn others<'a>(state: &'a State, community: &'a Jid) -> impl Iterator<Item = &'a Group> {
    state.groups.linked_to(community).filter(|group| group.part() != Some(Part::Announcements))
}

fn shown(group: &Group) -> Value {
    json!({
        "id": group.jid().to_string(),
        "subject": {
            "value": group.subject.text,
            "creation_time": group.subject.at_ms / 1000,
        },
    })
}
