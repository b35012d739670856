//! `/admin/journal`: what the server applied.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::body::Params;
use super::error::Error;
use crate::journal::Entry;
use crate::state::{Shared, lock};

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(crate) struct Page {
    entries: Vec<Entry>,
    /// To be given as `after` for the next page.
    next: u64,
}

pub(crate) async fn page(
    State(shared): State<Shared>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Page>, Error> {
    let limit = wanted.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Error::field("limit", "must be 1 to 1000"));
    }
    let entries = lock(&shared).journal.after(wanted.after, limit);
    let next = entries.last().map_or(wanted.after, |entry| entry.sequence);
    Ok(Json(Page { entries, next }))
}
