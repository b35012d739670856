//! What a `w:g2` IQ asks for, read from the wire.

use wacore_binary::{Jid, Node};

use super::change::{Change, Refusal};
use super::community::{self, Wish};
use super::group::Options;
use super::invite::Codes;
use super::members::Move;
use super::standing::Place;

/// A request that this server answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Every group that the account is in.
    Participating { participants: bool, description: bool },
    /// One group.
    Info(Jid),
    /// Several groups at once.
    Batch(Vec<Jid>),
    /// The invite code.
    Invite(Jid),
    /// The group that a link leads to.
    Preview(String),
    /// The account comes in by the link.
    Join(String),
    /// The account comes in as one who was invited by name.
    Accept { gid: Jid, code: String, admin: Jid },
    /// Who asks to be let in.
    Requests(Jid),
    /// Who has asked is let in, or turned away.
    Decide { gid: Jid, admit: bool, people: Vec<Jid> },
    /// A new group.
    Create(Box<Create>),
    /// A change to a group.
    Change(Jid, Change),
    /// Members who come, go, rise or fall.
    Members(Jid, Move, Vec<Jid>),
    /// The account leaves these groups, each named once.
    Leave(Vec<Jid>),
    /// Something of a community.
    Community(Jid, Wish),
}

/// A group that a client wants made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Create {
    pub(crate) subject: String,
    pub(crate) participants: Vec<Jid>,
    /// Id and text.
    pub(crate) description: Option<(String, String)>,
    pub(crate) options: Options,
    pub(crate) place: Place,
}

/// Reads an IQ; `None` for what this server does not know.
pub(crate) fn read(iq: &Node, codes: &mut Codes) -> Option<Result<Request, Refusal>> {
    let mut attrs = iq.attrs();
    let to = attrs.optional_jid("to")?;
    let kind = attrs.optional_string("type")?;
    let [child] = iq.children()? else { return None };
    let of_group = !to.user.is_empty();
    if of_group && let Some(wish) = community::request::read(kind.as_ref(), child) {
        return Some(wish.map(|wish| Request::Community(to, wish)));
    }
    match (kind.as_ref(), of_group, child.tag.as_ref()) {
        ("get", false, "participating") => {
            let wants = |tag| child.get_optional_child(tag).is_some();
            Some(Ok(Request::Participating {
                participants: wants("participants"),
                description: wants("description"),
            }))
        }
        ("get", false, "query") => Some(groups(child, "jid").map(Request::Batch)),
        ("get", false, "invite") => Some(code(child).map(Request::Preview)),
        ("set", false, "invite") => Some(code(child).map(Request::Join)),
        ("set", true, "accept") => Some(accept(to, child)),
        ("get", true, "membership_approval_requests") => Some(Ok(Request::Requests(to))),
        ("set", true, "membership_requests_action") => Some(decide(to, child)),
        ("get", true, "query") => Some(Ok(Request::Info(to))),
        ("get", true, "invite") => Some(Ok(Request::Invite(to))),
        ("set", false, "create") => Some(create(child)),
        ("set", false, "leave") => {
            // Baileys `Socket/communities.js` calls a community by that name.
            Some(tagged(child, "id", &["group", "community"]).map(Request::Leave))
        }
        ("set", true, tag) if let Some(movement) = Move::of_tag(tag) => {
            Some(participants(child).map(|people| Request::Members(to, movement, people)))
        }
        ("set", true, _) => change(child, codes).map(|change| Ok(Request::Change(to, change?))),
        _ => None,
    }
}

fn change(child: &Node, codes: &mut Codes) -> Option<Result<Change, Refusal>> {
    Some(Ok(match child.tag.as_ref() {
        "subject" => Change::Subject(text(child)),
        "description" => return Some(description(child, codes)),
        "announcement" => Change::Announce(true),
        "not_announcement" => Change::Announce(false),
        "locked" => Change::Locked(true),
        "unlocked" => Change::Locked(false),
        "ephemeral" => return Some(ephemeral(child)),
        "not_ephemeral" => Change::Ephemeral(None),
        "membership_approval_mode" => {
            let join = child.get_optional_child("group_join");
            match join.and_then(|join| attribute(join, "state")).as_deref() {
                Some("on") => Change::Approval(true),
                Some("off") => Change::Approval(false),
                _ => return Some(Err(Refusal::BadRequest)),
            }
        }
        "member_add_mode" => match text(child).as_str() {
            "all_member_add" => Change::AddByAll(true),
            "admin_add" => Change::AddByAll(false),
            _ => return Some(Err(Refusal::BadRequest)),
        },
        "invite" if child.attrs.get("code").is_none() => Change::Invite(codes.invite()),
        _ => return None,
    }))
}

fn description(child: &Node, codes: &mut Codes) -> Result<Change, Refusal> {
    let deletes = attribute(child, "delete");
    // Some clients give a deletion no id of its own.
    let fresh = || deletes.as_ref().map(|_| codes.description_id());
    let id = attribute(child, "id").or_else(fresh).ok_or(Refusal::BadRequest)?;
    let prev = attribute(child, "prev");
    let text = match (child.get_optional_child("body"), deletes.as_deref()) {
        (Some(body), None) => Some(self::text(body)),
        (None, Some("true")) => None,
        _ => return Err(Refusal::BadRequest),
    };
    Ok(Change::Description { id, prev, text })
}

fn create(child: &Node) -> Result<Request, Refusal> {
    let subject = attribute(child, "subject").unwrap_or_default();
    let participants: Result<Vec<Jid>, Refusal> = child
        .get_children_by_tag("participant")
        .map(|node| node.attrs().optional_jid("jid").ok_or(Refusal::BadRequest))
        .collect();
    let description = child
        .get_optional_child("description")
        .and_then(|node| Some((attribute(node, "id")?, text(node.get_optional_child("body")?))));
    let (participants, place) = (participants?, place(child)?);
    let options = options(child);
    Ok(Request::Create(Box::new(Create { subject, participants, description, options, place })))
}

/// Where a new group is to be; a group inside a community is none itself.
fn place(child: &Node) -> Result<Place, Refusal> {
    let has = |tag| child.get_optional_child(tag).is_some();
    match (child.get_optional_child("linked_parent"), has("parent")) {
        (Some(_), true) => Err(Refusal::BadRequest),
        (Some(parent), false) => {
            parent.attrs().optional_jid("jid").map(Place::In).ok_or(Refusal::BadRequest)
        }
        (None, true) => Ok(Place::Community {
            open: has("allow_non_admin_sub_group_creation"),
            general: has("create_general_chat"),
        }),
        (None, false) => Ok(Place::Alone),
    }
}

/// Who is concerned: somebody.
pub(super) fn participants(child: &Node) -> Result<Vec<Jid>, Refusal> {
    let people: Vec<Jid> = child
        .get_children_by_tag("participant")
        .map(|node| node.attrs().optional_jid("jid").ok_or(Refusal::BadRequest))
        .collect::<Result<_, _>>()?;
    if people.is_empty() { Err(Refusal::BadRequest) } else { Ok(people) }
}

/// Groups that are named, each once.
pub(super) fn groups(child: &Node, name: &str) -> Result<Vec<Jid>, Refusal> {
    tagged(child, name, &["group"])
}

/// Groups that are named under one of these tags, each once.
fn tagged(child: &Node, name: &str, tags: &[&str]) -> Result<Vec<Jid>, Refusal> {
    let mut groups = Vec::new();
    let named = child.children().unwrap_or_default().iter();
    for node in named.filter(|node| tags.contains(&node.tag.as_ref())) {
        let group = node.attrs().optional_jid(name).ok_or(Refusal::BadRequest)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.is_empty() { Err(Refusal::BadRequest) } else { Ok(groups) }
}

fn code(child: &Node) -> Result<String, Refusal> {
    attribute(child, "code").filter(|code| !code.is_empty()).ok_or(Refusal::BadRequest)
}

fn accept(gid: Jid, child: &Node) -> Result<Request, Refusal> {
    let admin = child.attrs().optional_jid("admin").ok_or(Refusal::BadRequest)?;
    Ok(Request::Accept { gid, code: code(child)?, admin })
}

fn decide(gid: Jid, child: &Node) -> Result<Request, Refusal> {
    let [inner] = child.children().unwrap_or_default() else { return Err(Refusal::BadRequest) };
    let admit = match inner.tag.as_ref() {
        "approve" => true,
        "reject" => false,
        _ => return Err(Refusal::BadRequest),
    };
    Ok(Request::Decide { gid, admit, people: participants(inner)? })
}

fn ephemeral(child: &Node) -> Result<Change, Refusal> {
    let seconds = attribute(child, "expiration").and_then(|text| text.parse().ok());
    seconds
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Change::Ephemeral(Some(seconds)))
        .ok_or(Refusal::BadRequest)
}

fn options(child: &Node) -> Options {
    let mode = |tag| child.get_optional_child(tag).map(text);
    let approval = child
        .get_optional_child_by_tag(&["membership_approval_mode", "group_join"])
        .and_then(|node| attribute(node, "state"));
    let closed = child
        .get_optional_child("parent")
        .and_then(|node| attribute(node, "default_membership_approval_mode"));
    let ephemeral = child
        .get_optional_child("ephemeral")
        .and_then(|node| attribute(node, "expiration")?.parse().ok())
        .filter(|seconds| *seconds > 0);
    Options {
        member_add_mode: mode("member_add_mode"),
        member_link_mode: mode("member_link_mode"),
        approval: approval.as_deref() == Some("on")
            || closed.as_deref() == Some("request_required"),
        ephemeral,
    }
}

fn attribute(node: &Node, name: &str) -> Option<String> {
    node.attrs.get(name).map(|value| value.as_str().into_owned())
}

fn text(node: &Node) -> String {
    node.content_as_string().map(String::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    const GROUP: &str = "120363000000000001@g.us";

    fn iq(kind: &str, to: &str, child: Node) -> Node {
        NodeBuilder::new("iq").attr("type", kind).attr("to", to).children([child]).build()
    }

    fn taken(iq: &Node) -> Option<Result<Request, Refusal>> {
        read(iq, &mut Codes::default())
    }

    fn set(child: Node) -> Option<Result<Change, Refusal>> {
        match taken(&iq("set", GROUP, child))? {
            Ok(Request::Change(gid, change)) => {
                assert_eq!(gid.to_string(), GROUP);
                Some(Ok(change))
            }
            Ok(other) => panic!("not a change: {other:?}"),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    #[test]
    fn changes_are_read_with_their_values() {
        let subject = NodeBuilder::new("subject").string_content("New").build();
        assert_eq!(set(subject), Some(Ok(Change::Subject("New".into()))));
        let flag = NodeBuilder::new("not_announcement").build();
        assert_eq!(set(flag), Some(Ok(Change::Announce(false))));
        let description = NodeBuilder::new("description")
            .attr("id", "B")
            .attr("prev", "A")
            .children([NodeBuilder::new("body").string_content("text").build()])
            .build();
        let expected = Change::Description {
            id: "B".into(),
            prev: Some("A".into()),
            text: Some("text".into()),
        };
        assert_eq!(set(description), Some(Ok(expected)));
    }

    #[test]
    fn a_description_without_text_has_to_say_that_it_deletes() {
        let node = |delete: Option<&str>| {
            let builder = NodeBuilder::new("description").attr("id", "B");
            match delete {
                Some(delete) => builder.attr("delete", delete).build(),
                None => builder.build(),
            }
        };
        assert_eq!(set(node(None)), Some(Err(Refusal::BadRequest)));
        let expected = Change::Description { id: "B".into(), prev: None, text: None };
        assert_eq!(set(node(Some("true"))), Some(Ok(expected)));
    }

    #[test]
    fn a_deletion_needs_no_id() {
        let node = NodeBuilder::new("description").attr("delete", "true").build();
        let read = set(node);
        let Some(Ok(Change::Description { id, text: None, .. })) = read else {
            panic!("not a deletion: {read:?}");
        };
        assert!(!id.is_empty());
    }

    #[test]
    fn members_and_groups_to_leave_are_named() {
        let one = Jid::lid("7");
        let participant = NodeBuilder::new("participant").attr("jid", &one).build();
        let promote = |people: Vec<Node>| {
            taken(&iq("set", GROUP, NodeBuilder::new("promote").children(people).build()))
        };
        let gid: Jid = GROUP.parse().expect("a JID");
        let expected = Request::Members(gid.clone(), Move::Promote, vec![one]);
        assert_eq!(promote(vec![participant]), Some(Ok(expected)));
        assert_eq!(promote(vec![]), Some(Err(Refusal::BadRequest)));

        let group = NodeBuilder::new("group").attr("id", &gid).build();
        let leave = NodeBuilder::new("leave").children([group.clone(), group]).build();
        assert_eq!(taken(&iq("set", "g.us", leave)), Some(Ok(Request::Leave(vec![gid]))));
        let nothing = NodeBuilder::new("leave").build();
        assert_eq!(taken(&iq("set", "g.us", nothing)), Some(Err(Refusal::BadRequest)));
    }

    #[test]
    fn what_is_not_known_is_not_read() {
        assert_eq!(set(NodeBuilder::new("growth_locked").build()), None);
        assert_eq!(set(NodeBuilder::new("link").build()), None);
    }

    #[test]
    fn a_group_inside_a_community_is_none_itself() {
        let create = |children: Vec<Node>| {
            let node = NodeBuilder::new("create").attr("subject", "All").children(children);
            match taken(&iq("set", "g.us", node.build()))? {
                Ok(Request::Create(create)) => Some(Ok(create.place)),
                Ok(other) => panic!("nothing new: {other:?}"),
                Err(refusal) => Some(Err(refusal)),
            }
        };
        let parent = NodeBuilder::new("parent").build();
        let linked = NodeBuilder::new("linked_parent").attr("jid", GROUP).build();
        let alone = Place::Community { open: false, general: false };
        assert_eq!(create(vec![parent.clone()]), Some(Ok(alone)));
        let inside = Place::In(GROUP.parse().expect("a JID"));
        assert_eq!(create(vec![linked.clone()]), Some(Ok(inside)));
        assert_eq!(create(vec![parent, linked]), Some(Err(Refusal::BadRequest)));
    }

    #[test]
    fn a_list_says_what_it_wants_in_each_group() {
        let wanted = [NodeBuilder::new("participants").build()];
        let node = NodeBuilder::new("participating").children(wanted).build();
        assert_eq!(
            taken(&iq("get", "g.us", node)),
            Some(Ok(Request::Participating { participants: true, description: false }))
        );
    }
}
