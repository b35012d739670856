//! A store with something in every table, and all that a store holds.

use std::collections::BTreeMap;

use redb::{Key, ReadableTable, TableDefinition, Value};
use serde_json::json;

use super::*;
use crate::{
    Actor, ApiKey, AuditRecord, Capability, GroupSnapshot, KeyId, MemberSnapshot, NewEvent, Role,
    Session, SessionId, Status, Wanted,
    tables::{self, Visitor},
    whatsapp,
};

/// All rows, in words, by table.
pub(crate) type Rows = BTreeMap<&'static str, Vec<String>>;

struct Dump<'s>(&'s Snapshot, Rows);

impl Visitor for Dump<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        name: &'static str,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<()> {
        let mut rows = Vec::new();
        for row in self.0.open_table(definition)?.iter()? {
            let (key, value) = row?;
            rows.push(format!("{:?}: {:?}", key.value(), value.value()));
        }
        self.1.insert(name, rows);
        Ok(())
    }
}

/// Every row of every table.
pub(crate) fn dumped(store: &Store) -> Rows {
    tried(store).unwrap()
}

/// The same of a file that may be broken.
pub(super) fn tried(store: &Store) -> Result<Rows> {
    store.read(|snapshot| {
        let mut dump = Dump(snapshot, Rows::new());
        tables::visit(&mut dump)?;
        Ok(dump.1)
    })
}

pub(crate) fn session(id: SessionId, organization: &str) -> Session {
    Session {
        id,
        organization: organization.to_owned(),
        label: None,
        auto_read: false,
        presence_typing: false,
        rate_per_min: 20,
        rate_per_hour: 600,
        created_at: 1,
        updated_at: 1,
        created_by_user: None,
        wanted: Wanted::Running,
        status: Status::Working,
        status_reason: None,
        since: 1,
        account: None,
        last_connected_at: None,
    }
}

pub(crate) fn event(id: SessionId, organization: &str, at: i64) -> NewEvent {
    NewEvent {
        session: id,
        organization: organization.to_owned(),
        name: "session.status".to_owned(),
        at,
        payload: json!({"text": "x".repeat(300)}),
    }
}

pub(crate) fn group(number: i64) -> GroupSnapshot {
    let members = (0..20).map(|member| MemberSnapshot {
        lid: format!("{member}@lid"),
        phone: Some(format!("1555{member:07}@s.whatsapp.net")),
        role: Role::Member,
    });
    GroupSnapshot {
        subject: Some("Crew".to_owned()),
        members: members.collect(),
        ..GroupSnapshot::of(format!("1203630000{number:08}@g.us").parse().unwrap())
    }
}

async fn key(store: &Store, organization: &str, number: i64) {
    let id = KeyId::generate(number);
    let key = ApiKey {
        id,
        organization: organization.to_owned(),
        name: "ci".to_owned(),
        capabilities: [Capability::Read].into(),
        sessions: None,
        created_at: 1,
        expires_at: None,
        revoked_at: None,
    };
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    store.add_key(key, digest).await.unwrap();
    let record = AuditRecord {
        at: 1,
        actor: Actor::Key(id),
        operation: "createSession".to_owned(),
        object: BTreeMap::new(),
        address: None,
        status: Some(201),
        code: None,
        request: "r".to_owned(),
    };
    store.record_audit(vec![(organization.to_owned(), record)]).await.unwrap();
}

/// Puts rows into every table: of so many sessions of three organizations, oldest first.
pub(crate) async fn fill(store: &Store, sessions: i64) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for number in 1..=sessions {
        let (id, organization) = (SessionId::generate(number), format!("org-{}", number % 3));
        let events = [1, 1_000, 2_000].map(|at| event(id, &organization, at));
        store.add_session(session(id, &organization), events.to_vec()).await.unwrap();
        store.put_group(id, group(number), 1, |_| Vec::new()).await.unwrap();
        key(store, &organization, number).await;
        whatsapp::tests::fill(store, id).await;
        ids.push(id);
    }
    store.sweep_events(500, 1).await.unwrap();
    store.write(|_| Ok(())).await.unwrap();
    ids
}

#[tokio::test]
async fn every_table_is_filled_and_a_forgotten_one_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let master_key = Some(MasterKey::new([5; 32]));
    let options = Options { master_key, ..Options::default() };
    let store = Store::open(&folder.path().join("store"), &options).unwrap();
    fill(&store, 1).await;
    let rows = dumped(&store);
    let empty: Vec<_> = rows.iter().filter(|(_, rows)| rows.is_empty()).collect();
    assert!(empty.is_empty(), "{empty:?}");
    let mut found = store.read(Snapshot::names).unwrap();
    found.sort_unstable();
    assert_eq!(found, rows.keys().copied().collect::<Vec<_>>(), "`tables::visit` shows them all");
}

#[tokio::test]
async fn a_removed_session_leaves_rows_in_no_table() {
    let store = Store::in_memory().unwrap();
    let ids = fill(&store, 1).await;
    store.remove_session(ids[0]).await.unwrap();
    let left = dumped(&store);
    let left = left.iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, _)| *name);
    // What is not a session's: numbers, keys, and what was done.
    let others = [
        "audit",
        "counters",
        "events_removed",
        "keys",
        "keys_by_digest",
        "keys_by_organization",
        "schema",
    ];
    assert_eq!(left.collect::<Vec<_>>(), others);
}
