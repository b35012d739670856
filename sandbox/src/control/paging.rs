//! Lists that are read in pages, and waited for.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::error::Error;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;
const WAIT_MAX: u64 = 60;

#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(super) entries: Vec<T>,
    /// To be given as `after` for the next page.
    pub(super) next: u64,
}

/// How many entries a page has at most.
pub(super) fn limit(wanted: Option<usize>) -> Result<usize, Error> {
    let limit = wanted.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(Error::field("limit", "must be 1 to 1000"))
    }
}

/// How long an entry is waited for.
pub(super) fn wait(seconds: u64) -> Result<Duration, Error> {
    if seconds <= WAIT_MAX {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(Error::field("wait", "must be at most 60 seconds"))
    }
}
