//! `/admin/journal`: what the server applied.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Params;
use super::documented::Refused;
use super::error::Error;
use super::paging::{self, Page};
use crate::journal::{self, Entry, JournalFilter};
use crate::state::{Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(page))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The `next` of the page before.
    #[serde(default)]
    after: u64,
    /// How many entries at most: 1 to 1000, and 100 if this is left out.
    limit: Option<usize>,
    /// Seconds to wait for an entry, if there is none yet: at most 60.
    #[serde(default)]
    wait: u64,
    /// Name of the account that made the change.
    account: Option<String>,
    /// An operation, or with a dot at the end a whole area: `group.`.
    operation: Option<String>,
    /// What it was done to: the JID of a group, for instance.
    object: Option<String>,
}

/// Read what the server applied, in order.
#[utoipa::path(get, path = "/journal", operation_id = "readJournal", tag = "journal",
    params(Wanted),
    responses((status = 200, body = Page<Entry>, description = "A page, oldest first"), Refused))]
pub(crate) async fn page(
    State(shared): State<Shared>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page<Entry>>, Error> {
    let limit = paging::limit(wanted.limit)?;
    let span = paging::wait(wanted.wait)?;
    let filter = wanted.filter();
    let found = tokio::time::timeout(span, journal::wait(&shared, &filter, limit)).await;
    // Nothing has come in time: what was looked through is not looked through again.
    let (entries, next) = found.unwrap_or_else(|_| lock(&shared).journal.page(&filter, limit));
    Ok(Json(Page { entries, next }))
}

impl Wanted {
    fn filter(self) -> JournalFilter {
        let Self { after, account, operation, object, .. } = self;
        let filter = JournalFilter::default().after(after);
        let filter = account.into_iter().fold(filter, JournalFilter::account);
        let filter = operation.into_iter().fold(filter, JournalFilter::operation);
        object.into_iter().fold(filter, JournalFilter::object)
    }
}
