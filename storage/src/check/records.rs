//! The walk over all records: each decodes, stands where it belongs, and has what it hangs off.
//!
//! Findings name sessions, keys and events by their ids, and no address of anybody.

use std::collections::{BTreeMap, BTreeSet};

use redb::{Key, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::de::DeserializeOwned;
use ulid::Ulid;

use super::Report;
use crate::{
    ApiKey, AuditRecord, EventId, Group, Member, NewEvent, Result, Session, audit, events, schema,
    store::Snapshot,
    tables::{
        self, AUDIT, COUNTERS, ENCRYPTION, EVENTS, EVENTS_BY_ORGANIZATION, EVENTS_REMOVED, GROUPS,
        Id, KEYS, KEYS_BY_DIGEST, KEYS_BY_ORGANIZATION, MEMBERS, Rows, SCHEMA, SESSIONS,
        SESSIONS_BY_ORGANIZATION, WA_ALL, WA_LID_BY_LID, WA_LID_BY_PN,
    },
    whatsapp,
};

/// Every session with its organization.
type Sessions = BTreeMap<Id, String>;

/// Looks at every table. One that cannot be read to its end is a finding, and the next one is looked at.
pub(super) fn walk(snapshot: &Snapshot, report: &mut Report) {
    let mut sessions = Sessions::new();
    look(snapshot, report, names);
    look(snapshot, report, numbers);
    look(snapshot, report, |snapshot, report| self::sessions(snapshot, report, &mut sessions));
    look(snapshot, report, |snapshot, report| groups(snapshot, report, &sessions));
    look(snapshot, report, |snapshot, report| members(snapshot, report, &sessions));
    look(snapshot, report, keys);
    look(snapshot, report, |snapshot, report| event_log(snapshot, report, &sessions));
    look(snapshot, report, event_index);
    look(snapshot, report, audit_log);
    for table in WA_ALL {
        look(snapshot, report, |snapshot, report| protocol(snapshot, report, table, &sessions));
    }
    look(snapshot, report, phone_numbers);
}

fn look(
    snapshot: &Snapshot,
    report: &mut Report,
    part: impl FnOnce(&Snapshot, &mut Report) -> Result<()>,
) {
    if let Err(error) = snapshot.read(|snapshot| part(snapshot, report)) {
        report.found(error.to_string());
    }
}

/// An id as the API writes it, without what says of which kind it is.
fn shown(id: Id) -> Ulid {
    Ulid::from_bytes(id)
}

/// The record, or a finding that says whose it was.
fn decoded<K: Key + 'static, T: DeserializeOwned>(
    snapshot: &Snapshot,
    report: &mut Report,
    table: &'static TableDefinition<'static, K, &'static [u8]>,
    key: &K::SelfType<'_>,
    value: &[u8],
    whose: impl FnOnce() -> String,
) -> Option<T> {
    report.rows += 1;
    let record = snapshot.vault().decode(table, key, value);
    record.map_err(|error| report.found(format!("{error} ({})", whose()))).ok()
}

fn of_session(id: Id) -> impl FnOnce() -> String {
    move || format!("of session {}", shown(id))
}

/// Counts a row of a session, and finds it when there is no such session.
fn belongs(report: &mut Report, table: &str, session: Id, sessions: &Sessions) {
    if !sessions.contains_key(&session) {
        let session = shown(session);
        report.found(format!("`{table}`: a row of session {session}, which does not exist"));
    }
}

fn names(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let (found, known) = (snapshot.names()?, tables::names());
    for name in found.iter().filter(|name| !known.contains(&name.as_str())) {
        report.found(format!("there is no such table as `{name}`"));
    }
    for name in known.iter().filter(|name| !found.iter().any(|found| found == *name)) {
        report.found(format!("table `{name}` is missing"));
    }
    Ok(())
}

fn numbers(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    report.rows += snapshot.open_table(SCHEMA)?.len()?;
    report.rows += snapshot.open_table(ENCRYPTION)?.len()?;
    report.rows += snapshot.open_table(COUNTERS)?.len()?;
    let found = snapshot.open_table(SCHEMA)?.get(schema::VERSION)?.map(|number| number.value());
    if found != Some(schema::current()) {
        report.found(format!("the schema is {found:?} and not {}", schema::current()));
    }
    Ok(())
}

fn sessions(snapshot: &Snapshot, report: &mut Report, sessions: &mut Sessions) -> Result<()> {
    let index = snapshot.open_table(SESSIONS_BY_ORGANIZATION)?;
    for row in snapshot.open_table(SESSIONS)?.iter()? {
        let (key, value) = row?;
        let id = key.value();
        let record: Option<Session> =
            decoded(snapshot, report, &SESSIONS, &key.value(), value.value(), of_session(id));
        // Its rows are not to be found again for each of them.
        let organization = record.as_ref().map(|session| session.organization.clone());
        sessions.insert(id, organization.unwrap_or_default());
        let Some(session) = record else { continue };
        if session.id.bytes() != id {
            report.found(format!("`sessions`: {} stands at {}", session.id, shown(id)));
        }
        if index.get((session.organization.as_str(), id))?.is_none() {
            report.found(format!("`sessions`: {} is not in the index", shown(id)));
        }
    }
    for row in index.iter()? {
        let key = row?.0;
        let (organization, id) = key.value();
        report.rows += 1;
        if sessions.get(&id).is_none_or(|of| of != organization) {
            let id = shown(id);
            report.found(format!("`sessions_by_organization`: {id} is not there, or elsewhere"));
        }
    }
    Ok(())
}

fn groups(snapshot: &Snapshot, report: &mut Report, sessions: &Sessions) -> Result<()> {
    for row in snapshot.open_table(GROUPS)?.iter()? {
        let (key, value) = row?;
        let (session, jid) = key.value();
        belongs(report, "groups", session, sessions);
        let group: Option<Group> =
            decoded(snapshot, report, &GROUPS, &key.value(), value.value(), of_session(session));
        if group.is_some_and(|group| group.jid.as_ref() != jid) {
            report.found(format!("`groups`: one of session {} is out of place", shown(session)));
        }
    }
    Ok(())
}

fn members(snapshot: &Snapshot, report: &mut Report, sessions: &Sessions) -> Result<()> {
    let groups = snapshot.open_table(GROUPS)?;
    for row in snapshot.open_table(MEMBERS)?.iter()? {
        let (key, value) = row?;
        let (session, jid, lid) = key.value();
        belongs(report, "members", session, sessions);
        let member: Option<Member> =
            decoded(snapshot, report, &MEMBERS, &key.value(), value.value(), of_session(session));
        let session_shown = shown(session);
        if member.is_some_and(|member| member.lid != lid) {
            report.found(format!("`members`: one of session {session_shown} is out of place"));
        }
        if groups.get((session, jid))?.is_none() {
            report.found(format!("`members`: one of session {session_shown} is of no group"));
        }
    }
    Ok(())
}

fn keys(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let keys = snapshot.open_table(KEYS)?;
    let by_organization = snapshot.open_table(KEYS_BY_ORGANIZATION)?;
    let mut unopened = BTreeSet::new();
    for row in keys.iter()? {
        let (id, value) = row?;
        let id = id.value();
        unopened.insert(id);
        let whose = || format!("key {}", shown(id));
        let record: Option<ApiKey> = decoded(snapshot, report, &KEYS, &id, value.value(), whose);
        let Some(key) = record else { continue };
        if key.id.bytes() != id {
            report.found(format!("`keys`: {} stands at {}", key.id, shown(id)));
        }
        if by_organization.get((key.organization.as_str(), id))?.is_none() {
            report.found(format!("`keys`: {} is not in the index", shown(id)));
        }
    }
    for row in by_organization.iter()? {
        let (_, id) = { row?.0 }.value();
        report.rows += 1;
        if keys.get(id)?.is_none() {
            report.found(format!("`keys_by_organization`: {} is not there", shown(id)));
        }
    }
    for row in snapshot.open_table(KEYS_BY_DIGEST)?.iter()? {
        let id = { row?.1 }.value();
        report.rows += 1;
        if keys.get(id)?.is_none() {
            report.found(format!("`keys_by_digest`: {} is not there", shown(id)));
        }
        unopened.remove(&id);
    }
    for id in unopened {
        report.found(format!("`keys`: {} has no digest, so nothing opens with it", shown(id)));
    }
    Ok(())
}

fn event_log(snapshot: &Snapshot, report: &mut Report, sessions: &Sessions) -> Result<()> {
    let index = snapshot.open_table(EVENTS_BY_ORGANIZATION)?;
    let last =
        snapshot.open_table(COUNTERS)?.get(events::LAST_EVENT)?.map_or(0, |last| last.value());
    for row in snapshot.open_table(EVENTS)?.iter()? {
        let (key, value) = row?;
        let (session, id) = key.value();
        belongs(report, "events", session, sessions);
        let event: Option<NewEvent> =
            decoded(snapshot, report, &EVENTS, &key.value(), value.value(), of_session(session));
        if EventId::from_bytes(id).number() > last {
            report.found(format!("`events`: {} is above the last one given out", shown(id)));
        }
        let Some(event) = event else { continue };
        if event.session.bytes() != session {
            report.found(format!("`events`: {} is of another session", shown(id)));
        }
        let indexed = index.get((event.organization.as_str(), id))?.map(|of| of.value());
        if indexed != Some(session) {
            report.found(format!("`events`: {} is not in the index", shown(id)));
        }
    }
    Ok(())
}

fn event_index(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let events = snapshot.open_table(EVENTS)?;
    let removed = snapshot.open_table(EVENTS_REMOVED)?;
    report.rows += removed.len()?;
    for row in snapshot.open_table(EVENTS_BY_ORGANIZATION)?.iter()? {
        let (key, session) = row?;
        let (organization, id) = key.value();
        report.rows += 1;
        if events.get((session.value(), id))?.is_none() {
            report.found(format!("`events_by_organization`: {} is not there", shown(id)));
        }
        if removed.get(organization)?.is_some_and(|up_to| id <= up_to.value()) {
            report.found(format!("`events_removed`: {} is still there", shown(id)));
        }
    }
    Ok(())
}

fn audit_log(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let last =
        snapshot.open_table(COUNTERS)?.get(audit::LAST_ENTRY)?.map_or(0, |last| last.value());
    for row in snapshot.open_table(AUDIT)?.iter()? {
        let (key, value) = row?;
        let (_, id) = key.value();
        let whose = || format!("entry {}", shown(id));
        let _entry: Option<AuditRecord> =
            decoded(snapshot, report, &AUDIT, &key.value(), value.value(), whose);
        if u128::from_be_bytes(id) > last {
            report.found(format!("`audit`: {} is above the last one given out", shown(id)));
        }
    }
    Ok(())
}

fn protocol(
    snapshot: &Snapshot,
    report: &mut Report,
    table: Rows,
    sessions: &Sessions,
) -> Result<()> {
    let name = table.name();
    for row in snapshot.open_table(table.definition())?.iter()? {
        let (key, value) = row?;
        report.rows += 1;
        let Some(session) = key.value().first_chunk() else {
            report.found(format!("`{name}`: a key is too short"));
            continue;
        };
        belongs(report, name, *session, sessions);
        let whole = snapshot
            .vault()
            .unwrap(name, key.value(), value.value())
            .and_then(|value| whatsapp::check(table, &value));
        if let Err(error) = whole {
            report.found(format!("{error} (`{name}`, session {})", shown(*session)));
        }
    }
    Ok(())
}

/// Each phone number's LID is one whose phone number is known.
fn phone_numbers(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let by_lid = snapshot.open_table(WA_LID_BY_LID.definition())?;
    for row in snapshot.open_table(WA_LID_BY_PN.definition())?.iter()? {
        let (key, value) = row?;
        let Some(session) = key.value().first_chunk::<16>() else { continue };
        let lid = snapshot.vault().unwrap(WA_LID_BY_PN.name(), key.value(), value.value());
        let Ok(lid) = lid else { continue };
        if by_lid.get([session.as_slice(), &lid].concat().as_slice())?.is_none() {
            let session = shown(*session);
            report.found(format!("`wa_lid_by_pn`: one of session {session} has no mapping"));
        }
    }
    Ok(())
}
