//! Pages of a list: `limit` and `cursor`.

use std::{fmt::Display, fmt::Write as _, str::FromStr};

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};

use wharf_storage::EventId;

use crate::error::ApiError;

/// How many rows a page has when the caller does not say.
const DEFAULT_LIMIT: usize = 50;
/// How many rows a page has at most.
const MAX_LIMIT: usize = 200;

/// The page that the caller asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// 1 to 200 rows.
    pub(crate) limit: usize,
    cursor: Option<String>,
}

impl Page {
    /// The key of the last row of the page before, if this is not the first. `list` names the list, so that the
    /// cursor of one list is not taken for that of another.
    pub(crate) fn after<K: FromStr>(&self, list: &str) -> Result<Option<K>, ApiError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = decode(cursor)
            .and_then(|text| text.strip_prefix(list)?.strip_prefix(':').map(str::to_owned))
            .and_then(|key| key.parse().ok());
        key.map(Some)
            .ok_or_else(|| ApiError::invalid_field("cursor", "is not a cursor of this list"))
    }

    /// Cuts `rows`, read with one row more than the limit, to the page, and makes the cursor for the next one.
    pub(crate) fn cut<T, K: Display>(
        &self,
        list: &str,
        rows: &mut Vec<T>,
        key: impl Fn(&T) -> K,
    ) -> String {
        if rows.len() <= self.limit {
            return String::new();
        }
        rows.truncate(self.limit);
        Self::cursor(list, rows.last().map(key))
    }

    /// The cursor for the page that begins behind this key; empty when there is none.
    pub(crate) fn cursor(list: &str, key: Option<impl Display>) -> String {
        key.map(|key| encode(&format!("{list}:{key}"))).unwrap_or_default()
    }

    fn parse(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let [limit, cursor] = single(pairs, ["limit", "cursor"])?;
        Ok(Self { limit: clamp(limit)?, cursor: cursor.filter(|text| !text.is_empty()) })
    }
}

/// The page of the event log that the caller asks for. Its cursor is the last event that the page before covered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogPage {
    /// 1 to 200 events.
    pub(crate) limit: usize,
    /// The event after which the page begins.
    pub(crate) after: Option<EventId>,
    /// The parameter that named it.
    given_as: &'static str,
}

impl LogPage {
    /// The answer when the log has never had that event.
    pub(crate) fn unknown(&self) -> ApiError {
        ApiError::invalid_field(self.given_as, "names no event of this log")
    }

    fn parse(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let [limit, after, cursor] = single(pairs, ["limit", "after", "cursor"])?;
        let (given_as, given) = match (after, cursor) {
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid_field(
                    "cursor",
                    "means the same as `after`: give one",
                ));
            }
            (None, Some(cursor)) => ("cursor", Some(cursor)),
            (after, None) => ("after", after),
        };
        let after = given.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose();
        let after = after.map_err(|_| ApiError::invalid_field(given_as, "is not an event's id"))?;
        Ok(Self { limit: clamp(limit)?, after, given_as })
    }
}

/// Which part of the audit log the caller asks for. An empty filter is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuditQuery {
    pub(crate) page: Page,
    /// The session that it was done to.
    pub(crate) session: Option<String>,
    /// The key or person who did it.
    pub(crate) actor: Option<String>,
}

impl AuditQuery {
    fn parse(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let (filters, page) =
            pairs.into_iter().partition(|(name, _)| matches!(name.as_str(), "session" | "actor"));
        let [session, actor] = single(filters, ["session", "actor"])?;
        let filter = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self { page: Page::parse(page)?, session: filter(session), actor: filter(actor) })
    }
}

/// The values of these parameters, each of which may be given once; others are none of ours.
fn single<const N: usize>(
    pairs: Vec<(String, String)>,
    names: [&str; N],
) -> Result<[Option<String>; N], ApiError> {
    let mut found = [const { None }; N];
    for (name, value) in pairs {
        let Some(place) = names.iter().position(|known| *known == name) else { continue };
        if found[place].replace(value).is_some() {
            return Err(ApiError::invalid_field(&name, "is given twice"));
        }
    }
    Ok(found)
}

async fn query<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Vec<(String, String)>, ApiError> {
    let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
    let Query(pairs) =
        query.map_err(|rejection| ApiError::invalid_field("query", &rejection.body_text()))?;
    Ok(pairs)
}

/// Zero means the default; more than the maximum, however many digits it has, means the maximum.
fn clamp(given: Option<String>) -> Result<usize, ApiError> {
    let Some(text) = given else { return Ok(DEFAULT_LIMIT) };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::invalid_field("limit", "must be a whole number, zero or more"));
    }
    Ok(match text.parse().unwrap_or(MAX_LIMIT) {
        0 => DEFAULT_LIMIT,
        number => number.min(MAX_LIMIT),
    })
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::parse(query(parts, state).await?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LogPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::parse(query(parts, state).await?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AuditQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::parse(query(parts, state).await?)
    }
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes every write");
        hex
    })
}

fn decode(cursor: &str) -> Option<String> {
    if !cursor.len().is_multiple_of(2) || !cursor.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes =
        (0..cursor.len()).step_by(2).map(|at| u8::from_str_radix(&cursor[at..at + 2], 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(pairs: &[(&str, &str)]) -> Result<Page, ApiError> {
        Page::parse(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn a_limit_is_clamped_and_zero_is_the_default() {
        for (given, limit) in
            [("0", 50), ("1", 1), ("200", 200), ("201", 200), ("99999999999999999999999", 200)]
        {
            assert_eq!(page(&[("limit", given)]).unwrap().limit, limit, "{given}");
        }
        assert_eq!(page(&[]).unwrap(), Page { limit: 50, cursor: None });
    }

    #[test]
    fn a_limit_that_is_no_number_is_refused() {
        for given in ["", "-1", "ten", "1.5", "+1", " 1"] {
            assert!(page(&[("limit", given)]).is_err(), "{given}");
        }
        assert!(page(&[("limit", "1"), ("limit", "2")]).is_err());
    }

    #[test]
    fn a_cursor_leads_on_after_the_last_row_in_its_own_list_only() {
        let first = page(&[("limit", "2")]).unwrap();
        let mut rows = vec![1, 2, 3];
        let cursor = first.cut("numbers", &mut rows, |row| *row);
        assert_eq!(rows, [1, 2]);
        let second = page(&[("cursor", &cursor)]).unwrap();
        assert_eq!(second.after::<i32>("numbers").unwrap(), Some(2));
        assert!(second.after::<i32>("letters").is_err());
    }

    #[test]
    fn a_last_page_has_an_empty_cursor() {
        assert_eq!(
            page(&[("limit", "2")]).unwrap().cut("numbers", &mut vec![1, 2], |row| *row),
            ""
        );
    }

    #[test]
    fn a_filter_comes_once_and_an_empty_one_is_none() {
        let query = |pairs: &[(&str, &str)]| {
            let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            AuditQuery::parse(owned.collect())
        };
        let given = query(&[("actor", "key_1"), ("limit", "7"), ("session", "")]).unwrap();
        assert_eq!(
            (given.page.limit, given.session, given.actor.as_deref()),
            (7, None, Some("key_1"))
        );
        for twice in ["actor", "session", "limit"] {
            assert!(query(&[(twice, "1"), (twice, "1")]).is_err(), "{twice}");
        }
    }

    #[test]
    fn a_cursor_that_does_not_decode_is_refused() {
        for cursor in ["x", "zz", "abc", "ff", "é0", "6e756d62657273"] {
            assert!(
                page(&[("cursor", cursor)]).unwrap().after::<i32>("numbers").is_err(),
                "{cursor}"
            );
        }
    }
}
