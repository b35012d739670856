//! Levers on communities.

use wacore_binary::Jid;

use crate::groups::change::Refusal;
use crate::groups::group::Group;
use crate::groups::levers::{GroupLever, NewGroup, act_as};
use crate::groups::standing::{Part, Place};
use crate::state::{self, Shared};

impl NewGroup {
    /// Makes it a community, which comes with its announcements.
    #[must_use]
    pub fn community(self) -> Self {
        self.at(Place::Community { open: false, general: false })
    }

    /// Makes it a community with a chat for everybody.
    #[must_use]
    pub fn community_with_general_chat(self) -> Self {
        self.at(Place::Community { open: false, general: true })
    }

    /// Makes it in a community, under the rules that clients are under: its owner has to be an admin there.
    #[must_use]
    pub fn inside(self, community: &GroupLever) -> Self {
        self.at(Place::In(community.address().clone()))
    }
}

/// Links a group to a community in the name of `by`, or of the community's creator.
pub(crate) fn link_as(
    shared: &Shared,
    community: &Jid,
    by: Option<&str>,
    gid: &Jid,
) -> Result<(), Refusal> {
    act_as(shared, community, by, |groups, journal, author, at_ms| {
        groups.link(journal, community, gid, author, at_ms)
    })
}

/// Takes a group out of a community in the name of `by`, or of the community's creator.
pub(crate) fn unlink_as(
    shared: &Shared,
    community: &Jid,
    by: Option<&str>,
    gid: &Jid,
) -> Result<(), Refusal> {
    act_as(shared, community, by, |groups, journal, author, at_ms| {
        groups.unlink(journal, community, gid, author, false, at_ms)
    })
}

/// Ends a community in the name of `by`, or of the community's creator.
pub(crate) fn deactivate_as(
    shared: &Shared,
    community: &Jid,
    by: Option<&str>,
) -> Result<(), Refusal> {
    act_as(shared, community, by, |groups, journal, author, at_ms| {
        groups.deactivate(journal, community, author, at_ms)
    })
}

impl GroupLever {
    /// Links a group to this community.
    pub fn links(&self, group: &Self) {
        self.expects(link_as(self.shared(), self.address(), self.author(), group.address()));
    }

    /// Takes a group out of this community.
    pub fn unlinks(&self, group: &Self) {
        self.expects(unlink_as(self.shared(), self.address(), self.author(), group.address()));
    }

    /// Ends this community: it and its announcements are no more, its other groups stand alone.
    pub fn deactivates(&self) {
        self.expects(deactivate_as(self.shared(), self.address(), self.author()));
    }

    /// The groups of this community, in the order in which they were made, and what they are to it.
    pub fn subgroups(&self) -> Vec<(Self, Part)> {
        let state = state::lock(self.shared());
        let linked = state.groups.linked_to(self.address());
        let linked = linked.filter_map(|group| Some((group.jid(), group.part()?)));
        linked.map(|(gid, part)| (self.other(gid), part)).collect()
    }

    /// The JID of the community that this group is linked to.
    pub fn parent(&self) -> Option<String> {
        self.read(|group: &Group| group.parent().map(Jid::to_string))
    }
}
