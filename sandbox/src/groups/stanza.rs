//! Groups as nodes on the wire: the `group` node of answers, and the `w:gp2` notifications.
//!
//! Texts of enumerations are string content, not bytes: clients read nothing else there.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::change::{Change, add_mode};
use super::community::stanza as community;
use super::group::{Description, Group, Member, Person};
use crate::relay::Addressing;

/// Which parts of a `group` node were asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) participants: bool,
    pub(crate) description: bool,
}

impl Parts {
    /// Everything.
    pub(crate) const ALL: Self = Self { participants: true, description: true };
}

/// The `group` node. The group addresses its members by LID and names their phone numbers beside it, or by phone number.
pub(crate) fn group(group: &Group, parts: Parts) -> Node {
    let mut children = Vec::with_capacity(group.members.len() + 4);
    if parts.participants {
        children.extend(group.members.iter().map(|member| self::member(group.addressing, member)));
    }
    if group.announce {
        children.push(NodeBuilder::new("announcement").build());
    }
    if group.locked {
        children.push(NodeBuilder::new("locked").build());
    }
    children.extend(options(group));
    children.extend(community::marks(group));
    if parts.description
        && let Some(current) = &group.description
    {
        children.push(description(group.addressing, current));
    }
    let node = NodeBuilder::new("group")
        .attr("id", group.id.as_str())
        .attr("addressing_mode", group.addressing.wire())
        .attr("subject", group.subject.text.as_str())
        .attr("s_t", seconds(group.subject.at_ms))
        .attr("creation", seconds(group.created_at_ms))
        .attr("size", group.members.len());
    let node = name(node, group.addressing, &group.subject.author, "s_o", "s_o_pn");
    name(node, group.addressing, &group.creator, "creator", "creator_pn").children(children).build()
}

/// The notification that tells devices of a change somebody made.
pub(crate) fn notification(
    group: &Group,
    id: &str,
    author: &Person,
    at_ms: i64,
    action: Node,
) -> Node {
    let node = NodeBuilder::new("notification")
        .attr("from", group.jid())
        .attr("type", "w:gp2")
        .attr("id", id)
        .attr("addressing_mode", group.addressing.wire())
        .attr("t", seconds(at_ms));
    let node = name(node, group.addressing, author, "participant", "participant_pn");
    node.children([action]).build()
}

/// Names a person as the group does. Beside a LID stands the phone number; beside a phone number nothing.
fn name(
    node: NodeBuilder,
    way: Addressing,
    person: &Person,
    attr: &'static str,
    beside: &'static str,
) -> NodeBuilder {
    match way {
        Addressing::Lid => node.attr(attr, &person.lid).attr(beside, &person.phone),
        Addressing::Phone => node.attr(attr, &person.phone),
    }
}

/// What a new group's notification carries.
pub(crate) fn created(group: &Group) -> Node {
    NodeBuilder::new("create")
        .attr("type", "new")
        .children([self::group(group, Parts::ALL)])
        .build()
}

/// What a change's notification carries: of the group after it, but before it where members go.
pub(crate) fn action(group: &Group, author: &Person, change: &Change) -> Node {
    let flag = |on: bool, yes, no| NodeBuilder::new(if on { yes } else { no }).build();
    match change {
        Change::Subject(subject) => {
            let node = NodeBuilder::new("subject")
                .attr("subject", subject.as_str())
                .attr("s_t", seconds(group.subject.at_ms));
            name(node, group.addressing, author, "s_o", "s_o_pn").build()
        }
        Change::Description { id, .. } => group.description.as_ref().map_or_else(
            || {
                let delete = NodeBuilder::new("delete").build();
                NodeBuilder::new("description").attr("id", id.as_str()).children([delete]).build()
            },
            |current| description(group.addressing, current),
        ),
        Change::Announce(on) => flag(*on, "announcement", "not_announcement"),
        Change::Locked(on) => flag(*on, "locked", "unlocked"),
        Change::Invite(code) => NodeBuilder::new("invite").attr("code", code.as_str()).build(),
        Change::Ephemeral(Some(seconds)) => ephemeral(*seconds),
        Change::Ephemeral(None) => NodeBuilder::new("not_ephemeral").build(),
        Change::Approval(on) => approval(*on),
        Change::AddByAll(all) => {
            NodeBuilder::new("member_add_mode").string_content(add_mode(*all)).build()
        }
        Change::Join => {
            let mut node = members("add", group, std::iter::once(author.name.as_str()));
            node.attrs.insert("reason", "invite");
            node
        }
        Change::Enter => {
            let mut node = members("add", group, std::iter::once(author.name.as_str()));
            node.attrs.insert("reason", "linked_group_join");
            node
        }
        Change::Ask => {
            let user = person(NodeBuilder::new("requested_user"), group.addressing, author);
            NodeBuilder::new("created_membership_requests")
                .attr("request_method", "invite_link")
                .children([user.build()])
                .build()
        }
        Change::Reject(names) => {
            let rejected = group.requests.iter().filter(|(who, _)| names.contains(&who.name));
            let nodes = rejected.map(|(who, _)| {
                person(NodeBuilder::new("participant"), group.addressing, who).build()
            });
            NodeBuilder::new("revoked_membership_requests").children(nodes).build()
        }
        Change::Add(people) | Change::Admit(people) => {
            members("add", group, people.iter().map(|person| person.name.as_str()))
        }
        Change::Remove(names) => members("remove", group, names.iter().map(String::as_str)),
        Change::Promote(names) => members("promote", group, names.iter().map(String::as_str)),
        Change::Demote(names) => members("demote", group, names.iter().map(String::as_str)),
        Change::Leave => members("remove", group, std::iter::once(author.name.as_str())),
    }
}

/// The `invite` node of an answer.
pub(crate) fn invite(code: &str) -> Node {
    NodeBuilder::new("invite").attr("code", code).build()
}

/// Somebody has another number (whatsapp-rust `handlers/notification/groups.rs`: it names the new participants).
pub(crate) fn modified(group: &Group, name: &str) -> Node {
    members("modify", group, std::iter::once(name))
}

fn members<'a>(tag: &'static str, group: &Group, names: impl Iterator<Item = &'a str>) -> Node {
    let members = names.filter_map(|name| group.member(name));
    NodeBuilder::new(tag)
        .children(members.map(|member| self::member(group.addressing, member)))
        .build()
}

fn member(way: Addressing, member: &Member) -> Node {
    let node = person(NodeBuilder::new("participant"), way, &member.person);
    match member.role.wire() {
        Some(role) => node.attr("type", role).build(),
        None => node.build(),
    }
}

fn person(node: NodeBuilder, way: Addressing, Person { lid, phone, .. }: &Person) -> NodeBuilder {
    match way {
        Addressing::Lid => node.attr("jid", lid).attr("phone_number", phone),
        Addressing::Phone => node.attr("jid", phone).attr("lid", lid),
    }
}

/// Those who ask to be let in.
pub(crate) fn requests(group: &Group) -> Node {
    let requests = group.requests.iter().map(|(who, at_ms)| {
        person(NodeBuilder::new("membership_approval_request"), group.addressing, who)
            .attr("request_time", seconds(*at_ms))
            .attr("request_method", "invite_link")
            .build()
    });
    NodeBuilder::new("membership_approval_requests").children(requests).build()
}

fn approval(on: bool) -> Node {
    let state = NodeBuilder::new("group_join").attr("state", if on { "on" } else { "off" });
    NodeBuilder::new("membership_approval_mode").children([state.build()]).build()
}

fn ephemeral(seconds: u32) -> Node {
    NodeBuilder::new("ephemeral").attr("expiration", seconds).build()
}

fn description(way: Addressing, description: &Description) -> Node {
    let node = NodeBuilder::new("description")
        .attr("id", description.id.as_str())
        .attr("t", seconds(description.at_ms));
    name(node, way, &description.author, "participant", "participant_pn")
        .children([NodeBuilder::new("body").string_content(description.text.as_str()).build()])
        .build()
}

fn options(group: &Group) -> impl Iterator<Item = Node> {
    let options = &group.options;
    let text = |tag, value: &Option<String>| {
        value.as_ref().map(|value| NodeBuilder::new(tag).string_content(value.as_str()).build())
    };
    let approval = options.approval.then(|| approval(true));
    let ephemeral = options.ephemeral.map(ephemeral);
    [
        text("member_add_mode", &options.member_add_mode),
        text("member_link_mode", &options.member_link_mode),
        approval,
        ephemeral,
    ]
    .into_iter()
    .flatten()
}

/// The protocol counts in seconds.
fn seconds(at_ms: i64) -> i64 {
    at_ms / 1000
}

#[cfg(test)]
mod tests {
    use wacore::iq::groups::GroupInfoResponse;
    use wacore::protocol::ProtocolNode;
    use wacore::stanza::groups::{GroupNotification, GroupNotificationAction};
    use wacore_binary::Jid;

    use super::*;

    fn person(name: &str) -> Person {
        Person { name: name.to_owned(), lid: Jid::lid("71"), phone: Jid::pn("1555") }
    }

    fn crew() -> Group {
        let mut crew =
            Group::new("120363".into(), "Crew".into(), person("boss"), "code".into(), 5_000);
        let text = Some("hello".to_owned());
        crew.apply(
            &person("boss"),
            &Change::Description { id: "A1".into(), prev: None, text },
            6_000,
        );
        crew.locked = true;
        crew
    }

    fn notified(change: &Change) -> GroupNotification {
        let mut crew = crew();
        if !matches!(change, Change::Remove(_)) {
            crew.apply(&person("boss"), change, 9_000);
        }
        let action = action(&crew, &person("boss"), change);
        let node = notification(&crew, "n1", &person("boss"), 9_000, action);
        GroupNotification::try_from_node_ref(&node.as_node_ref()).expect("a notification")
    }

    #[test]
    fn a_client_reads_back_what_the_group_node_says() {
        let read = GroupInfoResponse::try_from_node_ref(&group(&crew(), Parts::ALL).as_node_ref())
            .expect("a group");
        assert_eq!(read.id.to_string(), "120363@g.us");
        assert_eq!(read.subject.as_str(), "Crew");
        assert_eq!(read.description.as_deref(), Some("hello"));
        assert_eq!(read.description_id.as_deref(), Some("A1"));
        assert_eq!(read.creation_time, Some(5));
        assert!(read.is_locked && !read.is_announcement);
        assert_eq!(read.participants[0].jid, Jid::lid("71"));
        assert_eq!(read.participants[0].phone_number, Some(Jid::pn("1555")));
        assert!(read.participants[0].participant_type.is_admin());
    }

    #[test]
    fn parts_that_were_not_asked_for_are_left_out() {
        let parts = Parts { participants: false, description: false };
        let read = GroupInfoResponse::try_from_node_ref(&group(&crew(), parts).as_node_ref())
            .expect("a group");
        assert!(read.participants.is_empty() && read.description.is_none());
        assert_eq!(read.size, Some(1));
    }

    #[test]
    fn a_client_reads_every_kind_of_notification() {
        let subject = notified(&Change::Subject("New".into()));
        assert_eq!(subject.participant, Some(Jid::lid("71")));
        assert_eq!(subject.participant_pn, Some(Jid::pn("1555")));
        assert_eq!(subject.timestamp, 9);
        assert!(matches!(
            &subject.actions[..],
            [GroupNotificationAction::Subject { subject, subject_time: Some(9), .. }]
                if subject == "New"
        ));

        let gone = Change::Description { id: "B".into(), prev: Some("A1".into()), text: None };
        assert!(matches!(
            &notified(&gone).actions[..],
            [GroupNotificationAction::Description { id, description: None }] if id == "B"
        ));
        assert!(matches!(
            &notified(&Change::Announce(true)).actions[..],
            [GroupNotificationAction::Announce]
        ));
        assert!(matches!(
            &notified(&Change::Locked(false)).actions[..],
            [GroupNotificationAction::Unlocked]
        ));
        assert!(matches!(
            &notified(&Change::Remove(vec!["boss".into()])).actions[..],
            [GroupNotificationAction::Remove { participants, .. }] if participants.len() == 1
        ));
    }
}
