//! `/admin/groups/{gid}/…`: communities, and the groups that are linked to them.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wacore_binary::Jid;

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::groups::{Answer, GroupBody, address, known, phone, read};
use crate::groups::{Refusal, community::levers};
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(link)).routes(routes!(unlink)).routes(routes!(deactivate))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// The JID of the group.
    group: String,
    /// Who does it; the community's creator if nobody is named.
    by: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = DeactivateBody)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndBody {
    /// Who does it; the community's creator if nobody is named.
    by: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Deactivated {
    deactivated: bool,
}

/// Link a group to a community.
#[utoipa::path(post, path = "/groups/{gid}/link", operation_id = "linkGroup", tag = "groups",
    request_body = LinkBody,
    responses((status = 200, body = GroupBody, description = "The linked group"), Refused))]
pub(crate) async fn link(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(body): Body<LinkBody>,
) -> Answer {
    change_link(&shared, &gid, &body, levers::link_as)
}

/// Take a group out of a community.
#[utoipa::path(post, path = "/groups/{gid}/unlink", operation_id = "unlinkGroup", tag = "groups",
    request_body = LinkBody,
    responses((status = 200, body = GroupBody, description = "The group"), Refused))]
pub(crate) async fn unlink(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(body): Body<LinkBody>,
) -> Answer {
    change_link(&shared, &gid, &body, levers::unlink_as)
}

/// End a community.
#[utoipa::path(post, path = "/groups/{gid}/deactivate", operation_id = "deactivateCommunity", tag = "groups",
    request_body = EndBody,
    responses((status = 200, body = Deactivated, description = "It is ended"), Refused))]
pub(crate) async fn deactivate(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(EndBody { by }): Body<EndBody>,
) -> Result<Json<Deactivated>, Error> {
    let community = address(&gid)?;
    known(&lock(&shared), &community)?;
    by.as_deref().map_or(Ok(()), |name| phone(&shared, "by", name))?;
    levers::deactivate_as(&shared, &community, by.as_deref())
        .map_err(|refusal| Error::Refused { field: "gid", refusal })?;
    Ok(Json(Deactivated { deactivated: true }))
}

fn change_link(
    shared: &Shared,
    gid: &str,
    LinkBody { group, by }: &LinkBody,
    change: fn(&Shared, &Jid, Option<&str>, &Jid) -> Result<(), Refusal>,
) -> Answer {
    let community = address(gid)?;
    known(&lock(shared), &community)?;
    let group = group.parse().map_err(|_| Error::field("group", "must be the JID of a group"))?;
    by.as_deref().map_or(Ok(()), |name| phone(shared, "by", name))?;
    change(shared, &community, by.as_deref(), &group)
        .map_err(|refusal| Error::Refused { field: "group", refusal })?;
    read(shared, &group)
}
