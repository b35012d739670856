//! What may be done to a group, by whom, and what then becomes of it.

use serde_json::{Value, json};

use super::group::{Description, Group, Member, Person, Role, Subject};
use super::members::Move;

/// Longest subject, in Unicode scalar values.
pub(crate) const SUBJECT_MAX: usize = 100;
/// Longest description, in Unicode scalar values.
pub(crate) const DESCRIPTION_MAX: usize = 2048;

/// Members that a group may have: what clients show as the limit.
pub(crate) const MEMBERS_MAX: usize = 1024;

/// Codes that are remembered to have been valid; an older one is as one that never was.
const REVOKED: usize = 100;

/// A change that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A new subject.
    Subject(String),
    /// A new description, or none; `prev` is the id of the one it replaces.
    Description { id: String, prev: Option<String>, text: Option<String> },
    /// Whether only admins may write.
    Announce(bool),
    /// Whether only admins may change subject and description.
    Locked(bool),
    /// A new invite code, which makes the old one worthless.
    Invite(String),
    /// Seconds after which messages disappear; they stay if there are none.
    Ephemeral(Option<u32>),
    /// Whether an admin has to let in who comes by the link.
    Approval(bool),
    /// Whether every member may add others, or only admins.
    AddByAll(bool),
    /// The author comes in: by the link, or invited by name.
    Join,
    /// The author comes in from the community.
    Enter,
    /// The author asks to be let in.
    Ask,
    /// Those who have asked are let in.
    Admit(Vec<Person>),
    /// Those who have asked are turned away, by account name.
    Reject(Vec<String>),
    /// New members.
    Add(Vec<Person>),
    /// Members sent away, by account name.
    Remove(Vec<String>),
    /// Members made admins, by account name.
    Promote(Vec<String>),
    /// Admins made plain members, by account name.
    Demote(Vec<String>),
    /// The author leaves.
    Leave,
}

/// Why the server says no. The numbers are those that clients know from the real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The stanza makes no sense.
    #[error("bad-request")]
    BadRequest,
    /// A member who is not an admin asks for an admin's secret.
    #[error("not-authorized")]
    NotAuthorized,
    /// Not in the group, or not allowed to do this in it.
    #[error("forbidden")]
    Forbidden,
    /// No such group, or no such member.
    #[error("item-not-found")]
    NotFound,
    /// A value outside its limits.
    #[error("not-acceptable")]
    NotAcceptable,
    /// Something changed since the caller looked, or is already so.
    #[error("conflict")]
    Conflict,
    /// The link or the invitation is not valid any more.
    #[error("gone")]
    Gone,
    /// The group has as many members as a group may have.
    #[error("resource-limit")]
    Full,
}

impl Refusal {
    /// The number that goes with the text.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotAuthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::NotAcceptable => 406,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::Full => 419,
        }
    }
}

impl Change {
    /// The name of this operation in the journal.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Subject(_) => "group.subject",
            Self::Description { .. } => "group.description",
            Self::Announce(_) => "group.announce",
            Self::Locked(_) => "group.locked",
            Self::Invite(_) => "group.invite",
            Self::Ephemeral(_) => "group.ephemeral",
            Self::Approval(_) => "group.approval",
            Self::AddByAll(_) => "group.add_mode",
            Self::Join | Self::Enter => "group.join",
            Self::Ask => "group.ask",
            Self::Admit(_) => "group.admit",
            Self::Reject(_) => "group.reject",
            Self::Add(_) => "group.add",
            Self::Remove(_) => "group.remove",
            Self::Promote(_) => "group.promote",
            Self::Demote(_) => "group.demote",
            Self::Leave => "group.leave",
        }
    }

    /// The values of this operation in the journal.
    pub(crate) fn detail(&self) -> Value {
        match self {
            Self::Subject(subject) => json!({ "subject": subject }),
            Self::Description { id, prev, text } => {
                json!({ "id": id, "prev": prev, "description": text })
            }
            Self::Announce(announce) => json!({ "announce": announce }),
            Self::Locked(locked) => json!({ "locked": locked }),
            Self::Invite(code) => json!({ "code": code }),
            Self::Ephemeral(seconds) => json!({ "seconds": seconds }),
            Self::Approval(on) => json!({ "approval": on }),
            Self::AddByAll(all) => json!({ "mode": add_mode(*all) }),
            Self::Add(people) | Self::Admit(people) => {
                json!({ "members": people.iter().map(|person| &person.name).collect::<Vec<_>>() })
            }
            Self::Remove(names)
            | Self::Promote(names)
            | Self::Demote(names)
            | Self::Reject(names) => json!({ "members": names }),
            Self::Enter => json!({ "through": "community" }),
            Self::Join | Self::Ask | Self::Leave => json!({}),
        }
    }
}

/// How the wire calls it that all members, or only admins, may add others.
pub(crate) fn add_mode(all: bool) -> &'static str {
    if all { "all_member_add" } else { "admin_add" }
}

/// Whether a subject is within its limits.
pub(crate) fn check_subject(subject: &str) -> Result<(), Refusal> {
    let fits = !subject.trim().is_empty() && subject.chars().count() <= SUBJECT_MAX;
    fits.then_some(()).ok_or(Refusal::NotAcceptable)
}

/// Whether a description is within its limits. Deleting one is another request than setting it to nothing.
pub(crate) fn check_description(text: &str) -> Result<(), Refusal> {
    let fits = !text.is_empty() && text.chars().count() <= DESCRIPTION_MAX;
    fits.then_some(()).ok_or(Refusal::NotAcceptable)
}

impl Group {
    /// The role of somebody in this group, or [`Refusal::Forbidden`] for everybody else.
    pub(crate) fn role_of(&self, name: &str) -> Result<Role, Refusal> {
        self.member(name).map(|member| member.role).ok_or(Refusal::Forbidden)
    }

    /// The invite code, for those who may know it: admins.
    pub(crate) fn invite_for(&self, name: &str) -> Result<&str, Refusal> {
        if self.role_of(name)?.is_admin() { Ok(&self.invite) } else { Err(Refusal::NotAuthorized) }
    }

    /// Lets admins through.
    pub(crate) fn for_admin(&self, name: &str) -> Result<(), Refusal> {
        self.role_of(name)?.is_admin().then_some(()).ok_or(Refusal::Forbidden)
    }

    /// Lets those through who may change what `locked` leaves to admins: subject, description, picture and the like.
    pub(crate) fn for_editor(&self, name: &str) -> Result<(), Refusal> {
        if self.locked { self.for_admin(name) } else { self.role_of(name).map(|_| ()) }
    }

    /// Says whether `author` may do this now. Rights come before values, values before conflicts.
    pub(crate) fn check(&self, author: &str, change: &Change) -> Result<(), Refusal> {
        match change {
            Change::Ask if self.requests.iter().any(|(person, _)| person.name == author) => {
                return Err(Refusal::Conflict);
            }
            Change::Join | Change::Enter | Change::Ask => return self.room(author),
            _ => {}
        }
        let role = self.role_of(author)?;
        let admin = || role.is_admin().then_some(()).ok_or(Refusal::Forbidden);
        match change {
            Change::Subject(subject) => {
                self.for_editor(author)?;
                check_subject(subject)
            }
            Change::Description { id, prev, text } => {
                self.for_editor(author)?;
                if id.is_empty() {
                    return Err(Refusal::BadRequest);
                }
                if let Some(text) = text {
                    check_description(text)?;
                }
                let known = match &self.description {
                    Some(current) => prev.as_ref() == Some(&current.id),
                    // A client knows that there is none, or which change deleted it.
                    None => prev.is_none() || *prev == self.undescribed,
                };
                if known { Ok(()) } else { Err(Refusal::Conflict) }
            }
            Change::Announce(_) | Change::Locked(_) | Change::Approval(_) | Change::AddByAll(_) => {
                admin()
            }
            Change::Ephemeral(_) => self.for_editor(author),
            Change::Admit(people) => {
                admin()?;
                self.has_room(people.len())?;
                people.iter().try_for_each(|person| self.asked(&person.name))
            }
            Change::Reject(names) => {
                admin()?;
                names.iter().try_for_each(|name| self.asked(name))
            }
            Change::Invite(_) => self.invite_for(author).map(|_| ()),
            Change::Add(people) => {
                self.for_adding(author)?;
                self.has_room(people.len())?;
                people.iter().try_for_each(|person| self.allows(Move::Add, &person.name))
            }
            Change::Remove(names) => {
                admin()?;
                names.iter().try_for_each(|name| self.allows(Move::Remove, name))
            }
            Change::Promote(names) => {
                admin()?;
                names.iter().try_for_each(|name| self.allows(Move::Promote, name))
            }
            Change::Demote(names) => {
                admin()?;
                names.iter().try_for_each(|name| self.allows(Move::Demote, name))
            }
            Change::Join | Change::Enter | Change::Ask | Change::Leave => Ok(()),
        }
    }

    /// What it is to follow the link: to come in, or to ask.
    pub(crate) fn joining(&self) -> Change {
        if self.options.approval { Change::Ask } else { Change::Join }
    }

    /// Lets those through who may add others.
    pub(crate) fn for_adding(&self, name: &str) -> Result<(), Refusal> {
        let all = self.options.member_add_mode.as_deref() == Some(add_mode(true));
        if all { self.role_of(name).map(|_| ()) } else { self.for_admin(name) }
    }

    /// Whether somebody of this name has asked to be let in.
    pub(crate) fn asked(&self, name: &str) -> Result<(), Refusal> {
        let has = self.requests.iter().any(|(person, _)| person.name == name);
        has.then_some(()).ok_or(Refusal::NotFound)
    }

    /// Whether somebody of this name may come: there is room, and they are not in already.
    fn room(&self, name: &str) -> Result<(), Refusal> {
        if self.member(name).is_some() { Err(Refusal::Conflict) } else { self.has_room(1) }
    }

    /// Whether so many more may come.
    pub(crate) fn has_room(&self, more: usize) -> Result<(), Refusal> {
        if self.members.len() + more > MEMBERS_MAX { Err(Refusal::Full) } else { Ok(()) }
    }

    /// Carries out a change that [`Group::check`] allowed.
    pub(crate) fn apply(&mut self, author: &Person, change: &Change, at_ms: i64) {
        match change {
            Change::Subject(subject) => {
                self.subject = Subject { text: subject.clone(), author: author.clone(), at_ms };
            }
            Change::Description { id, text, .. } => {
                self.undescribed = text.is_none().then(|| id.clone());
                self.description = text.as_ref().map(|text| Description {
                    id: id.clone(),
                    text: text.clone(),
                    author: author.clone(),
                    at_ms,
                });
            }
            Change::Announce(announce) => self.announce = *announce,
            Change::Locked(locked) => self.locked = *locked,
            Change::Invite(code) => {
                if self.revoked.len() == REVOKED {
                    self.revoked.remove(0);
                }
                self.revoked.push(std::mem::replace(&mut self.invite, code.clone()));
            }
            Change::Ephemeral(seconds) => self.options.ephemeral = *seconds,
            Change::Approval(on) => {
                self.options.approval = *on;
                if !on {
                    self.requests.clear();
                }
            }
            Change::AddByAll(all) => {
                self.options.member_add_mode = Some(add_mode(*all).to_owned());
            }
            Change::Join | Change::Enter => self.take_in(std::slice::from_ref(author)),
            Change::Ask => self.requests.push((author.clone(), at_ms)),
            Change::Add(people) | Change::Admit(people) => self.take_in(people),
            Change::Reject(names) => {
                self.requests.retain(|(person, _)| !names.contains(&person.name));
            }
            Change::Remove(names) => {
                self.members.retain(|member| !names.contains(&member.person.name));
            }
            Change::Promote(names) => self.give(names, Role::Admin),
            Change::Demote(names) => self.give(names, Role::Member),
            Change::Leave => self.members.retain(|member| member.person.name != author.name),
        }
    }

    /// New members have asked, or been invited, no more.
    fn take_in(&mut self, people: &[Person]) {
        for person in people {
            self.requests.retain(|(other, _)| other.name != person.name);
            self.invitations.remove(&person.name);
            self.members.push(Member { person: person.clone(), role: Role::Member });
        }
    }

    /// Gives a role to members; the creator keeps theirs.
    fn give(&mut self, names: &[String], role: Role) {
        for name in names {
            if let Some(member) = self.member_mut(name)
                && member.role != Role::Superadmin
            {
                member.role = role;
            }
        }
    }
}

#[cfg(test)]
mod tests;
