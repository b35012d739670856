//! Communities and the groups that are linked to them.
//!
//! A community and its announcements have the same members and the same admins. Who comes into a linked group comes
//! into the community, and who leaves the community leaves its groups.

use serde_json::json;
use wacore_binary::Jid;

use super::{Founding, Groups, Notice, names};
use crate::groups::change::{Change, Refusal};
use crate::groups::community::stanza::{self, Tie};
use crate::groups::group::{Group, Options, Person};
use crate::groups::standing::{Part, Place, Standing};
use crate::groups::stanza as node;
use crate::journal::Journal;

/// The subject of the chat for everybody.
const GENERAL: &str = "General";

impl Groups {
    /// The groups that are linked to a community, in the order in which they were made.
    pub(crate) fn linked_to<'a>(&'a self, community: &'a Jid) -> impl Iterator<Item = &'a Group> {
        self.by_id.values().filter(move |group| group.parent() == Some(community))
    }

    /// The community at this address.
    pub(crate) fn community(&self, gid: &Jid) -> Result<&Group, Refusal> {
        let group = self.find(gid)?;
        if group.is_community() { Ok(group) } else { Err(Refusal::NotAcceptable) }
    }

    /// A group that is linked to this community.
    pub(crate) fn linked(&self, community: &Jid, gid: &Jid) -> Result<&Group, Refusal> {
        let group = self.find(gid)?;
        if group.parent() == Some(community) { Ok(group) } else { Err(Refusal::NotFound) }
    }

    /// Makes a group where it is to be: a community comes with the groups that it needs.
    pub(crate) fn found_at(
        &mut self,
        journal: &mut Journal,
        mut founding: Founding,
        place: Place,
        at_ms: i64,
    ) -> Result<(Jid, Vec<Notice>), Refusal> {
        match place {
            Place::Alone => {
                let (gid, notice) = self.found(journal, founding, at_ms)?;
                Ok((gid, vec![notice]))
            }
            Place::Community { open, general } => {
                founding.standing = Standing::Community { open };
                let mut part = |subject: &str, founding: &Founding| Founding {
                    subject: subject.to_owned(),
                    creator: founding.creator.clone(),
                    others: founding.others.clone(),
                    description: None,
                    options: Options::default(),
                    addressing: founding.addressing,
                    invite: self.codes.invite(),
                    standing: Standing::Alone,
                };
                let mut parts = vec![(Part::Announcements, part(&founding.subject, &founding))];
                if general {
                    parts.push((Part::General, part(GENERAL, &founding)));
                }
                let (gid, notice) = self.found(journal, founding, at_ms)?;
                let mut notices = vec![notice];
                for (part, mut founding) in parts {
                    founding.standing = Standing::Linked { to: gid.clone(), part };
                    notices.push(self.found(journal, founding, at_ms)?.1);
                }
                Ok((gid, notices))
            }
            Place::In(community) => {
                self.for_founding(&community, &founding)?;
                founding.standing = Standing::Linked { to: community.clone(), part: Part::Group };
                let author = founding.creator.clone();
                let (gid, notice) = self.found(journal, founding, at_ms)?;
                let mut notices = vec![notice];
                notices.extend(self.tell(&community, &gid, &author, at_ms, Tie::Linked));
                let people = self.find(&gid)?.members.iter();
                let people = people.map(|member| member.person.clone()).collect();
                notices.extend(self.follow(journal, &gid, &author, &Change::Add(people), at_ms)?);
                Ok((gid, notices))
            }
        }
    }

    /// Lets those through who may make a group in a community, if it has room for the group's members.
    fn for_founding(&self, community: &Jid, founding: &Founding) -> Result<(), Refusal> {
        let group = self.community(community)?;
        let role = group.role_of(&founding.creator.name)?;
        if !role.is_admin() && group.standing != (Standing::Community { open: true }) {
            return Err(Refusal::Forbidden);
        }
        let strangers = founding.others.iter().filter(|(who, _)| group.member(&who.name).is_none());
        group.has_room(strangers.count())
    }

    /// Links a group to a community.
    pub(crate) fn link(
        &mut self,
        journal: &mut Journal,
        community: &Jid,
        gid: &Jid,
        author: &Person,
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        let parent = self.community(community)?;
        parent.for_admin(&author.name)?;
        let group = self.find(gid)?;
        group.for_admin(&author.name)?;
        match group.standing {
            Standing::Alone => {}
            Standing::Community { .. } => return Err(Refusal::NotAcceptable),
            Standing::Linked { .. } => return Err(Refusal::Conflict),
        }
        let people: Vec<Person> =
            group.members.iter().map(|member| member.person.clone()).collect();
        let strangers = people.iter().filter(|who| parent.member(&who.name).is_none());
        // wacore `iq/groups.rs`: "406 = community full".
        parent.has_room(strangers.count()).map_err(|_| Refusal::NotAcceptable)?;
        let standing = Standing::Linked { to: community.clone(), part: Part::Group };
        self.stand(gid, standing);
        let detail = json!({ "group": gid.to_string() });
        journal.record(at_ms, &author.name, "group.link", &community.to_string(), detail);
        let mut notices = Vec::from_iter(self.tell(community, gid, author, at_ms, Tie::Linked));
        notices.extend(self.tell(gid, community, author, at_ms, Tie::Linked));
        notices.extend(self.follow(journal, gid, author, &Change::Add(people), at_ms)?);
        Ok(notices)
    }

    /// Takes a group out of its community, and those with it who are in no other group there if `orphans` go too.
    pub(crate) fn unlink(
        &mut self,
        journal: &mut Journal,
        community: &Jid,
        gid: &Jid,
        author: &Person,
        orphans: bool,
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        self.community(community)?.for_admin(&author.name)?;
        let group = self.linked(community, gid)?;
        if group.part() == Some(Part::Announcements) {
            return Err(Refusal::NotAcceptable);
        }
        let members = names(group);
        self.stand(gid, Standing::Alone);
        let detail = json!({ "group": gid.to_string(), "orphans": orphans });
        journal.record(at_ms, &author.name, "group.unlink", &community.to_string(), detail);
        let mut notices = Vec::from_iter(self.tell(community, gid, author, at_ms, Tie::Unlinked));
        notices.extend(self.tell(gid, community, author, at_ms, Tie::Unlinked));
        if orphans {
            let orphans: Vec<String> =
                members.into_iter().filter(|name| self.is_orphan(community, name)).collect();
            if !orphans.is_empty() {
                let change = Change::Remove(orphans);
                notices.extend(self.carry_out(journal, community, author, &change, at_ms)?);
                notices.extend(self.follow(journal, community, author, &change, at_ms)?);
            }
        }
        Ok(notices)
    }

    /// Whether a plain member of the community is in none of its groups but the announcements.
    fn is_orphan(&self, community: &Jid, name: &str) -> bool {
        let plain = self.find(community).and_then(|group| group.role_of(name));
        plain.is_ok_and(|role| !role.is_admin())
            && !self
                .linked_to(community)
                .filter(|group| group.part() != Some(Part::Announcements))
                .any(|group| group.member(name).is_some())
    }

    /// Ends a community: it and its announcements are no more, its other groups stand alone.
    pub(crate) fn deactivate(
        &mut self,
        journal: &mut Journal,
        community: &Jid,
        author: &Person,
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        self.community(community)?.for_admin(&author.name)?;
        journal.record(at_ms, &author.name, "group.delete", &community.to_string(), json!({}));
        let linked: Vec<(Jid, bool)> = self
            .linked_to(community)
            .map(|group| (group.jid(), group.part() == Some(Part::Announcements)))
            .collect();
        let mut notices = Vec::new();
        for (gid, announcements) in linked {
            if announcements {
                notices.extend(self.delete(&gid, author, at_ms));
            } else {
                self.stand(&gid, Standing::Alone);
                notices.extend(self.tell(&gid, community, author, at_ms, Tie::Orphaned));
            }
        }
        notices.extend(self.delete(community, author, at_ms));
        Ok(notices)
    }

    /// Sends somebody away from the community and from each of its groups.
    pub(crate) fn remove_everywhere(
        &mut self,
        journal: &mut Journal,
        community: &Jid,
        author: &Person,
        names: &[String],
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        self.community(community)?;
        self.change(journal, community, author, &Change::Remove(names.to_vec()), at_ms)
    }

    /// Whether the community of a group has room for those who come into the group.
    pub(super) fn has_room_above(
        &self,
        gid: &Jid,
        author: &Person,
        change: &Change,
    ) -> Result<(), Refusal> {
        let Some(community) = self.find(gid)?.parent() else { return Ok(()) };
        let community = self.find(community)?;
        let strangers = comers(author, change);
        community
            .has_room(strangers.iter().filter(|who| community.member(&who.name).is_none()).count())
    }

    /// What a change to a group means for the community that it belongs to, and for the groups there.
    pub(super) fn follow(
        &mut self,
        journal: &mut Journal,
        gid: &Jid,
        author: &Person,
        change: &Change,
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        let group = self.find(gid)?;
        let community = match &group.standing {
            Standing::Alone => return Ok(Vec::new()),
            Standing::Community { .. } => gid.clone(),
            Standing::Linked { to, .. } => to.clone(),
        };
        let twins = self.twins(&community);
        let of_all = twins.contains(gid);
        let mut notices = Vec::new();
        match change {
            Change::Remove(names) if of_all => {
                for place in self.everywhere(&community).iter().filter(|place| *place != gid) {
                    notices.extend(self.depart(journal, place, author, names, at_ms)?);
                }
            }
            Change::Leave if of_all => {
                for place in &self.everywhere(&community) {
                    if self.find(place)?.member(&author.name).is_some() {
                        notices.extend(self.carry_out(journal, place, author, change, at_ms)?);
                    }
                }
            }
            Change::Promote(_) | Change::Demote(_) if of_all => {
                for twin in twins.iter().filter(|twin| *twin != gid) {
                    notices.extend(self.carry_out(journal, twin, author, change, at_ms)?);
                }
            }
            _ => {
                let comers = comers(author, change);
                for twin in twins.iter().filter(|twin| *twin != gid) {
                    let there = self.find(twin)?;
                    let strangers = comers.iter().filter(|who| there.member(&who.name).is_none());
                    let strangers: Vec<Person> = strangers.cloned().collect();
                    if !strangers.is_empty() {
                        let add = Change::Add(strangers);
                        notices.extend(self.carry_out(journal, twin, author, &add, at_ms)?);
                    }
                }
            }
        }
        Ok(notices)
    }

    /// Those of these people who are in a group go from it.
    fn depart(
        &mut self,
        journal: &mut Journal,
        gid: &Jid,
        author: &Person,
        names: &[String],
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        let group = self.find(gid)?;
        let there = names.iter().filter(|name| group.member(name).is_some()).cloned();
        let there: Vec<String> = there.collect();
        if there.is_empty() {
            return Ok(Vec::new());
        }
        self.carry_out(journal, gid, author, &Change::Remove(there), at_ms)
    }

    /// The groups of a community, and the community itself.
    fn everywhere(&self, community: &Jid) -> Vec<Jid> {
        let linked = self.linked_to(community).map(Group::jid);
        linked.chain([community.clone()]).collect()
    }

    /// The community and its announcements.
    fn twins(&self, community: &Jid) -> Vec<Jid> {
        let announcements = self
            .linked_to(community)
            .filter(|group| group.part() == Some(Part::Announcements))
            .map(Group::jid);
        std::iter::once(community.clone()).chain(announcements).collect()
    }

    fn stand(&mut self, gid: &Jid, standing: Standing) {
        if let Some(group) = self.by_id.get_mut(gid.user.as_str()) {
            group.standing = standing;
        }
    }

    /// The members of `to` hear what became of its tie with the other.
    fn tell(
        &mut self,
        to: &Jid,
        other: &Jid,
        author: &Person,
        at_ms: i64,
        tie: Tie,
    ) -> Option<Notice> {
        let id = self.next_notice();
        let (group, other) = (self.find(to).ok()?, self.find(other).ok()?);
        let action = stanza::tie(group, other, tie);
        let node = node::notification(group, &id, author, at_ms, action);
        Some(Notice { to: names(group), node })
    }

    fn delete(&mut self, gid: &Jid, author: &Person, at_ms: i64) -> Option<Notice> {
        let id = self.next_notice();
        let group = self.by_id.remove(gid.user.as_str())?;
        let to = names(&group);
        for name in &to {
            self.forget(&group.id, name);
        }
        let node = node::notification(&group, &id, author, at_ms, stanza::deleted());
        Some(Notice { to, node })
    }
}

/// Who comes in with a change.
fn comers(author: &Person, change: &Change) -> Vec<Person> {
    match change {
        Change::Add(people) | Change::Admit(people) => people.clone(),
        Change::Join | Change::Enter => vec![author.clone()],
        _ => Vec::new(),
    }
}
