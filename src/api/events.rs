//! The event log.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_storage::Event;

use crate::{
    AppState,
    clock::now_ms,
    error::{Aged, Always, ApiError, InvalidInput},
    extract::{Caller, Events, LogPage},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_events))
}

/// The version of the envelope.
const SCHEMA: &str = "v1";

/// Something that happened to a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
struct EventBody {
    /// `v1`.
    schema: &'static str,
    id: String,
    /// What happened, such as `group.update`: it says what the payload holds.
    event: String,
    session: String,
    organization: String,
    /// When, epoch milliseconds.
    timestamp: i64,
    #[schema(value_type = Object)]
    payload: Value,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        Self {
            schema: SCHEMA,
            id: event.id.to_string(),
            event: event.name,
            session: event.session.to_string(),
            organization: event.organization,
            timestamp: event.at,
            payload: event.payload,
        }
    }
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[schema(as = ListEvent)]
#[serde(rename_all = "camelCase")]
struct EventList {
    data: Vec<EventBody>,
    /// The last event that the page covers, to be given as `after` next time; never empty. An empty page is not
    /// always the end.
    next_cursor: String,
}

/// List events, oldest first: those that are kept, or those after the one named.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "listEvents", tag = "events",
    params(
        ("after" = Option<String>, Query, description = "An event's id: `nextCursor` of the page before"),
        ("limit" = Option<i64>, Query, description = "1 to 200; 50 when absent or 0"),
        ("cursor" = Option<String>, Query, description = "The same as `after`"),
    ),
    security(("bearer" = ["events"]), ("apiKey" = ["events"])),
    responses((status = 200, body = EventList, description = "A page of events"), Always, InvalidInput, Aged))]
async fn list_events(
    State(state): State<AppState>,
    caller: Caller<Events>,
    page: LogPage,
) -> Result<Json<EventList>, ApiError> {
    let LogPage { limit, after, .. } = page;
    let Caller { organization, sessions, .. } = caller;
    let found = state.store.events_page(&organization, after, sessions, limit, now_ms()).await;
    let found = found.map_err(|error| match error {
        wharf_storage::Error::EventsUnknown => page.unknown(),
        other => other.into(),
    })?;
    Ok(Json(EventList {
        data: found.events.into_iter().map(EventBody::from).collect(),
        next_cursor: found.last.to_string(),
    }))
}
