//! The event log: what happened to a session, in the order it was committed.
//!
//! An event is stored in the transaction of the change it tells of, so neither exists without the other.

mod page;
mod retention;

pub use page::EventPage;

use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    EventId, Result, SessionId, Store,
    encryption::{Draft, Vault},
    store::Txn,
    tables::{COUNTERS, EVENTS, EVENTS_BY_ORGANIZATION, FIRST_ID, Id, LAST_ID},
};

/// The counter of events.
pub(crate) const LAST_EVENT: &str = "last_event";

/// An event that is not stored yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// The session it happened to.
    pub session: SessionId,
    /// The organization the session belongs to.
    pub organization: String,
    /// What happened, such as `session.status`.
    pub name: String,
    /// When, in epoch milliseconds.
    pub at: i64,
    /// What there is to say about it.
    pub payload: Value,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id, above that of every event stored before it.
    pub id: EventId,
    /// The session it happened to.
    pub session: SessionId,
    /// The organization the session belongs to.
    pub organization: String,
    /// What happened, such as `session.status`.
    pub name: String,
    /// When, in epoch milliseconds.
    pub at: i64,
    /// What there is to say about it.
    pub payload: Value,
}

impl Store {
    /// Stores events that come without a change of state.
    pub async fn record_events(&self, events: Vec<NewEvent>) -> Result<()> {
        self.write(move |txn| {
            append(txn, &events);
            Ok(())
        })
        .await
    }

    /// Up to `limit` events of a session above `after`, oldest first.
    pub async fn session_events(
        &self,
        session: SessionId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.read_many(move |txn| {
            let events = txn.open_table(EVENTS)?;
            let after = after.map_or(FIRST_ID, EventId::bytes);
            events
                .range((session.bytes(), after)..=(session.bytes(), LAST_ID))?
                .filter(|row| row.as_ref().map_or(true, |(key, _)| key.value().1 != after))
                .take(limit)
                .map(|row| {
                    let (key, value) = row?;
                    load(txn.vault(), key.value(), value.value())
                })
                .collect()
        })
        .await
    }
}

/// An event as it will be stored, without its id.
pub(crate) struct Unwritten {
    session: Id,
    organization: String,
    at: i64,
    value: Draft,
}

/// Has events stored at the end of the batch, after those of the jobs before.
pub(crate) fn append(txn: &Txn, new: &[NewEvent]) {
    for event in new {
        txn.append(Unwritten {
            session: event.session.bytes(),
            organization: event.organization.clone(),
            at: event.at,
            value: txn.vault().draft(event),
        });
    }
}

/// Stores events, each under an id above the last one ever given out.
pub(crate) fn write(txn: &Txn, new: Vec<Unwritten>) -> Result<()> {
    let mut counters = txn.open_table(COUNTERS)?;
    let mut events = txn.open_table(EVENTS)?;
    let mut index = txn.open_table(EVENTS_BY_ORGANIZATION)?;
    let mut last = counters.get(LAST_EVENT)?.map_or(0, |last| last.value());
    for event in new {
        last = EventId::generate_above(last, event.at).number();
        let id = EventId::from_number(last).bytes();
        let key = (event.session, id);
        events.insert(key, txn.vault().seal(&EVENTS, &key, event.value).as_slice())?;
        index.insert((event.organization.as_str(), id), event.session)?;
    }
    counters.insert(LAST_EVENT, last)?;
    Ok(())
}

/// Removes the log of a session.
pub(crate) fn remove(txn: &Txn, session: SessionId) -> Result<()> {
    txn.write_events()?;
    let mut events = txn.open_table(EVENTS)?;
    let mut index = txn.open_table(EVENTS_BY_ORGANIZATION)?;
    let range = (session.bytes(), FIRST_ID)..=(session.bytes(), LAST_ID);
    for row in events.range(range.clone())? {
        let (key, value) = row?;
        let event: NewEvent = txn.vault().decode(&EVENTS, &key.value(), value.value())?;
        index.remove((event.organization.as_str(), key.value().1))?;
    }
    Ok(events.retain_in(range, |_, _| false)?)
}

fn load(vault: &Vault, key: (Id, Id), value: &[u8]) -> Result<Event> {
    let NewEvent { session, organization, name, at, payload } =
        vault.decode(&EVENTS, &key, value)?;
    Ok(Event { id: EventId::from_bytes(key.1), session, organization, name, at, payload })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(session: SessionId, at: i64) -> NewEvent {
        NewEvent {
            session,
            organization: "acme".into(),
            name: "session.status".into(),
            at,
            payload: json!({ "at": at, "none": null, "list": [1.5, "x", true] }),
        }
    }

    #[tokio::test]
    async fn event_ids_rise_though_the_clock_goes_back_and_the_file_is_reopened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wharf.redb");
        let session = SessionId::generate(1);
        let store = Store::open(&path, &crate::Options::default()).unwrap();
        store
            .record_events(vec![event(session, 9_000), event(session, 9_000), event(session, 10)])
            .await
            .unwrap();
        store.close().await.unwrap();
        let store = Store::open(&path, &crate::Options::default()).unwrap();
        store.record_events(vec![event(session, 5), event(session, 20_000)]).await.unwrap();

        let events = store.session_events(session, None, 10).await.unwrap();
        assert_eq!(
            events.iter().map(|event| event.at).collect::<Vec<_>>(),
            [9_000, 9_000, 10, 5, 20_000]
        );
        assert!(events.is_sorted_by(|a, b| a.id < b.id));
        let page = store.events_page("acme", None, None, 10, 0).await.unwrap();
        assert_eq!(events, page.events);
    }

    #[tokio::test]
    async fn removing_a_log_leaves_the_logs_of_others() {
        let store = Store::in_memory().unwrap();
        let (a, b) = (SessionId::generate(1), SessionId::generate(2));
        store.record_events(vec![event(a, 1), event(b, 2)]).await.unwrap();
        store.write(move |txn| remove(txn, a)).await.unwrap();
        assert_eq!(store.session_events(a, None, 9).await.unwrap(), []);
        let left = store.events_page("acme", None, None, 9, 0).await.unwrap();
        assert_eq!(left.events.len(), 1);
    }
}
