//! `/admin/groups`: groups, made and changed from outside.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use wacore_binary::Jid;

use super::body::Body;
use super::error::Error;
use crate::groups::{self, Change, Group, NewGroup, Part, Place, Refusal, Role, Unfounded};
use crate::state::{self, Shared, lock};

pub(super) type Answer = Result<Json<GroupBody>, Error>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBody {
    subject: String,
    owner: String,
    #[serde(default)]
    admins: Vec<String>,
    #[serde(default)]
    members: Vec<String>,
    /// How its members are named: `lid`, or `pn` as in groups from before LIDs.
    #[serde(default)]
    addressing: Addressing,
    /// Makes it a community.
    #[serde(default)]
    community: bool,
    /// Gives the community a chat for everybody.
    #[serde(default, rename = "generalChat")]
    general: bool,
    /// Makes it in this community.
    parent: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Addressing {
    #[default]
    Lid,
    Pn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// Who makes the change; the creator if nobody is named.
    by: Option<String>,
    subject: Option<String>,
    description: Option<String>,
    announce: Option<bool>,
    locked: Option<bool>,
    /// Seconds after which messages disappear; with 0 they stay.
    ephemeral: Option<u32>,
    /// Whether an admin has to let in who comes by the link.
    approval: Option<bool>,
    /// Whether every member may add others.
    #[serde(rename = "allAdd")]
    all_add: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberChange {
    name: String,
    /// Who makes the change; the creator if nobody is named.
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaverBody {
    name: String,
}

#[derive(Serialize)]
pub(crate) struct GroupBody {
    gid: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    announce: bool,
    locked: bool,
    invite: String,
    owner: String,
    members: Vec<MemberBody>,
    /// Who asks to be let in.
    requests: Vec<String>,
    community: bool,
    /// The community that it is linked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    /// What it is to that community.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
}

#[derive(Serialize)]
struct MemberBody {
    name: String,
    role: Role,
    jid: String,
    lid: String,
}

#[derive(Serialize)]
pub(crate) struct ListBody {
    groups: Vec<GroupBody>,
}

impl From<&Group> for GroupBody {
    fn from(group: &Group) -> Self {
        let members = group.members.iter().map(|member| MemberBody {
            name: member.person.name.clone(),
            role: member.role,
            jid: member.person.phone.to_string(),
            lid: member.person.lid.to_string(),
        });
        Self {
            gid: group.jid().to_string(),
            subject: group.subject.text.clone(),
            description: group.description.as_ref().map(|current| current.text.clone()),
            announce: group.announce,
            locked: group.locked,
            invite: group.invite.clone(),
            owner: group.creator.name.clone(),
            members: members.collect(),
            requests: group.requests.iter().map(|(who, _)| who.name.clone()).collect(),
            community: group.is_community(),
            parent: group.parent().map(Jid::to_string),
            part: group.part(),
        }
    }
}

pub(crate) async fn list(State(shared): State<Shared>) -> Json<ListBody> {
    Json(ListBody { groups: lock(&shared).groups.all().map(GroupBody::from).collect() })
}

pub(crate) async fn add(
    State(shared): State<Shared>,
    Body(body): Body<NewBody>,
) -> Result<(StatusCode, Json<GroupBody>), Error> {
    groups::check_subject(&body.subject)
        .map_err(|_| Error::field("subject", "must have 1 to 100 characters"))?;
    let mut group = NewGroup::new(body.subject).owner(body.owner);
    group = body.admins.into_iter().fold(group, NewGroup::admin);
    group = body.members.into_iter().fold(group, NewGroup::member);
    if matches!(body.addressing, Addressing::Pn) {
        group = group.by_phone_number();
    }
    group = group.at(place(body.community, body.general, body.parent.as_deref())?);
    let gid = groups::add(&shared, group).map_err(|error| match error {
        Unfounded::Refused(refusal) => Error::Refused { field: "parent", refusal },
        other => Error::NotFound(other.to_string()),
    })?;
    Ok((StatusCode::CREATED, read(&shared, &gid)?))
}

fn place(community: bool, general: bool, parent: Option<&str>) -> Result<Place, Error> {
    match parent {
        Some(_) if community => Err(Error::field("parent", "must not go with `community`")),
        _ if general && !community => Err(Error::field("generalChat", "needs `community`")),
        Some(parent) => parent
            .parse()
            .map(Place::In)
            .map_err(|_| Error::field("parent", "must be the JID of a community")),
        None if community => Ok(Place::Community { open: false, general }),
        None => Ok(Place::Alone),
    }
}

pub(crate) async fn find(State(shared): State<Shared>, Path(gid): Path<String>) -> Answer {
    read(&shared, &address(&gid)?)
}

/// Fields are applied in the order of their declaration, each as one change; the first refusal ends it.
pub(crate) async fn change(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(body): Body<ChangeBody>,
) -> Answer {
    let gid = address(&gid)?;
    known(&lock(&shared), &gid)?;
    let by = body.by.as_deref();
    if let Some(subject) = body.subject {
        apply(&shared, &gid, by, "subject", |_| Change::Subject(subject))?;
    }
    if let Some(text) = body.description {
        apply(&shared, &gid, by, "description", |group| groups::describe(group, &text))?;
    }
    if let Some(announce) = body.announce {
        apply(&shared, &gid, by, "announce", |_| Change::Announce(announce))?;
    }
    if let Some(locked) = body.locked {
        apply(&shared, &gid, by, "locked", |_| Change::Locked(locked))?;
    }
    if let Some(seconds) = body.ephemeral {
        let seconds = (seconds > 0).then_some(seconds);
        apply(&shared, &gid, by, "ephemeral", |_| Change::Ephemeral(seconds))?;
    }
    if let Some(on) = body.approval {
        apply(&shared, &gid, by, "approval", |_| Change::Approval(on))?;
    }
    if let Some(all) = body.all_add {
        apply(&shared, &gid, by, "allAdd", |_| Change::AddByAll(all))?;
    }
    read(&shared, &gid)
}

pub(crate) async fn add_member(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    let gid = address(&gid)?;
    let person = groups::person(&lock(&shared), &member.name)
        .ok_or_else(|| Error::NotFound(format!("`name`: there is no phone `{}`", member.name)))?;
    apply(&shared, &gid, member.by.as_deref(), "name", |_| Change::Add(vec![person]))?;
    read(&shared, &gid)
}

/// Somebody follows the link: they are in, or ask to be let in.
pub(crate) async fn join(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(LeaverBody { name }): Body<LeaverBody>,
) -> Answer {
    let gid = address(&gid)?;
    phone(&shared, "name", &name)?;
    apply(&shared, &gid, Some(&name), "name", Group::joining)?;
    read(&shared, &gid)
}

pub(crate) async fn admit(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    let gid = address(&gid)?;
    let person = groups::person(&lock(&shared), &member.name)
        .ok_or_else(|| Error::NotFound(format!("`name`: there is no phone `{}`", member.name)))?;
    apply(&shared, &gid, member.by.as_deref(), "name", |_| Change::Admit(vec![person]))?;
    read(&shared, &gid)
}

pub(crate) async fn reject(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Reject)
}

pub(crate) async fn remove_member(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Remove)
}

pub(crate) async fn promote(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Promote)
}

pub(crate) async fn demote(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Demote)
}

pub(crate) async fn leave(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(LeaverBody { name }): Body<LeaverBody>,
) -> Answer {
    let gid = address(&gid)?;
    phone(&shared, "name", &name)?;
    apply(&shared, &gid, Some(&name), "name", |_| Change::Leave)?;
    read(&shared, &gid)
}

fn change_member(
    shared: &Shared,
    gid: &str,
    member: MemberChange,
    change: fn(Vec<String>) -> Change,
) -> Answer {
    let gid = address(gid)?;
    apply(shared, &gid, member.by.as_deref(), "name", |_| change(vec![member.name]))?;
    read(shared, &gid)
}

pub(super) fn address(gid: &str) -> Result<Jid, Error> {
    gid.parse().map_err(|_| Error::field("gid", "must be the JID of a group, `<digits>@g.us`"))
}

pub(super) fn known<'a>(state: &'a state::State, gid: &Jid) -> Result<&'a Group, Error> {
    state.groups.find(gid).map_err(|_| Error::NotFound(format!("there is no group `{gid}`")))
}

pub(super) fn phone(shared: &Shared, field: &str, name: &str) -> Result<(), Error> {
    let known = lock(shared).accounts.by_name(name).is_some();
    let unknown = || Error::NotFound(format!("`{field}`: there is no phone `{name}`"));
    known.then_some(()).ok_or_else(unknown)
}

pub(super) fn read(shared: &Shared, gid: &Jid) -> Answer {
    known(&lock(shared), gid).map(|group| Json(group.into()))
}

fn apply(
    shared: &Shared,
    gid: &Jid,
    by: Option<&str>,
    field: &'static str,
    change: impl FnOnce(&Group) -> Change,
) -> Result<(), Error> {
    by.map_or(Ok(()), |name| phone(shared, "by", name))?;
    groups::change_as(shared, gid, by, change)
        .map_err(|refusal: Refusal| Error::Refused { field, refusal })
}
