//! The event log of an organization, page by page.

use super::{Event, LAST_EVENT, load};
use crate::{
    Error, EventId, Result, SessionId, Store,
    tables::{COUNTERS, EVENTS, EVENTS_BY_ORGANIZATION, EVENTS_REMOVED, FIRST_ID, LAST_ID},
};

/// How many rows of the log one page looks at, those of sessions that are left out included.
const MOST_ROWS: usize = 5_000;

/// How far the clocks of two processes that wrote one log may be apart, in milliseconds.
const LEEWAY: i64 = 60_000;

/// A part of the event log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// Oldest first.
    pub events: Vec<Event>,
    /// The last event that the page covers, listed or left out: where the next page begins. Never below `after`, and
    /// [`EventId::FIRST`] at the beginning of an empty log.
    pub last: EventId,
}

impl Store {
    /// Up to `limit` events of an organization above `after`, or from the oldest kept one on; of these sessions alone,
    /// where some are named. A page may be empty and yet not the last one. `now`: epoch milliseconds.
    ///
    /// # Errors
    /// [`Error::EventsGone`] when events above `after` are no longer kept, [`Error::EventsUnknown`] when `after` is an
    /// id of times to come. Up to now any id is taken, whether or not an event has it: what others do would show.
    pub async fn events_page(
        &self,
        organization: &str,
        after: Option<EventId>,
        sessions: Option<Vec<SessionId>>,
        limit: usize,
        now: i64,
    ) -> Result<EventPage> {
        let organization = organization.to_owned();
        self.read_many(move |txn| {
            let organization = organization.as_str();
            let removed = txn.open_table(EVENTS_REMOVED)?.get(organization)?.map(|id| id.value());
            if let (Some(after), Some(removed)) = (after, removed)
                && after.bytes() < removed
            {
                return Err(Error::EventsGone);
            }
            // Higher than now when the clock was set back.
            let given_out =
                txn.open_table(COUNTERS)?.get(LAST_EVENT)?.map_or(0, |last| last.value());
            let newest = given_out.max(EventId::earliest(now.saturating_add(LEEWAY)).number());
            if after.is_some_and(|after| after.number() > newest) {
                return Err(Error::EventsUnknown);
            }
            let events = txn.open_table(EVENTS)?;
            let index = txn.open_table(EVENTS_BY_ORGANIZATION)?;
            // With nothing left to list, the next page begins behind what was removed.
            let mut last = after.map_or(removed.unwrap_or(FIRST_ID), EventId::bytes);
            let mut found = Vec::new();
            let start = (organization, last);
            for row in index.range(start..=(organization, LAST_ID))?.take(MOST_ROWS) {
                if found.len() == limit {
                    break;
                }
                let (key, session) = row?;
                let (id, session) = (key.value().1, SessionId::from_bytes(session.value()));
                if id == last {
                    continue;
                }
                if sessions.as_ref().is_none_or(|listed| listed.contains(&session)) {
                    let key = (session.bytes(), id);
                    let value = events.get(key)?;
                    let value = value.ok_or_else(|| Error::Corrupt {
                        table: "events",
                        reason: format!("`{}` is in the index only", EventId::from_bytes(id)),
                    })?;
                    found.push(load(txn.vault(), key, value.value())?);
                }
                last = id;
            }
            Ok(EventPage { events: found, last: EventId::from_bytes(last) })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::NewEvent;

    fn event(organization: &str, session: SessionId, at: i64) -> NewEvent {
        NewEvent {
            session,
            organization: organization.into(),
            name: "session.status".into(),
            at,
            payload: json!({ "at": at }),
        }
    }

    fn times(page: &EventPage) -> Vec<i64> {
        page.events.iter().map(|event| event.at).collect()
    }

    #[tokio::test]
    async fn pages_start_above_the_event_named_and_keep_organizations_apart() {
        let store = Store::in_memory().unwrap();
        let (a, b) = (SessionId::generate(1), SessionId::generate(2));
        let log =
            vec![event("acme", a, 1), event("acme", b, 2), event("acm", b, 3), event("acme", a, 4)];
        store.record_events(log).await.unwrap();

        let first = store.events_page("acme", None, None, 2, 0).await.unwrap();
        assert_eq!(times(&first), [1, 2]);
        assert_eq!(first.last, first.events[1].id);
        let rest = store.events_page("acme", Some(first.last), None, 2, 0).await.unwrap();
        assert_eq!(times(&rest), [4]);
        assert_eq!(rest.events[0].payload, json!({ "at": 4 }));
        let end = store.events_page("acme", Some(rest.last), None, 2, 0).await.unwrap();
        assert_eq!(end, EventPage { events: vec![], last: rest.last });
        let of_session = store.session_events(a, Some(first.events[0].id), 9).await.unwrap();
        assert_eq!(of_session, rest.events);
        assert_eq!(times(&store.events_page("acm", None, None, 9, 0).await.unwrap()), [3]);
        let empty = store.events_page("nobody", None, None, 9, 0).await.unwrap();
        assert_eq!(empty, EventPage { events: vec![], last: EventId::FIRST });
    }

    #[tokio::test]
    async fn a_cursor_of_times_to_come_is_unknown_and_any_other_tells_nothing_of_other_logs() {
        let store = Store::in_memory().unwrap();
        let session = SessionId::generate(1);
        assert_eq!(
            store.events_page("acme", Some(EventId::FIRST), None, 9, 0).await.unwrap().events,
            []
        );
        store.record_events(vec![event("acme", session, 1)]).await.unwrap();
        let last = store.events_page("acme", None, None, 9, 0).await.unwrap().last;
        assert!(store.events_page("acme", Some(last), None, 9, 0).await.is_ok());
        let above = EventId::from_number(last.number() + 1);
        for organization in ["acme", "nobody"] {
            let page = store.events_page(organization, Some(above), None, 9, 0).await.unwrap();
            assert_eq!((page.events, page.last), (vec![], above));
            let to_come = EventId::earliest(LEEWAY + 1);
            let page = store.events_page(organization, Some(to_come), None, 9, 0).await;
            assert!(matches!(page, Err(Error::EventsUnknown)), "{page:?}");
        }
        // The clock was set back since the last event.
        let ahead = event("acme", session, LEEWAY + 5);
        store.record_events(vec![ahead]).await.unwrap();
        let last = store.events_page("acme", None, None, 9, 0).await.unwrap().last;
        assert!(store.events_page("acme", Some(last), None, 9, 0).await.is_ok());
    }

    #[tokio::test]
    async fn a_page_covers_the_events_that_it_leaves_out() {
        let store = Store::in_memory().unwrap();
        let (a, b) = (SessionId::generate(1), SessionId::generate(2));
        let log = [(a, 1), (b, 2), (a, 3), (b, 4)].map(|(session, at)| event("acme", session, at));
        store.record_events(log.into()).await.unwrap();
        let page = store.events_page("acme", None, Some(vec![a]), 9, 0).await.unwrap();
        assert_eq!(times(&page), [1, 3]);
        let all = store.events_page("acme", None, None, 9, 0).await.unwrap();
        assert_eq!(page.last, all.events[3].id);
        let nothing = store.events_page("acme", None, Some(vec![]), 9, 0).await.unwrap();
        assert_eq!((times(&nothing), nothing.last), (vec![], page.last));
    }
}
