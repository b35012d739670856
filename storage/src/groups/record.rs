//! What is stored of groups and members, and what changes it.

use serde::{Deserialize, Serialize};

use crate::GroupJid;

/// A group as it is stored.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// A number for the row that no other group or member ever gets.
    pub id: i64,
    /// Its address.
    pub jid: GroupJid,
    /// Its name.
    pub subject: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// WhatsApp's id of the description; a change has to name it.
    pub description_id: Option<String>,
    /// Whether only admins may write.
    pub announce: bool,
    /// Whether only admins may change its name, picture and description.
    pub locked: bool,
    /// The address of its owner.
    pub owner: Option<String>,
    /// When it was created according to WhatsApp, in epoch milliseconds.
    pub created_at: Option<i64>,
    /// How many members it has.
    pub participant_count: u32,
    /// Whether members are addressed by LID.
    pub lid_addressing: bool,
    /// When it was first stored, in epoch milliseconds.
    pub first_seen_at: i64,
    /// When what is stored of it last changed, in epoch milliseconds.
    pub updated_at: i64,
    /// Whether the account is no longer in it. Its members are not kept then.
    pub left: bool,
    /// Whether notifications may have been missed since the last listing.
    pub stale: bool,
}

/// A present member of a group as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// A number for the row that no other group or member ever gets.
    pub id: i64,
    /// The member's LID address; the phone number address while the LID is unknown.
    pub lid: String,
    /// The member's phone number address.
    pub phone: Option<String>,
    /// What the member may do.
    pub role: Role,
    /// When the member was first seen in the group, in epoch milliseconds.
    pub first_seen_at: i64,
    /// When the member's row last changed, in epoch milliseconds.
    pub last_seen_at: i64,
    /// The member's tag in the group.
    #[serde(default)]
    pub tag: Option<String>,
}

/// What a member may do, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Take part.
    Member,
    /// Change the group and its members.
    Admin,
    /// The same, and cannot be demoted: the creator.
    Superadmin,
}

/// A group as WhatsApp lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// Its address.
    pub jid: GroupJid,
    /// Its name.
    pub subject: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// WhatsApp's id of the description.
    pub description_id: Option<String>,
    /// Whether only admins may write.
    pub announce: bool,
    /// Whether only admins may change its name, picture and description.
    pub locked: bool,
    /// The address of its owner.
    pub owner: Option<String>,
    /// When it was created, in epoch milliseconds.
    pub created_at: Option<i64>,
    /// Whether members are addressed by LID.
    pub lid_addressing: bool,
    /// All its members.
    pub members: Vec<MemberSnapshot>,
}

impl GroupSnapshot {
    /// A group of which no more is known than its address.
    pub fn of(jid: GroupJid) -> Self {
        Self {
            jid,
            subject: None,
            description: None,
            description_id: None,
            announce: false,
            locked: false,
            owner: None,
            created_at: None,
            lid_addressing: true,
            members: Vec::new(),
        }
    }
}

/// A member as WhatsApp lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSnapshot {
    /// The LID address; the phone number address where the LID is unknown.
    pub lid: String,
    /// The phone number address.
    pub phone: Option<String>,
    /// What the member may do.
    pub role: Role,
}

/// What a listing changed in a stored group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDiff {
    /// The group before; `None` when it was not stored. `left` when the account has come back to it.
    pub before: Option<Group>,
    /// The group now; `left` when the listing no longer has it.
    pub after: Group,
    /// LIDs of new members.
    pub joined: Vec<String>,
    /// LIDs of members who are gone.
    pub left: Vec<String>,
    /// LIDs of members with a higher role.
    pub promoted: Vec<String>,
    /// LIDs of members with a lower role.
    pub demoted: Vec<String>,
}

/// A change of a group's settings; `None` leaves a setting alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// The new name.
    pub subject: Option<String>,
    /// The new description.
    pub description: Option<Description>,
    /// Whether only admins may write.
    pub announce: Option<bool>,
    /// Whether only admins may change its name, picture and description.
    pub locked: Option<bool>,
}

/// A group's description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The text; `None` when it was removed.
    pub text: Option<String>,
    /// WhatsApp's id of it.
    pub id: Option<String>,
}

/// A change of a group's members. Those removed, promoted and demoted are named by LID or phone number address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// Who joined.
    pub add: Vec<MemberSnapshot>,
    /// Who left.
    pub remove: Vec<String>,
    /// Who became an admin.
    pub promote: Vec<String>,
    /// Who is no longer an admin.
    pub demote: Vec<String>,
}
