use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde_json::json;

use super::{rewrite::rewrite, *};
use crate::{
    Account, Actor, ApiKey, AuditFilter, AuditRecord, Capability, GroupSnapshot, KeyId,
    MemberSnapshot, NewEvent, Options, Role, Session, SessionId, Status, Store, Wanted, store,
    tables::{self, EVENTS, SESSIONS, WA_DEVICE, WA_IDENTITIES, WA_SESSIONS},
    whatsapp::tests::marked,
};

/// What is in every value that is stored, and nowhere in a key.
const MARK: &str = "distinctive-marker-4f1c";
const MARK_BYTES: [u8; 32] = *b"marker-of-32-bytes-for-key-texts";

fn session() -> SessionId {
    SessionId::from_bytes([7; 16])
}

/// A master key of this byte; 0 stands for none.
fn master(byte: u8) -> Option<MasterKey> {
    (byte > 0).then(|| MasterKey::new([byte; 32]))
}

fn options(master_key: Option<MasterKey>) -> Options {
    Options { master_key, ..Options::default() }
}

fn event() -> NewEvent {
    NewEvent {
        session: session(),
        organization: "acme".into(),
        name: "group.update".into(),
        at: 5,
        payload: json!({ "subject": MARK }),
    }
}

/// Something of every kind.
async fn fill(store: &Store) {
    let stored = Session {
        id: session(),
        organization: "acme".into(),
        label: Some(MARK.into()),
        auto_read: false,
        presence_typing: false,
        rate_per_min: 1,
        rate_per_hour: 1,
        created_at: 1,
        updated_at: 1,
        created_by_user: None,
        wanted: Wanted::Running,
        status: Status::Working,
        status_reason: None,
        since: 1,
        account: Some(Account {
            jid: format!("{MARK}@s.whatsapp.net"),
            lid: None,
            business_name: None,
            platform: None,
        }),
        last_connected_at: None,
    };
    store.add_session(stored, vec![event()]).await.unwrap();
    let group = GroupSnapshot {
        jid: "120363000000000001@g.us".parse().unwrap(),
        subject: Some(MARK.into()),
        description: None,
        description_id: None,
        announce: false,
        locked: false,
        owner: None,
        created_at: None,
        lid_addressing: true,
        members: vec![MemberSnapshot {
            lid: "1@lid".into(),
            phone: Some(format!("{MARK}@s.whatsapp.net")),
            role: Role::Admin,
        }],
    };
    store.sync_groups(session(), vec![group], 2, |_| vec![event()]).await.unwrap();
    let key = ApiKey {
        id: "key_01HF7YAT00KEY1000000000000".parse::<KeyId>().unwrap(),
        organization: "acme".into(),
        name: MARK.into(),
        capabilities: [Capability::Read].into(),
        sessions: None,
        created_at: 1,
        expires_at: None,
        revoked_at: None,
    };
    store.add_key(key, [9; 32]).await.unwrap();
    let record = AuditRecord {
        at: 1,
        actor: Actor::Person(MARK.into()),
        operation: "stopSession".into(),
        object: [("session".to_owned(), MARK.to_owned())].into(),
        address: None,
        status: None,
        code: None,
        request: "r".into(),
    };
    store.record_audit(vec![("acme".to_owned(), record)]).await.unwrap();
    marked::fill(store, session(), MARK_BYTES).await;
}

/// What [`fill`] stored, as it is read back.
async fn read(store: &Store) -> Vec<String> {
    let jid = "120363000000000001@g.us".parse().unwrap();
    let mut answers = vec![
        format!("{:?}", store.sessions().await.unwrap()),
        format!("{:?}", store.sessions_of("acme", None, 9).await.unwrap()),
        format!("{:?}", store.group(session(), &jid).unwrap().unwrap()),
        format!("{:?}", store.members(session(), &jid, None, 9).await.unwrap()),
        format!("{:?}", store.key_by_digest(&[9; 32]).unwrap().unwrap()),
        format!("{:?}", store.keys(None, None, 9).await.unwrap()),
        format!("{:?}", store.events_page("acme", None, None, 9).await.unwrap()),
        format!("{:?}", store.audit_page("acme", None, AuditFilter::default(), 9).await.unwrap()),
    ];
    answers.extend(marked::read(store, session()).await);
    answers
}

/// A folder with a file that holds something of every kind, and what is read from it.
async fn filled(master_key: Option<MasterKey>) -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let store = Store::open(&path, &options(master_key)).unwrap();
    fill(&store).await;
    let read = read(&store).await;
    store.close().await.unwrap();
    (folder, path, read)
}

async fn reads(path: &Path, master_key: Option<MasterKey>) -> Vec<String> {
    let store = Store::open(path, &options(master_key)).unwrap();
    let read = read(&store).await;
    store.close().await.unwrap();
    read
}

/// How often a marker is in the file's bytes.
fn marks(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let of = |mark: &[u8]| bytes.windows(mark.len()).filter(|part| *part == mark).count();
    of(MARK.as_bytes()) + of(&MARK_BYTES)
}

/// Changes the file behind the store's back.
fn change<K: redb::Key + 'static>(
    path: &Path,
    table: TableDefinition<'static, K, &'static [u8]>,
    work: impl FnOnce(&mut redb::Table<'_, K, &'static [u8]>),
) {
    let database = Database::open(path).unwrap();
    let txn = store::begin(&database).unwrap();
    work(&mut txn.open_table(table).unwrap());
    txn.commit().unwrap();
}

#[tokio::test]
async fn an_encrypted_file_is_read_back_and_shows_nothing_of_what_it_holds() {
    let (_folder, plain, expected) = filled(None).await;
    assert!(marks(&plain) > 10, "the scan finds what is not encrypted");
    let (_folder, path, read) = filled(master(1)).await;
    // Time and chance make ids differ between the two files.
    assert_eq!(read[2..6], expected[2..6]);
    assert_eq!(reads(&path, master(1)).await, read);
    assert_eq!(marks(&path), 0);
}

/// Names the tables that hold content and have no row.
struct Empty(redb::ReadTransaction, Vec<&'static str>);

impl tables::Visitor for Empty {
    fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &mut self,
        name: &'static str,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<()> {
        if vault::is_content::<V>() && self.0.open_table(definition)?.is_empty()? {
            self.1.push(name);
        }
        Ok(())
    }
}

#[tokio::test]
async fn these_tests_store_something_in_every_table_of_content() {
    let (_folder, path, _) = filled(master(1)).await;
    let database = Database::open(&path).unwrap();
    let mut empty = Empty(database.begin_read().unwrap(), Vec::new());
    tables::visit(&mut empty).unwrap();
    assert_eq!(empty.1, [""; 0]);
}

#[tokio::test]
async fn a_file_and_a_master_key_that_do_not_go_together_are_refused_with_what_to_do() {
    let (_folder, path, _) = filled(master(1)).await;
    let refused = |path: &Path, key| Store::open(path, &options(key)).unwrap_err();
    let missing = refused(&path, None);
    assert!(matches!(missing, Error::Locked { .. }), "{missing}");
    assert!(missing.to_string().contains("--master-key-file"), "{missing}");
    let wrong = refused(&path, master(2));
    assert!(matches!(wrong, Error::WrongMasterKey { .. }), "{wrong}");
    let (_folder, plain, _) = filled(None).await;
    let needless = refused(&plain, master(1));
    assert!(matches!(needless, Error::NotEncrypted { .. }), "{needless}");
    assert!(needless.to_string().contains("wharf encryption enable"), "{needless}");
}

#[tokio::test]
async fn a_file_that_holds_nothing_yet_is_encrypted_from_the_first_key_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    assert!(!Store::open(&path, &options(None)).unwrap().is_encrypted());
    assert!(Store::open(&path, &options(master(1))).unwrap().is_encrypted());
    assert!(Store::open(&path, &options(None)).is_err());
}

fn is_corrupt<T: std::fmt::Debug>(answer: Result<T>, expected: &str) {
    let error = answer.unwrap_err();
    let Error::Corrupt { table, .. } = &error else { panic!("{error}") };
    assert_eq!(*table, expected);
}

#[tokio::test]
async fn a_value_in_another_place_is_corrupt() {
    let (_folder, path, _) = filled(master(1)).await;
    let other = SessionId::from_bytes([8; 16]);
    let (of, to) = (|address: &str| [&session().bytes()[..], address.as_bytes()].concat(), "3@s");
    let mut moved = Vec::new();
    change(&path, WA_SESSIONS.definition(), |table| {
        moved = table.get(of("marked@s").as_slice()).unwrap().unwrap().value().to_vec();
        table.insert(of(to).as_slice(), moved.as_slice()).unwrap();
    });
    change(&path, WA_IDENTITIES.definition(), |table| {
        table.insert(of("marked@s").as_slice(), moved.as_slice()).unwrap();
    });
    change(&path, SESSIONS, |table| {
        let value = table.get(session().bytes()).unwrap().unwrap().value().to_vec();
        table.insert(other.bytes(), value.as_slice()).unwrap();
    });
    let store = Store::open(&path, &options(master(1))).unwrap();
    is_corrupt(store.get(WA_SESSIONS, &of(to)), "wa_sessions");
    is_corrupt(store.get(WA_IDENTITIES, &of("marked@s")), "wa_identities");
    is_corrupt(store.session(other), "sessions");
    assert!(store.get(WA_SESSIONS, &of("marked@s")).is_ok() && store.session(session()).is_ok());
}

#[tokio::test]
async fn a_changed_value_is_corrupt_wherever_it_was_changed() {
    let (_folder, path, _) = filled(master(1)).await;
    let key = session().bytes();
    let database = Database::open(&path).unwrap();
    let vault = Vault::unlock(&database, &path, master(1).as_ref()).unwrap();
    drop(database);
    let mut whole = Vec::new();
    change(&path, WA_DEVICE.definition(), |table| {
        whole = table.get(key.as_slice()).unwrap().unwrap().value().to_vec();
    });
    assert!(vault.unwrap("wa_device", &key, &whole).is_ok());
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        is_corrupt(vault.unwrap("wa_device", &key, &changed), "wa_device");
        is_corrupt(vault.unwrap("wa_device", &key, &whole[..place]), "wa_device");
    }
    // What is not encrypted does not pass for something that is.
    is_corrupt(vault.unwrap("wa_device", &key, &[2, 0, 1]), "wa_device");
    let bytes = whole.clone();
    change(&path, EVENTS, |table| {
        let keys: Vec<_> = table.iter().unwrap().map(|row| row.unwrap().0.value()).collect();
        table.insert(keys[0], bytes.as_slice()).unwrap();
    });
    let store = Store::open(&path, &options(master(1))).unwrap();
    is_corrupt(store.events_page("acme", None, None, 9).await, "events");
}

#[test]
fn equal_values_are_never_encrypted_alike_and_no_nonce_comes_twice() {
    let database =
        Database::builder().create_with_backend(redb::backends::InMemoryBackend::new()).unwrap();
    let path = Path::new("memory");
    let vault = Vault::create(&database, path, 1, master(1).as_ref()).unwrap();
    let again = Vault::unlock(&database, path, master(1).as_ref()).unwrap();
    let nonces: std::collections::BTreeSet<Vec<u8>> = [vault, again]
        .iter()
        .flat_map(|vault| (0..500).map(|_| vault.wrap("t", b"k", b"v")[2..cipher::BODY].to_vec()))
        .collect();
    assert_eq!(nonces.len(), 1_000);
}

#[test]
fn a_master_key_shows_nothing_of_itself() {
    let shown = format!("{:?}", options(master(77)));
    assert!(shown.contains("MasterKey") && !shown.contains("77"), "{shown}");
}

#[tokio::test]
async fn a_file_is_encrypted_and_rotated_and_decrypted_again_with_all_that_it_holds() {
    let (folder, path, expected) = filled(None).await;
    assert!(matches!(
        reencrypt(&path, None, master(1)).await.unwrap(),
        Reencryption::Done { rows } if rows > 20
    ));
    // Also no free page has any of it.
    assert_eq!(marks(&path), 0);
    assert_eq!(reads(&path, master(1)).await, expected);
    assert_eq!(reencrypt(&path, None, master(1)).await.unwrap(), Reencryption::AlreadyDone);
    let refused = reencrypt(&path, None, master(9)).await.unwrap_err();
    assert!(matches!(refused, Error::WrongMasterKey { .. }), "{refused}");

    reencrypt(&path, master(1), master(2)).await.unwrap();
    assert!(matches!(
        Store::open(&path, &options(master(1))).unwrap_err(),
        Error::WrongMasterKey { .. }
    ));
    assert_eq!(reads(&path, master(2)).await, expected);
    let refused = reencrypt(&path, master(1), master(3)).await.unwrap_err();
    assert!(matches!(refused, Error::WrongMasterKey { .. }), "{refused}");

    reencrypt(&path, master(2), None).await.unwrap();
    assert_eq!(reads(&path, None).await, expected);
    assert_eq!(reencrypt(&path, master(2), None).await.unwrap(), Reencryption::AlreadyDone);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[tokio::test]
async fn a_file_in_use_is_not_made_anew() {
    let (_folder, path, _) = filled(None).await;
    let _store = Store::open(&path, &options(None)).unwrap();
    let refused = reencrypt(&path, None, master(1)).await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
}

#[tokio::test]
async fn a_value_that_cannot_be_read_stops_it_and_the_file_stays() {
    let (folder, path, _) = filled(master(1)).await;
    change(&path, SESSIONS, |table| {
        table.insert([9; 16], [1, 1, 0, 0].as_slice()).unwrap();
    });
    is_corrupt(reencrypt(&path, master(1), master(2)).await, "sessions");
    assert!(Store::open(&path, &options(master(1))).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

/// What a process that is killed at a step leaves is what the folder holds at that step.
#[tokio::test]
async fn killed_at_any_step_it_is_done_by_the_next_attempt_and_nothing_is_lost() {
    let (folder, path, expected) = filled(master(1)).await;
    let kept = tempfile::tempdir().unwrap();
    let mut killed = Vec::new();
    let mut step = || {
        let copy = kept.path().join(killed.len().to_string());
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        killed.push(copy.join("wharf.redb"));
    };
    rewrite(&path, master(1).as_ref(), master(2).as_ref(), 3, &mut step).unwrap();
    assert!(killed.len() > 40, "{} steps", killed.len());
    let (mut before, mut after) = (0, 0);
    for path in &killed {
        // A gateway may run in between, with the key that the file still has, and clears up.
        let old = Store::open(path, &options(master(1))).is_ok();
        assert_eq!(Store::open(path, &options(master(2))).is_ok(), !old, "one of the two keys");
        *(if old { &mut before } else { &mut after }) += 1;
        let outcome =
            rewrite(path, master(1).as_ref(), master(2).as_ref(), 1_000, &mut || ()).unwrap();
        assert_eq!(matches!(outcome, Reencryption::AlreadyDone), !old);
        assert_eq!(reads(path, master(2)).await, expected);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
    assert!(before > 1 && after == 1, "{before} before the new file took its place, {after} after");
}
