//! Sessions: one linked WhatsApp account each.

mod record;
#[cfg(test)]
mod tests;

pub use record::{Account, Reason, Session, SettingsChange, Status, StatusChange, Wanted};

use redb::{ReadableTable, ReadableTableMetadata};

use crate::{
    Error, NewEvent, Result, SessionId, Store,
    encryption::Vault,
    events, groups,
    store::Txn,
    tables::{Id, LAST_ID, SESSIONS, SESSIONS_BY_ORGANIZATION, WA_ALL},
};

impl Store {
    /// Stores a new session and the events that tell of it.
    pub async fn add_session(&self, session: Session, events: Vec<NewEvent>) -> Result<()> {
        self.add_session_within(usize::MAX, session, events).await?;
        Ok(())
    }

    /// The same, unless `most` sessions are stored, over all organizations: then false, however many are added at once.
    pub async fn add_session_within(
        &self,
        most: usize,
        session: Session,
        events: Vec<NewEvent>,
    ) -> Result<bool> {
        self.write(move |txn| {
            if txn.open_table(SESSIONS)?.len()? >= most as u64 {
                return Ok(false);
            }
            store(txn, &session)?;
            let key = (session.organization.as_str(), session.id.bytes());
            txn.open_table(SESSIONS_BY_ORGANIZATION)?.insert(key, ())?;
            events::append(txn, &events);
            Ok(true)
        })
        .await
    }

    /// A session.
    pub fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read(|txn| load(txn.vault(), &txn.open_table(SESSIONS)?, id))
    }

    /// Every session of every organization, for the start of the process.
    pub async fn sessions(&self) -> Result<Vec<Session>> {
        self.read_many(|txn| {
            let sessions = txn.open_table(SESSIONS)?;
            sessions
                .iter()?
                .map(|row| {
                    let (id, value) = row?;
                    txn.vault().decode(&SESSIONS, &id.value(), value.value())
                })
                .collect()
        })
        .await
    }

    /// Up to `limit` sessions of an organization above `after`, oldest first.
    pub async fn sessions_of(
        &self,
        organization: &str,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<Session>> {
        let organization = organization.to_owned();
        self.read_many(move |txn| {
            let sessions = txn.open_table(SESSIONS)?;
            let organization = organization.as_str();
            let after = after.map_or([0; 16], SessionId::bytes);
            txn.open_table(SESSIONS_BY_ORGANIZATION)?
                .range((organization, after)..=(organization, LAST_ID))?
                .map(|row| Ok(row?.0.value().1))
                .filter(|id: &Result<Id>| !matches!(id, Ok(id) if *id == after))
                .take(limit)
                .map(|id| {
                    let id = SessionId::from_bytes(id?);
                    load(txn.vault(), &sessions, id)?.ok_or_else(|| Error::Corrupt {
                        table: "sessions",
                        reason: format!("`{id}` is in the index only"),
                    })
                })
                .collect()
        })
        .await
    }

    /// Notes what the owner wants of a session; false if there is none.
    pub async fn set_wanted(&self, id: SessionId, wanted: Wanted, at: i64) -> Result<bool> {
        self.change_session(id, at, Vec::new(), move |session| session.wanted = wanted).await
    }

    /// Changes the settings of a session; false if there is none.
    pub async fn change_settings(
        &self,
        id: SessionId,
        change: SettingsChange,
        at: i64,
    ) -> Result<bool> {
        self.change_session(id, at, Vec::new(), move |session| change.apply(session)).await
    }

    /// Notes how a session is doing; false, and no event, if there is none. `since` moves only when the status does.
    pub async fn set_status(
        &self,
        id: SessionId,
        change: StatusChange,
        events: Vec<NewEvent>,
    ) -> Result<bool> {
        let mut set = move |session: &mut Session| {
            if session.status != change.status {
                session.since = change.at;
            }
            session.status = change.status;
            session.status_reason = change.reason;
            if change.connected {
                session.last_connected_at = Some(change.at);
            }
        };
        self.write_patiently(move |txn| change_and_tell(txn, id, change.at, &mut set, &events))
            .await
    }

    /// Notes which account a session is linked to; false, and no event, if there is no session.
    pub async fn set_account(
        &self,
        id: SessionId,
        account: Account,
        at: i64,
        events: Vec<NewEvent>,
    ) -> Result<bool> {
        self.change_session(id, at, events, move |session| session.account = Some(account.clone()))
            .await
    }

    /// Forgets the account of a session, its groups, and all the protocol library kept for it, so that it can be linked
    /// anew, to another account too; false, and no event, if there is no session. Its client must have stopped.
    pub async fn forget_account(
        &self,
        id: SessionId,
        at: i64,
        events: Vec<NewEvent>,
    ) -> Result<bool> {
        self.write(move |txn| {
            let known = change(txn, id, at, &mut |session| session.account = None)?;
            if known {
                groups::remove(txn, id)?;
                remove_protocol_rows(txn, id)?;
                events::append(txn, &events);
            }
            Ok(known)
        })
        .await
    }

    /// Removes a session and every row of it: account, groups, events. False if there was none. Its client must have
    /// stopped.
    pub async fn remove_session(&self, id: SessionId) -> Result<bool> {
        self.write(move |txn| {
            let mut sessions = txn.open_table(SESSIONS)?;
            let Some(session) = load(txn.vault(), &sessions, id)? else { return Ok(false) };
            sessions.remove(id.bytes())?;
            let key = (session.organization.as_str(), id.bytes());
            txn.open_table(SESSIONS_BY_ORGANIZATION)?.remove(key)?;
            remove_protocol_rows(txn, id)?;
            groups::remove(txn, id)?;
            events::remove(txn, id)?;
            Ok(true)
        })
        .await
    }

    async fn change_session<F>(
        &self,
        id: SessionId,
        at: i64,
        events: Vec<NewEvent>,
        mut set: F,
    ) -> Result<bool>
    where
        F: FnMut(&mut Session) + Send + 'static,
    {
        self.write(move |txn| change_and_tell(txn, id, at, &mut set, &events)).await
    }
}

fn change_and_tell(
    txn: &Txn,
    id: SessionId,
    at: i64,
    set: &mut dyn FnMut(&mut Session),
    events: &[NewEvent],
) -> Result<bool> {
    let known = change(txn, id, at, set)?;
    if known {
        events::append(txn, events);
    }
    Ok(known)
}

fn change(txn: &Txn, id: SessionId, at: i64, set: &mut dyn FnMut(&mut Session)) -> Result<bool> {
    let found = load(txn.vault(), &txn.open_table(SESSIONS)?, id)?;
    let Some(mut session) = found else { return Ok(false) };
    set(&mut session);
    session.updated_at = at;
    store(txn, &session)?;
    Ok(true)
}

fn load(
    vault: &Vault,
    sessions: &impl ReadableTable<Id, &'static [u8]>,
    id: SessionId,
) -> Result<Option<Session>> {
    let value = sessions.get(id.bytes())?;
    value.map(|value| vault.decode(&SESSIONS, &id.bytes(), value.value())).transpose()
}

fn store(txn: &Txn, session: &Session) -> Result<()> {
    let id = session.id.bytes();
    let value = txn.vault().encode(&SESSIONS, &id, session);
    txn.open_table(SESSIONS)?.insert(id, value.as_slice())?;
    Ok(())
}

fn remove_protocol_rows(txn: &Txn, id: SessionId) -> Result<()> {
    WA_ALL.iter().try_for_each(|table| table.remove_all(txn, &id.bytes()))
}
