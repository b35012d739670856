//! `/admin/groups/{gid}/…`: communities, and the groups that are linked to them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::body::Body;
use super::error::Error;
use super::groups::{Answer, address, known, phone, read};
use crate::groups::community::levers;
use crate::state::{Shared, lock};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// The JID of the group.
    group: String,
    /// Who does it; the community's creator if nobody is named.
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndBody {
    /// Who does it; the community's creator if nobody is named.
    by: Option<String>,
}

/// Links a group to a community.
pub(crate) async fn link(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(LinkBody { group, by }): Body<LinkBody>,
) -> Answer {
    let community = address(&gid)?;
    known(&lock(&shared), &community)?;
    let group = group.parse().map_err(|_| Error::field("group", "must be the JID of a group"))?;
    by.as_deref().map_or(Ok(()), |name| phone(&shared, "by", name))?;
    levers::link_as(&shared, &community, by.as_deref(), &group)
        .map_err(|refusal| Error::Refused { field: "group", refusal })?;
    read(&shared, &group)
}

/// Takes a group out of a community.
pub(crate) async fn unlink(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(LinkBody { group, by }): Body<LinkBody>,
) -> Answer {
    let community = address(&gid)?;
    known(&lock(&shared), &community)?;
    let group = group.parse().map_err(|_| Error::field("group", "must be the JID of a group"))?;
    by.as_deref().map_or(Ok(()), |name| phone(&shared, "by", name))?;
    levers::unlink_as(&shared, &community, by.as_deref(), &group)
        .map_err(|refusal| Error::Refused { field: "group", refusal })?;
    read(&shared, &group)
}

/// Ends a community.
pub(crate) async fn deactivate(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Body(EndBody { by }): Body<EndBody>,
) -> Result<(StatusCode, Json<()>), Error> {
    let community = address(&gid)?;
    known(&lock(&shared), &community)?;
    by.as_deref().map_or(Ok(()), |name| phone(&shared, "by", name))?;
    levers::deactivate_as(&shared, &community, by.as_deref())
        .map_err(|refusal| Error::Refused { field: "gid", refusal })?;
    Ok((StatusCode::OK, Json(())))
}
