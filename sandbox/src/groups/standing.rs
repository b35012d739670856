//! What a group is among communities: one of its own, a community, or a group that is linked to one.

use serde::{Deserialize, Serialize};
use wacore_binary::Jid;

use super::group::Group;

/// The standing of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// It belongs to no community.
    #[default]
    Alone,
    /// It is a community: other groups are linked to it.
    Community {
        /// Whether members who are no admins make groups in it, too.
        open: bool,
    },
    /// It is linked to a community.
    Linked {
        /// The community.
        to: Jid,
        /// What it is there.
        part: Part,
    },
}

/// What a linked group is to its community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The group in which the admins tell everybody something; it has the members of the community.
    Announcements,
    /// The chat for everybody that came with the community.
    General,
    /// Any other.
    Group,
}

/// Where a group is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// By itself.
    #[default]
    Alone,
    /// As a community, with its announcements.
    Community {
        /// Whether members who are no admins make groups in it, too.
        open: bool,
        /// Whether there is to be a chat for everybody.
        general: bool,
    },
    /// In this community.
    In(Jid),
}

impl Group {
    /// Whether it is a community.
    pub(crate) fn is_community(&self) -> bool {
        matches!(self.standing, Standing::Community { .. })
    }

    /// The community that it is linked to.
    pub(crate) fn parent(&self) -> Option<&Jid> {
        match &self.standing {
            Standing::Linked { to, .. } => Some(to),
            Standing::Alone | Standing::Community { .. } => None,
        }
    }

    /// What it is to the community that it is linked to.
    pub(crate) fn part(&self) -> Option<Part> {
        match &self.standing {
            Standing::Linked { part, .. } => Some(*part),
            Standing::Alone | Standing::Community { .. } => None,
        }
    }
}
