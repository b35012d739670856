//! How much is stored of a session.

use redb::{Key, Range};

use crate::{
    Result, SessionId, Store,
    store::Snapshot,
    tables::{ABOVE_ALL, EVENTS, FIRST_ID, GROUPS, LAST_ID, MEMBERS, SESSIONS, WA_ALL},
};

/// Rows that are counted before the counting ends: it reads them all, and shall not take long.
const COUNTED: u64 = 50_000;

/// What is stored of a session, in rows and in bytes of their values. Keys, indexes and the pages around them are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Rows whose keys begin with the session's id.
    pub rows: u64,
    /// Bytes of the values in these rows, as they are in the file.
    pub bytes: u64,
    /// Whether there are more rows than were counted.
    pub more: bool,
}

impl Store {
    /// What is stored of a session at this moment, up to 50,000 rows of it. Writes that are queued are not in it.
    pub async fn footprint(&self, session: SessionId) -> Result<Footprint> {
        self.read_many(move |snapshot| Footprint::of(snapshot, session)).await
    }
}

impl Footprint {
    fn of(snapshot: &Snapshot, session: SessionId) -> Result<Self> {
        let id = session.bytes();
        let mut found = Self::default();
        found.add(snapshot.open_table(SESSIONS)?.range(id..=id)?)?;
        found.add(snapshot.open_table(GROUPS)?.range((id, "")..(id, ABOVE_ALL))?)?;
        found.add(snapshot.open_table(EVENTS)?.range((id, FIRST_ID)..=(id, LAST_ID))?)?;
        for table in WA_ALL {
            found.add(table.range_in(snapshot, &id)?)?;
        }
        // Last, because they are the most.
        found.add(snapshot.open_table(MEMBERS)?.range((id, "", "")..(id, ABOVE_ALL, ""))?)?;
        Ok(found)
    }

    fn add<K: Key + 'static>(&mut self, rows: Range<'_, K, &'static [u8]>) -> Result<()> {
        for row in rows {
            let (_, value) = row?;
            if self.rows == COUNTED {
                self.more = true;
                break;
            }
            self.rows += 1;
            self.bytes += value.value().len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{Durability, Op},
        tables::WA_SENT_MESSAGES,
    };

    async fn put(store: &Store, session: SessionId, rows: std::ops::Range<u64>) {
        let op = |row: u64| Op {
            table: WA_SENT_MESSAGES,
            key: [&session.bytes()[..], &row.to_be_bytes()].concat(),
            value: Some(vec![7; 3]),
        };
        store.put_all(rows.map(op).collect(), Durability::Strict).await.unwrap();
    }

    #[tokio::test]
    async fn rows_are_counted_up_to_a_bound() {
        let store = Store::in_memory().unwrap();
        let session = SessionId::generate(1);
        put(&store, session, 0..COUNTED).await;
        let all = store.footprint(session).await.unwrap();
        assert_eq!((all.rows, all.more), (COUNTED, false));
        put(&store, session, COUNTED..COUNTED + 1).await;
        assert_eq!(store.footprint(session).await.unwrap(), Footprint { more: true, ..all });
    }
}
