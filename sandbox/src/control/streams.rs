//! `/admin/end-streams`, for all or for one phone: connections that the server ends with a stanza.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::levers;
use crate::state::{Shared, lock};
use crate::streams::{self, StreamEnd};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(end_of_phone)).routes(routes!(end_all))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndBody {
    /// One of the ends that need no number, or nothing where `code` stands.
    kind: Option<Kind>,
    code: Option<u16>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(as = StreamEndKind)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Replaced,
    DeviceRemoved,
    Ack,
    NotWellFormed,
    Plain,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EndedBody {
    /// How many connections were open.
    ended: usize,
}

impl EndBody {
    fn end(&self) -> Result<StreamEnd, Error> {
        Ok(match (self.kind, self.code) {
            (None, Some(code @ 300..=599)) => StreamEnd::Code(code),
            (None, Some(_)) => return Err(Error::field("code", "must be 300 to 599")),
            (Some(Kind::Replaced), None) => StreamEnd::Replaced,
            (Some(Kind::DeviceRemoved), None) => StreamEnd::DeviceRemoved,
            (Some(Kind::Ack), None) => StreamEnd::Ack,
            (Some(Kind::NotWellFormed), None) => StreamEnd::NotWellFormed,
            (Some(Kind::Plain), None) => StreamEnd::Plain,
            (Some(_), Some(_)) | (None, None) => {
                return Err(Error::field("kind", "exactly one of `kind` and `code` is needed"));
            }
        })
    }
}

/// End every connection with a stanza.
#[utoipa::path(post, path = "/end-streams", operation_id = "endStreams", tag = "network",
    request_body = EndBody,
    responses((status = 200, body = EndedBody, description = "They are ended"), Refused))]
pub(crate) async fn end_all(
    State(shared): State<Shared>,
    Body(body): Body<EndBody>,
) -> Result<Json<EndedBody>, Error> {
    let end = body.end()?;
    Ok(Json(EndedBody { ended: streams::end_all(&mut lock(&shared), |_| true, end) }))
}

/// End the connections of an account's devices with a stanza.
#[utoipa::path(post, path = "/phones/{name}/end-streams", operation_id = "endPhoneStreams", tag = "network",
    request_body = EndBody,
    responses((status = 200, body = EndedBody, description = "They are ended"), Refused))]
pub(crate) async fn end_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<EndBody>,
) -> Result<Json<EndedBody>, Error> {
    let end = body.end()?;
    let mut state = lock(&shared);
    let which = levers::of_account(account(&state, "name", &name)?);
    Ok(Json(EndedBody { ended: streams::end_all(&mut state, which, end) }))
}
