//! Who comes, goes, rises and falls at a client's request: of several people each succeeds or fails alone.

use wacore_binary::Jid;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::change::{Change, Refusal};
use super::group::{Group, Person, Role};

/// What is to become of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Add,
    Remove,
    Promote,
    Demote,
}

impl Move {
    /// The move that a request's tag asks for.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        [Self::Add, Self::Remove, Self::Promote, Self::Demote]
            .into_iter()
            .find(|known| known.tag() == tag)
    }

    /// The tag of request and answer.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Promote => "promote",
            Self::Demote => "demote",
        }
    }

    /// The change that makes this move with all of these people.
    pub(crate) fn of(self, people: Vec<Person>) -> Change {
        if self == Self::Add {
            return Change::Add(people);
        }
        let names = people.into_iter().map(|person| person.name).collect();
        match self {
            Self::Add | Self::Remove => Change::Remove(names),
            Self::Promote => Change::Promote(names),
            Self::Demote => Change::Demote(names),
        }
    }
}

impl Group {
    /// Whether an admin may do this with somebody of this name.
    pub(crate) fn allows(&self, movement: Move, name: &str) -> Result<(), Refusal> {
        match (movement, self.member(name).map(|member| member.role)) {
            (Move::Add, None) => Ok(()),
            (Move::Add, Some(_)) => Err(Refusal::Conflict),
            (_, None) => Err(Refusal::NotFound),
            (Move::Remove | Move::Demote, Some(Role::Superadmin)) => Err(Refusal::Forbidden),
            (_, Some(_)) => Ok(()),
        }
    }
}

/// What an answer says of one person: a good `type`, or the number of the refusal.
pub(crate) fn fate(asked: &Jid, person: Option<&Person>, refused: Option<Refusal>) -> Node {
    let node = NodeBuilder::new("participant");
    let node = match person {
        Some(person) => node.attr("jid", &person.lid).attr("phone_number", &person.phone),
        None => node.attr("jid", asked),
    };
    match refused {
        Some(refusal) => node.attr("error", refusal.code()).build(),
        None => node.attr("type", 200).build(),
    }
}
