//! `/admin/unknown`: what clients have sent that the server does not know.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::documented::Refused;
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(unknown))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Unknown {
    /// Requests.
    iqs: u64,
    /// Other stanzas.
    stanzas: u64,
    /// Malformed messages that a lenient server has taken.
    forgiven: u64,
    /// The first 256 names.
    names: Vec<Name>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UnknownName)]
struct Name {
    /// `iq`, type, namespace and first child of a request; the tag of another stanza.
    name: String,
    count: u64,
}

/// What clients have sent that the server does not know.
#[utoipa::path(get, path = "/unknown", operation_id = "getUnknown", tag = "server",
    responses((status = 200, body = Unknown, description = "Since the start"), Refused))]
pub(crate) async fn unknown(State(shared): State<Shared>) -> Json<Unknown> {
    let state = lock(&shared);
    let oddities = &state.oddities;
    let names = oddities.names().map(|(name, count)| Name { name: name.to_owned(), count });
    Json(Unknown {
        iqs: oddities.iqs,
        stanzas: oddities.stanzas,
        forgiven: oddities.forgiven,
        names: names.collect(),
    })
}
