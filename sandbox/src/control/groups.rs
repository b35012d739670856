//! `/admin/groups`: groups, made and changed from outside.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wacore_binary::Jid;

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::{account, no_phone};
use crate::groups::{self, Change, Group, NewGroup, Part, Person, Place, Refusal, Role, Unfounded};
use crate::state::{self, Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(find, change))
        .routes(routes!(add_member, remove_member))
        .routes(routes!(join))
        .routes(routes!(admit))
        .routes(routes!(reject))
        .routes(routes!(leave))
        .routes(routes!(promote))
        .routes(routes!(demote))
}

pub(super) type Answer = Result<Json<GroupBody>, Error>;

#[derive(Deserialize, ToSchema)]
#[schema(as = NewGroup)]
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

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Addressing {
    #[default]
    Lid,
    Pn,
}

#[derive(Deserialize, ToSchema)]
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberChange {
    name: String,
    /// Who makes the change; the creator if nobody is named.
    by: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaverBody {
    name: String,
}

#[derive(Serialize, ToSchema)]
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

#[derive(Serialize, ToSchema)]
struct MemberBody {
    name: String,
    role: Role,
    jid: String,
    lid: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = GroupList)]
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

/// List the groups.
#[utoipa::path(get, path = "/groups", operation_id = "listGroups", tag = "groups",
    responses((status = 200, body = ListBody, description = "Every group"), Refused))]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<ListBody> {
    Json(ListBody { groups: lock(&shared).groups.all().map(GroupBody::from).collect() })
}

/// Make a group.
#[utoipa::path(post, path = "/groups", operation_id = "addGroup", tag = "groups",
    request_body = NewBody,
    responses((status = 201, body = GroupBody, description = "The new group"), Refused))]
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

/// Read a group.
#[utoipa::path(get, path = "/groups/{gid}", operation_id = "getGroup", tag = "groups",
    responses((status = 200, body = GroupBody, description = "The group"), Refused))]
pub(crate) async fn find(State(shared): State<Shared>, Path(gid): Path<String>) -> Answer {
    read(&shared, &address(&gid)?)
}

/// Fields are applied in the order of their declaration, each as one change; the first refusal ends it.
#[utoipa::path(patch, path = "/groups/{gid}", operation_id = "changeGroup", tag = "groups",
    request_body = ChangeBody,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
pub(crate) async fn change(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(body): Body<ChangeBody>,
) -> Answer {
    let gid = address(&gid)?;
    let by = body.by.as_deref();
    if let Some(subject) = body.subject {
        apply(&shared, &gid, by, "subject", |_| Change::Subject(subject))?;
    }
    if let Some(text) = body.description {
        let id = lock(&shared).groups.codes.description_id();
        apply(&shared, &gid, by, "description", |group| groups::describe(group, id, &text))?;
    }
    if let Some(announce) = body.announce {
        apply(&shared, &gid, by, "announce", |_| Change::Announce(announce))?;
    }
    if let Some(locked) = body.locked {
        apply(&shared, &gid, by, "locked", |_| Change::Locked(locked))?;
    }
    if let Some(seconds) = body.ephemeral.map(|seconds| (seconds > 0).then_some(seconds)) {
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

/// Add a member.
#[utoipa::path(post, path = "/groups/{gid}/members", operation_id = "addMember", tag = "groups",
    request_body = MemberChange,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
pub(crate) async fn add_member(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    take_in(&shared, &gid, &member, Change::Add)
}

/// Somebody follows the link: they are in, or ask to be let in.
#[utoipa::path(post, path = "/groups/{gid}/join", operation_id = "joinGroup", tag = "groups",
    request_body = LeaverBody,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
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

/// Let somebody in who asks for it.
#[utoipa::path(post, path = "/groups/{gid}/admit", operation_id = "admit", tag = "groups",
    request_body = MemberChange,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
pub(crate) async fn admit(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    take_in(&shared, &gid, &member, Change::Admit)
}

/// Turn somebody away who asks to be let in.
#[utoipa::path(post, path = "/groups/{gid}/reject", operation_id = "reject", tag = "groups",
    request_body = MemberChange,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
pub(crate) async fn reject(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Reject)
}

/// Send a member away.
#[utoipa::path(delete, path = "/groups/{gid}/members", operation_id = "removeMember", tag = "groups",
    request_body = MemberChange,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
pub(crate) async fn remove_member(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Remove)
}

/// Make a member an admin.
#[utoipa::path(post, path = "/groups/{gid}/promote", operation_id = "promote", tag = "groups",
    request_body = MemberChange,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
pub(crate) async fn promote(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Promote)
}

/// Make an admin a plain member.
#[utoipa::path(post, path = "/groups/{gid}/demote", operation_id = "demote", tag = "groups",
    request_body = MemberChange,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
pub(crate) async fn demote(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(member): Body<MemberChange>,
) -> Answer {
    change_member(&shared, &gid, member, Change::Demote)
}

/// Leave a group.
#[utoipa::path(post, path = "/groups/{gid}/leave", operation_id = "leaveGroup", tag = "groups",
    request_body = LeaverBody,
    responses((status = 200, body = GroupBody, description = "The group as it is now"), Refused))]
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

fn take_in(
    shared: &Shared,
    gid: &str,
    MemberChange { name, by }: &MemberChange,
    change: fn(Vec<Person>) -> Change,
) -> Answer {
    let gid = address(gid)?;
    let person = groups::person(&lock(shared), name).ok_or_else(|| no_phone("name", name))?;
    apply(shared, &gid, by.as_deref(), "name", |_| change(vec![person]))?;
    read(shared, &gid)
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
    account(&lock(shared), field, name).map(|_| ())
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
    known(&lock(shared), gid)?;
    by.map_or(Ok(()), |name| phone(shared, "by", name))?;
    groups::change_as(shared, gid, by, change)
        .map_err(|refusal: Refusal| Error::Refused { field, refusal })
}
