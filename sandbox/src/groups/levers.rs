//! Levers on groups: what a test does to them behind a client's back, and what it asks the server.

mod picture;

pub(crate) use picture::set_picture_as;

use wacore_binary::Jid;

use super::change::{Change, Refusal};
use super::group::{Group, Options, Person, Role};
use super::registry::{Founding, Groups, Notice};
use super::standing::{Place, Standing};
use super::{answer, people};
use crate::Sandbox;
use crate::journal::Journal;
use crate::relay::Addressing;
use crate::state::{self, Shared};

/// A group to be made.
#[derive(Debug, Clone)]
pub struct NewGroup {
    subject: String,
    owner: Option<String>,
    others: Vec<(String, Role)>,
    addressing: Addressing,
    place: Place,
}

impl NewGroup {
    /// A group of this subject, nobody in it yet.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            owner: None,
            others: Vec::new(),
            addressing: Addressing::Lid,
            place: Place::Alone,
        }
    }

    /// Makes it there.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Its creator, by account name. A group needs one.
    #[must_use]
    pub fn owner(mut self, name: impl Into<String>) -> Self {
        self.owner = Some(name.into());
        self
    }

    /// One more admin, by account name.
    #[must_use]
    pub fn admin(mut self, name: impl Into<String>) -> Self {
        self.others.push((name.into(), Role::Admin));
        self
    }

    /// One more plain member, by account name.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>) -> Self {
        self.others.push((name.into(), Role::Member));
        self
    }

    /// Addresses its members by phone number, as groups from before LIDs do; otherwise by LID.
    #[must_use]
    pub fn by_phone_number(mut self) -> Self {
        self.addressing = Addressing::Phone;
        self
    }
}

/// Why a group could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfounded {
    /// Nobody owns it.
    #[error("a group needs an `owner`")]
    Ownerless,
    /// There is no such account.
    #[error("`{field}`: there is no phone `{name}`")]
    Unknown {
        /// Where the name stood.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// The subject is empty or too long, or the owner may not make a group in this community.
    #[error("the group is refused: {0}")]
    Refused(Refusal),
}

/// Makes a group, tells its members' devices and returns its address.
pub(crate) fn add(shared: &Shared, new: NewGroup) -> Result<Jid, Unfounded> {
    let mut state = state::lock(shared);
    let find = |field, name: String| {
        people::of_name(&state, &name).ok_or(Unfounded::Unknown { field, name })
    };
    let creator = find("owner", new.owner.ok_or(Unfounded::Ownerless)?)?;
    let others = new.others.into_iter().map(|(name, role)| {
        let field = if role.is_admin() { "admins" } else { "members" };
        find(field, name).map(|person| (person, role))
    });
    let founding = Founding {
        subject: new.subject,
        creator,
        others: others.collect::<Result<_, _>>()?,
        description: None,
        options: Options::default(),
        addressing: new.addressing,
        invite: state.groups.codes.invite(),
        standing: Standing::Alone,
    };
    let at_ms = state.clock.now_ms();
    let state = &mut *state;
    let founded = state.groups.found_at(&mut state.journal, founding, new.place, at_ms);
    let (gid, notices) = founded.map_err(Unfounded::Refused)?;
    let pushes = answer::all_pushes(state, notices, None);
    state.push_all(pushes);
    Ok(gid)
}

/// Changes a group in the name of `by`, or of its creator, under the rules that clients are under.
pub(crate) fn change_as(
    shared: &Shared,
    gid: &Jid,
    by: Option<&str>,
    change: impl FnOnce(&Group) -> Change,
) -> Result<(), Refusal> {
    act_as(shared, gid, by, |groups, journal, author, at_ms| {
        let change = change(groups.find(gid)?);
        groups.change(journal, gid, author, &change, at_ms)
    })
}

/// Does something with a group in the name of `by`, or of its creator, and tells everybody.
pub(super) fn act_as(
    shared: &Shared,
    gid: &Jid,
    by: Option<&str>,
    act: impl FnOnce(&mut Groups, &mut Journal, &Person, i64) -> Result<Vec<Notice>, Refusal>,
) -> Result<(), Refusal> {
    let mut state = state::lock(shared);
    let group = state.groups.find(gid)?;
    let author = match by {
        Some(name) => people::of_name(&state, name).ok_or(Refusal::Forbidden)?,
        None => spokesperson(group),
    };
    let state = &mut *state;
    let notices = act(&mut state.groups, &mut state.journal, &author, state.clock.now_ms())?;
    let pushes = answer::all_pushes(state, notices, None);
    state.push_all(pushes);
    Ok(())
}

/// The change that gives a group this description, or takes it away if the text is empty.
pub(crate) fn describe(group: &Group, id: String, text: &str) -> Change {
    Change::Description {
        id,
        prev: group.description.as_ref().map(|current| current.id.clone()),
        text: (!text.is_empty()).then(|| text.to_owned()),
    }
}

/// The creator while a member, else the first admin.
fn spokesperson(group: &Group) -> Person {
    let members = group.members.iter();
    let highest = members.rev().max_by_key(|member| match member.role {
        Role::Superadmin => 2,
        Role::Admin => 1,
        Role::Member => 0,
    });
    highest.map_or_else(|| group.creator.clone(), |member| member.person.clone())
}

impl Sandbox {
    /// Makes a group and tells its members' devices.
    ///
    /// # Panics
    /// If it has no owner, somebody in it has no phone here, or its subject is empty or too long.
    pub fn add_group(&self, group: NewGroup) -> GroupLever {
        let gid = add(self.state(), group).unwrap_or_else(|error| panic!("{error}"));
        GroupLever::new(self.state().clone(), gid)
    }

    /// The lever on a group, by its JID; an unknown group fails where the lever is used.
    ///
    /// # Panics
    /// If this is not a JID.
    pub fn group(&self, gid: &str) -> GroupLever {
        let gid = gid.parse().unwrap_or_else(|error| panic!("`{gid}` is not a JID: {error}"));
        GroupLever::new(self.state().clone(), gid)
    }
}

/// A lever on one group. Changes are made in the name of the group's creator; see [`GroupLever::by`].
///
/// # Panics
/// Every method panics when the group is unknown or the server refuses the change:
/// a test that asks for the impossible is wrong.
#[derive(Clone)]
pub struct GroupLever {
    shared: Shared,
    gid: Jid,
    author: Option<String>,
}

#[expect(clippy::missing_panics_doc, reason = "the type says it for all of them")]
impl GroupLever {
    fn new(shared: Shared, gid: Jid) -> Self {
        Self { shared, gid, author: None }
    }

    /// The same group, changes being made in the name of this account.
    #[must_use]
    pub fn by(&self, name: &str) -> Self {
        Self { author: Some(name.to_owned()), ..self.clone() }
    }

    /// The group's JID.
    pub fn gid(&self) -> String {
        self.gid.to_string()
    }

    /// Makes an account a member.
    pub fn adds(&self, name: &str) {
        let person = people::of_name(&state::lock(&self.shared), name);
        let person = person.unwrap_or_else(|| panic!("there is no phone `{name}`"));
        self.changes(|_| Change::Add(vec![person]));
    }

    /// Sends a member away.
    pub fn removes(&self, name: &str) {
        self.changes(|_| Change::Remove(vec![name.to_owned()]));
    }

    /// Makes a member an admin.
    pub fn promotes(&self, name: &str) {
        self.changes(|_| Change::Promote(vec![name.to_owned()]));
    }

    /// Makes an admin a plain member.
    pub fn demotes(&self, name: &str) {
        self.changes(|_| Change::Demote(vec![name.to_owned()]));
    }

    /// The author leaves the group.
    pub fn leaves(&self) {
        self.changes(|_| Change::Leave);
    }

    /// The author follows the group's link: they are in, or ask to be let in.
    pub fn joins(&self) {
        self.changes(Group::joining);
    }

    /// Gives the group a subject.
    pub fn sets_subject(&self, subject: &str) {
        self.changes(|_| Change::Subject(subject.to_owned()));
    }

    /// Gives the group a description; an empty one takes it away.
    pub fn sets_description(&self, text: &str) {
        let id = state::lock(&self.shared).groups.codes.description_id();
        self.changes(|group| describe(group, id, text));
    }

    /// Sets whether only admins may write.
    pub fn sets_announce(&self, announce: bool) {
        self.changes(|_| Change::Announce(announce));
    }

    /// Sets after how many seconds messages disappear; with 0 they stay.
    pub fn sets_ephemeral(&self, seconds: u32) {
        self.changes(|_| Change::Ephemeral((seconds > 0).then_some(seconds)));
    }

    /// Sets whether an admin has to let in who comes by the link.
    pub fn sets_approval(&self, on: bool) {
        self.changes(|_| Change::Approval(on));
    }

    /// Sets whether every member may add others, or only admins.
    pub fn lets_all_add(&self, all: bool) {
        self.changes(|_| Change::AddByAll(all));
    }

    /// Lets somebody in who has asked, in the name of an admin.
    pub fn admits(&self, name: &str) {
        let person = people::of_name(&state::lock(&self.shared), name);
        self.changes(|_| Change::Admit(person.into_iter().collect()));
    }

    /// Turns somebody away who has asked, in the name of an admin.
    pub fn rejects(&self, name: &str) {
        self.changes(|_| Change::Reject(vec![name.to_owned()]));
    }

    /// Who asks to be let in, by account name.
    pub fn requests(&self) -> Vec<String> {
        self.read(|group| group.requests.iter().map(|(who, _)| who.name.clone()).collect())
    }

    /// Sets whether only admins may change subject and description.
    pub fn sets_locked(&self, locked: bool) {
        self.changes(|_| Change::Locked(locked));
    }

    /// Gives the group a new invite code, which makes the old one worthless.
    pub fn resets_invite(&self) {
        let code = state::lock(&self.shared).groups.codes.invite();
        self.changes(|_| Change::Invite(code));
    }

    /// The subject.
    pub fn subject(&self) -> String {
        self.read(|group| group.subject.text.clone())
    }

    /// The description, if there is one.
    pub fn description(&self) -> Option<String> {
        self.read(|group| group.description.as_ref().map(|current| current.text.clone()))
    }

    /// The id of the description, if there is one.
    pub fn description_id(&self) -> Option<String> {
        self.read(|group| group.description.as_ref().map(|current| current.id.clone()))
    }

    /// Whether only admins may write.
    pub fn announce(&self) -> bool {
        self.read(|group| group.announce)
    }

    /// Whether only admins may change subject and description.
    pub fn locked(&self) -> bool {
        self.read(|group| group.locked)
    }

    /// What follows `https://chat.whatsapp.com/`.
    pub fn invite_code(&self) -> String {
        self.read(|group| group.invite.clone())
    }

    /// Names and roles of the members, in the order in which they joined.
    pub fn members(&self) -> Vec<(String, Role)> {
        let of = |group: &Group| {
            group.members.iter().map(|member| (member.person.name.clone(), member.role)).collect()
        };
        self.read(of)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn address(&self) -> &Jid {
        &self.gid
    }

    pub(super) fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    /// The lever on another group, in the same name.
    pub(super) fn other(&self, gid: Jid) -> Self {
        Self { gid, ..self.clone() }
    }

    pub(super) fn read<T>(&self, of: impl FnOnce(&Group) -> T) -> T {
        let state = state::lock(&self.shared);
        match state.groups.find(&self.gid) {
            Ok(group) => of(group),
            Err(refusal) => panic!("group `{}`: {refusal}", self.gid),
        }
    }

    fn changes(&self, change: impl FnOnce(&Group) -> Change) {
        self.expects(change_as(&self.shared, &self.gid, self.author.as_deref(), change));
    }

    pub(super) fn expects(&self, done: Result<(), Refusal>) {
        if let Err(refusal) = done {
            panic!("group `{}`: {} {refusal}", self.gid, refusal.code());
        }
    }
}
