//! How long events are kept.

use crate::{
    EventId, Result, Store, retention,
    tables::{EVENTS, EVENTS_BY_ORGANIZATION, EVENTS_REMOVED},
};

impl Store {
    /// Removes up to `limit` events from before `before_ms` (epoch milliseconds), the oldest of each organization first,
    /// and remembers up to where; says how many. Writes nothing when there is none.
    pub async fn sweep_events(&self, before_ms: i64, limit: usize) -> Result<usize> {
        let bound = EventId::earliest(before_ms).bytes();
        let expired = self
            .read_many(move |txn| {
                let index = txn.open_table(EVENTS_BY_ORGANIZATION)?;
                retention::oldest(&index, bound, limit, |session| session)
            })
            .await?;
        if expired.is_empty() {
            return Ok(0);
        }
        self.write(move |txn| {
            txn.write_events()?;
            let mut events = txn.open_table(EVENTS)?;
            let mut index = txn.open_table(EVENTS_BY_ORGANIZATION)?;
            let mut removed = txn.open_table(EVENTS_REMOVED)?;
            let mut count = 0;
            for (organization, id, session) in &expired {
                // A session that was removed meanwhile has taken its events along.
                count += usize::from(events.remove((*session, *id))?.is_some());
                index.remove((organization.as_str(), *id))?;
                removed.insert(organization.as_str(), *id)?;
            }
            Ok(count)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Error, NewEvent, SessionId, Store};

    fn events(organization: &str, session: SessionId, times: &[i64]) -> Vec<NewEvent> {
        let event = |at: &i64| NewEvent {
            session,
            organization: organization.into(),
            name: "session.status".into(),
            at: *at,
            payload: json!({}),
        };
        times.iter().map(event).collect()
    }

    #[tokio::test]
    async fn old_events_go_and_a_cursor_before_them_is_gone() {
        let store = Store::in_memory().unwrap();
        let (a, b) = (SessionId::generate(1), SessionId::generate(2));
        store.record_events(events("other", b, &[5])).await.unwrap();
        store.record_events(events("acme", a, &[10, 20, 30, 40])).await.unwrap();
        store.record_events(events("other", b, &[50])).await.unwrap();
        let before = store.events_page("acme", None, None, 9, 0).await.unwrap().events;

        assert_eq!(store.sweep_events(5, 100).await.unwrap(), 0);
        assert_eq!(store.sweep_events(31, 2).await.unwrap(), 2, "no more than asked for");
        assert_eq!(store.sweep_events(31, 100).await.unwrap(), 2);
        assert_eq!(store.sweep_events(31, 100).await.unwrap(), 0);

        let kept = store.events_page("acme", None, None, 9, 0).await.unwrap();
        assert_eq!(kept.events, before[3..]);
        for gone in &before[..2] {
            let page = store.events_page("acme", Some(gone.id), None, 9, 0).await;
            assert!(matches!(page, Err(Error::EventsGone)), "{page:?}");
        }
        // Nothing is missing between the last one removed and the first one kept.
        let page = store.events_page("acme", Some(before[2].id), None, 9, 0).await.unwrap();
        assert_eq!(page.events, before[3..]);
        assert_eq!(store.session_events(b, None, 9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_log_of_which_all_is_gone_goes_on_behind_it() {
        let store = Store::in_memory().unwrap();
        let session = SessionId::generate(1);
        store.record_events(events("acme", session, &[10, 20])).await.unwrap();
        let last = store.events_page("acme", None, None, 9, 0).await.unwrap().last;
        assert_eq!(store.sweep_events(1_000, 100).await.unwrap(), 2);
        let page = store.events_page("acme", None, None, 9, 0).await.unwrap();
        assert_eq!((page.events.len(), page.last), (0, last));
        store.record_events(events("acme", session, &[5])).await.unwrap();
        let page = store.events_page("acme", Some(last), None, 9, 0).await.unwrap();
        assert_eq!(page.events.len(), 1);
    }

    #[tokio::test]
    async fn a_removed_session_does_not_disturb_the_sweep() {
        let store = Store::in_memory().unwrap();
        let (a, b) = (SessionId::generate(1), SessionId::generate(2));
        store.record_events(events("acme", a, &[10])).await.unwrap();
        store.record_events(events("acme", b, &[20])).await.unwrap();
        store.write(move |txn| super::super::remove(txn, a)).await.unwrap();
        assert_eq!(store.sweep_events(1_000, 100).await.unwrap(), 1);
    }
}
