//! A group as the server keeps it: plain data, no protocol and no accounts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wacore_binary::Jid;

use super::standing::Standing;
use crate::relay::Addressing;

/// A person in a group, under all the names a group needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// Name of the account in the sandbox.
    pub name: String,
    /// LID, without a device part.
    pub lid: Jid,
    /// Phone-number JID, without a device part.
    pub phone: Jid,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and writes, and changes what is not locked.
    Member,
    /// Changes everything but the creator's rights.
    Admin,
    /// The creator: an admin that nobody demotes or removes.
    Superadmin,
}

impl Role {
    /// True for [`Role::Admin`] and [`Role::Superadmin`].
    pub fn is_admin(self) -> bool {
        self != Self::Member
    }

    /// The `type` attribute of a participant; plain members have none.
    pub(crate) fn wire(self) -> Option<&'static str> {
        match self {
            Self::Member => None,
            Self::Admin => Some("admin"),
            Self::Superadmin => Some("superadmin"),
        }
    }
}

/// A person together with what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Who it is.
    pub person: Person,
    /// What they may do.
    pub role: Role,
}

/// The name of a group and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// 1 to 100 characters.
    pub text: String,
    /// Who set it.
    pub author: Person,
    /// When, in epoch milliseconds.
    pub at_ms: i64,
}

/// The description of a group. Its id is the token that the next change has to name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// Chosen by the client that wrote it.
    pub id: String,
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub author: Person,
    /// When, in epoch milliseconds.
    pub at_ms: i64,
}

/// Settings that a client gives when it creates a group. The server acts upon who may add and who is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    /// Who may add members: `admin_add` or `all_member_add`.
    pub member_add_mode: Option<String>,
    /// Who may share the link: `admin_link` or `all_member_link`.
    pub member_link_mode: Option<String>,
    /// Whether joining needs an admin's approval.
    pub approval: bool,
    /// Seconds after which messages disappear, if they do.
    pub ephemeral: Option<u32>,
}

/// What somebody needs who was invited by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) code: String,
    /// Epoch seconds.
    pub(crate) expires: i64,
    /// Who tried to add them.
    pub(crate) by: Person,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Digits; the JID is this with `@g.us`.
    pub(crate) id: String,
    pub(crate) subject: Subject,
    pub(crate) description: Option<Description>,
    /// The id of the change that deleted the description, while there is none.
    pub(crate) undescribed: Option<String>,
    pub(crate) announce: bool,
    pub(crate) locked: bool,
    pub(crate) options: Options,
    /// What it is among communities.
    pub(crate) standing: Standing,
    /// How its members are named.
    pub(crate) addressing: Addressing,
    pub(crate) creator: Person,
    pub(crate) created_at_ms: i64,
    pub(crate) invite: String,
    /// Codes that were valid once.
    pub(crate) revoked: Vec<String>,
    /// Who asks to be let in, and since when in epoch milliseconds.
    pub(crate) requests: Vec<(Person, i64)>,
    /// Who was invited by name, because they let nobody add them.
    pub(crate) invitations: HashMap<String, Invitation>,
    /// In the order in which they joined.
    pub(crate) members: Vec<Member>,
}

impl Group {
    /// A new group of `creator` alone.
    pub(crate) fn new(
        id: String,
        subject: String,
        creator: Person,
        invite: String,
        at_ms: i64,
    ) -> Self {
        let members = vec![Member { person: creator.clone(), role: Role::Superadmin }];
        Self {
            id,
            subject: Subject { text: subject, author: creator.clone(), at_ms },
            description: None,
            undescribed: None,
            announce: false,
            locked: false,
            options: Options::default(),
            standing: Standing::default(),
            addressing: Addressing::Lid,
            creator,
            created_at_ms: at_ms,
            invite,
            revoked: Vec::new(),
            requests: Vec::new(),
            invitations: HashMap::new(),
            members,
        }
    }

    /// The group's address.
    pub(crate) fn jid(&self) -> Jid {
        Jid::group(self.id.as_str())
    }

    /// The member with this account name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.person.name == name)
    }

    /// Everybody whom it names.
    pub(crate) fn people_mut(&mut self) -> impl Iterator<Item = &mut Person> {
        let described = self.description.iter_mut().map(|description| &mut description.author);
        let asking = self.requests.iter_mut().map(|(person, _)| person);
        let inviting = self.invitations.values_mut().map(|invitation| &mut invitation.by);
        let members = self.members.iter_mut().map(|member| &mut member.person);
        [&mut self.subject.author, &mut self.creator]
            .into_iter()
            .chain(described)
            .chain(asking)
            .chain(inviting)
            .chain(members)
    }

    pub(crate) fn member_mut(&mut self, name: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.person.name == name)
    }
}
