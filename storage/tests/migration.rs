//! A file of an older release becomes a current one, with all that is in it.
//!
//! `fixtures/schema-N.redb.gz` was written by a release with schema N, through the methods of its store and of its
//! backend, by a program that closed the store and ended; then `gzip -9n`. The tests name everything that is in it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde_json::json;
use wharf_storage::{
    Account, Actor, AuditFilter, AuditRecord, Capability, Error, Event, EventId, GroupJid, KeyId,
    MasterKey, NewEvent, Options, Role, Session, SessionId, Status, Store, Wanted,
};

use crate::whatsapp::{gives_out_what_was_sent, holds_what_schema_1_wrote};

const AT: i64 = 1_700_000_000_000;
const SHOP: &str = "01HF7YAT00SHP0000000000000";
const IDLE: &str = "01HF7YAT00ZZZ0000000000000";
const OTHER: &str = "01HF7YAT00THR0000000000000";

fn unpacked(folder: &Path, schema: u32) -> PathBuf {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/fixtures/schema-{schema}.redb.gz"));
    let path = folder.join("wharf.redb");
    let mut unpacked = File::create(&path).unwrap();
    io::copy(&mut GzDecoder::new(File::open(packed).unwrap()), &mut unpacked).unwrap();
    path
}

fn open(path: &Path) -> Store {
    Store::open(path, &Options::default()).unwrap()
}

/// Every table of a current file is there, with nothing in it that should not be.
async fn is_sound(path: &Path, options: &Options) {
    let report = wharf_storage::check_file(path, options).await.unwrap();
    assert_eq!((report.unwalked, report.findings), (None, Vec::new()));
}

fn id(text: &str) -> SessionId {
    text.parse().unwrap()
}

fn told(log: &[Event]) -> Vec<(&str, i64)> {
    log.iter().map(|event| (&*event.name, event.at - AT)).collect()
}

/// Everything that the older release wrote is there.
async fn holds_what_was_written(store: &Store) {
    let shop = Session {
        id: id(SHOP),
        organization: "acme".to_owned(),
        label: Some("Shop".to_owned()),
        auto_read: true,
        presence_typing: false,
        rate_per_min: 7,
        rate_per_hour: 70,
        created_at: AT,
        updated_at: AT + 4,
        created_by_user: Some("user-1".to_owned()),
        wanted: Wanted::Running,
        status: Status::Working,
        status_reason: None,
        since: AT + 4,
        account: Some(Account {
            jid: "4915200000001@s.whatsapp.net".to_owned(),
            lid: Some("1001@lid".to_owned()),
            business_name: Some("Shop Ltd".to_owned()),
            platform: Some("android".to_owned()),
        }),
        last_connected_at: Some(AT + 4),
    };
    assert_eq!(store.session(shop.id).unwrap(), Some(shop));
    let ids =
        |sessions: Vec<Session>| sessions.iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(ids(store.sessions_of("acme", None, 9).await.unwrap()), [id(SHOP), id(IDLE)]);
    assert_eq!(ids(store.sessions_of("other", None, 9).await.unwrap()), [id(OTHER)]);
    assert_eq!(store.sessions().await.unwrap().len(), 3);
    holds_the_group(store).await;
    holds_the_keys(store).await;

    let log = store.events_page("acme", None, None, 9, 0).await.unwrap().events;
    let status = ("session.status", 0);
    assert_eq!(told(&log), [status, ("auth.code", 3), ("session.status", 4), ("group.update", 7)]);
    assert_eq!(log[3].payload, json!({"n": 7, "text": "é", "none": null}));
    assert!(log.is_sorted_by(|one, next| one.id < next.id));
    assert_eq!(store.session_events(id(SHOP), None, 9).await.unwrap(), log);
    let others = store.events_page("other", None, None, 9, 0).await.unwrap().events;
    assert_eq!(told(&others), [("session.status", 1)]);
    holds_what_schema_1_wrote(store, id(SHOP)).await;
}

async fn holds_the_group(store: &Store) {
    let jid: GroupJid = "120363000000000001@g.us".parse().unwrap();
    let group = store.group(id(SHOP), &jid).unwrap().unwrap();
    let texts = [&group.subject, &group.description, &group.description_id, &group.owner];
    let texts = texts.map(|text| text.as_deref().unwrap());
    assert_eq!(texts, ["Crew 1", "All hands", "3EB0AA", "1001@lid"]);
    assert!(group.announce && !group.locked && group.stale && !group.left);
    assert_eq!((group.created_at, group.participant_count), (Some(AT - 5), 2));
    assert_eq!((group.first_seen_at, group.updated_at), (AT + 5, AT + 6));
    // The other one was left.
    assert_eq!(store.groups(id(SHOP), None, 9).await.unwrap(), [group]);
    let members = store.members(id(SHOP), &jid, None, 9).await.unwrap();
    let members = members.iter().map(|member| (&*member.lid, member.phone.as_deref(), member.role));
    let (phone, admin) = (Some("4915200000001@s.whatsapp.net"), Role::Superadmin);
    let expected = [("1001@lid", phone, admin), ("1002@lid", None, Role::Member)];
    assert!(members.eq(expected));
}

async fn holds_the_keys(store: &Store) {
    let key = store.key_by_digest(&[7; 32]).unwrap().unwrap();
    assert_eq!(key.id.to_string(), "key_01HF7YAT00KEY1000000000000");
    assert_eq!((&*key.organization, &*key.name), ("acme", "ci"));
    assert_eq!(key.capabilities, [Capability::Read, Capability::Manage].into());
    assert_eq!((key.sessions.as_ref(), key.expires_at), (None, Some(AT + 9)));
    assert_eq!(store.key_by_digest(&[8; 32]).unwrap().unwrap().revoked_at, Some(AT + 8));
    assert_eq!(store.keys(Some("acme"), None, 9).await.unwrap(), [(*key).clone()]);
    assert_eq!(store.keys(None, None, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_of_schema_1_is_read_whole_and_so_it_is_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked(folder.path(), 1);
    let store = open(&path);
    holds_what_was_written(&store).await;
    store.close().await.unwrap();
    is_sound(&path, &Options::default()).await;

    let store = open(&path);
    holds_what_was_written(&store).await;
    gives_out_what_was_sent(&store, id(SHOP)).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_schema_1_is_encrypted_with_all_that_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked(folder.path(), 1);
    let key = Some(MasterKey::new([1; 32]));
    let options = Options { master_key: key.clone(), ..Options::default() };
    // Refused, it is left to the release that wrote it.
    let refused = Store::open(&path, &options).unwrap_err();
    assert!(matches!(refused, Error::NotEncrypted { .. }), "{refused}");
    let looked_at = wharf_storage::check_file(&path, &Options::default()).await.unwrap();
    assert!(looked_at.unwalked.is_some_and(|reason| reason.contains("schema 1")));

    wharf_storage::reencrypt(&path, None, key).await.unwrap();
    let store = Store::open(&path, &options).unwrap();
    assert!(store.is_encrypted());
    holds_what_was_written(&store).await;
    gives_out_what_was_sent(&store, id(SHOP)).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_came_after_schema_1_works_on_a_file_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&unpacked(folder.path(), 1));
    let before = store.events_page("acme", None, None, 9, 0).await.unwrap().events;
    let event = NewEvent {
        session: id(SHOP),
        organization: "acme".to_owned(),
        name: "session.status".to_owned(),
        // Before everything in the file; its id is above them all nevertheless.
        at: 5,
        payload: json!({}),
    };
    store.record_events(vec![event]).await.unwrap();
    assert_eq!(store.sweep_events(AT + 4, 9).await.unwrap(), 3, "one of them is the other's");
    let gone = store.events_page("acme", Some(EventId::FIRST), None, 9, 0).await;
    assert!(matches!(gone, Err(Error::EventsGone)), "{gone:?}");
    let kept = store.events_page("acme", Some(before[1].id), None, 9, 0).await.unwrap().events;
    assert_eq!(kept[..2], before[2..]);
    assert_eq!(told(&kept[2..]), [("session.status", 5 - AT)]);

    let revoked =
        store.revoke_key(None, "key_01HF7YAT00KEY3000000000000".parse().unwrap(), AT).await;
    assert!(revoked.unwrap());
    assert!(store.remove_session(id(SHOP)).await.unwrap());
    assert_eq!(store.sessions_of("acme", None, 9).await.unwrap().len(), 1);
    assert_eq!(store.events_page("acme", None, None, 9, 0).await.unwrap().events, []);
    store.close().await.unwrap();
}

/// Everything that the release with schema 2 wrote is there: a session, a key that is confined to it, and of the three
/// events the one that was kept.
async fn holds_what_schema_2_wrote(store: &Store) {
    let session = store.session(id(SHOP)).unwrap().unwrap();
    assert_eq!((&*session.organization, session.label.as_deref()), ("acme", Some("Shop")));
    let key = store.key_by_digest(&[7; 32]).unwrap().unwrap();
    assert_eq!((key.sessions.clone(), key.expires_at), (Some(vec![id(SHOP)]), Some(AT + 9)));
    let log = store.events_page("acme", None, None, 9, 0).await.unwrap().events;
    assert_eq!(told(&log), [("auth.code", 1_000)]);
    let gone = store.events_page("acme", Some(EventId::FIRST), None, 9, 0).await;
    assert!(matches!(gone, Err(Error::EventsGone)), "{gone:?}");
}

#[tokio::test]
async fn a_file_of_schema_2_keeps_all_and_has_an_audit_log_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked(folder.path(), 2);
    let store = open(&path);
    holds_what_schema_2_wrote(&store).await;
    let all = AuditFilter::default();
    assert_eq!(store.audit_page("acme", None, all.clone(), 9).await.unwrap().entries, []);
    assert_eq!(store.sweep_audit(AT, 9).await.unwrap(), 0);
    let record = AuditRecord {
        at: AT,
        actor: Actor::Key(KeyId::generate(AT)),
        operation: "stopSession".to_owned(),
        object: [("session".to_owned(), SHOP.to_owned())].into(),
        address: None,
        status: Some(200),
        code: None,
        request: "r".to_owned(),
    };
    store.record_audit(vec![("acme".to_owned(), record.clone())]).await.unwrap();
    store.close().await.unwrap();
    is_sound(&path, &Options::default()).await;

    let store = open(&path);
    holds_what_schema_2_wrote(&store).await;
    let noted = store.audit_page("acme", None, all, 9).await.unwrap().entries;
    assert_eq!(noted.into_iter().map(|entry| entry.record).collect::<Vec<_>>(), [record]);
    store.close().await.unwrap();
}

/// What the release with schema 3 noted in its audit log is there, the newest first.
async fn holds_what_was_noted(store: &Store) {
    let noted = async |organization: &str| {
        let page = store.audit_page(organization, None, AuditFilter::default(), 9).await.unwrap();
        page.entries.into_iter().map(|entry| entry.record).collect::<Vec<_>>()
    };
    let record = |at: i64, actor: Actor, operation: &str| AuditRecord {
        at: AT + at,
        actor,
        operation: operation.to_owned(),
        object: [("session".to_owned(), SHOP.to_owned())].into(),
        address: Some("192.0.2.1".parse().unwrap()),
        status: None,
        code: None,
        request: format!("r-{at}"),
    };
    let key = |number: u8| format!("key_01HF7YAT00KEY{number}000000000000").parse().unwrap();
    let made = AuditRecord {
        status: Some(201),
        ..record(10, Actor::Person("user-1".to_owned()), "createSession")
    };
    let refused = AuditRecord {
        address: None,
        status: Some(404),
        code: Some("not_found".to_owned()),
        ..record(12, Actor::Key(key(1)), "stopSession")
    };
    assert_eq!(noted("acme").await, [refused, made]);
    assert_eq!(noted("other").await, [record(11, Actor::Key(key(3)), "startSession")]);
}

#[tokio::test]
async fn a_file_of_schema_3_keeps_all_and_can_be_encrypted_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = unpacked(folder.path(), 3);
    let looked_at = wharf_storage::check_file(&path, &Options::default()).await.unwrap();
    assert!(looked_at.unwalked.is_some_and(|reason| reason.contains("schema 3")));
    let store = open(&path);
    assert!(!store.is_encrypted());
    holds_what_was_written(&store).await;
    holds_what_was_noted(&store).await;
    store.close().await.unwrap();
    is_sound(&path, &Options::default()).await;

    let key = Some(MasterKey::new([1; 32]));
    wharf_storage::reencrypt(&path, None, key.clone()).await.unwrap();
    let options = Options { master_key: key, ..Options::default() };
    is_sound(&path, &options).await;
    let store = Store::open(&path, &options).unwrap();
    assert!(store.is_encrypted());
    holds_what_was_written(&store).await;
    holds_what_was_noted(&store).await;
    gives_out_what_was_sent(&store, id(SHOP)).await;
    store.close().await.unwrap();
}
