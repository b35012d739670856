mod filled;
mod rewriting;

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::*;
use crate::{
    SessionId, Store, store,
    tables::{self, EVENTS, SESSIONS, WA_DEVICE, WA_IDENTITIES, WA_SESSIONS},
};
use filled::{MARK, MARK_BYTES, filled, master, options, reads, session};

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

#[tokio::test]
async fn a_vault_knows_the_file_that_it_was_made_for() {
    let (_plain, plain, _) = filled(None).await;
    let (_one, one, _) = filled(master(1)).await;
    let (_other, other, _) = filled(master(1)).await;
    let paths = [plain, one, other];
    let masters = [master(0), master(1), master(1)];
    for (place, (path, master)) in paths.iter().zip(masters).enumerate() {
        let vault = Vault::unlock(&Database::open(path).unwrap(), path, master.as_ref()).unwrap();
        for (other, path) in paths.iter().enumerate() {
            let fits = vault.is_of(&Database::open(path).unwrap()).unwrap();
            assert_eq!(fits, place == other, "vault {place}, file {other}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_and_the_new_file_belongs_to_whom_the_old_one_did() {
    use std::os::unix::fs::{MetadataExt, symlink};
    let (folder, path, _) = filled(None).await;
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    // Only root gives files away.
    let owner = if std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).is_ok() {
        65_534
    } else {
        std::fs::metadata(&path).unwrap().uid()
    };
    reencrypt(&link, None, master(1)).await.unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&path).unwrap().uid(), owner);
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
async fn a_new_file_is_encrypted_when_there_is_a_key_and_one_that_is_there_by_command_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    assert!(Store::open(&path, &options(master(1))).unwrap().is_encrypted());
    assert!(Store::open(&path, &options(None)).is_err());
    let empty = folder.path().join("empty.redb");
    assert!(!Store::open(&empty, &options(None)).unwrap().is_encrypted());
    let refused = Store::open(&empty, &options(master(1))).unwrap_err();
    assert!(matches!(refused, Error::NotEncrypted { .. }), "{refused}");
    assert!(!Store::open(&empty, &options(None)).unwrap().is_encrypted());
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
    is_corrupt(store.events_page("acme", None, None, 9, 0).await, "events");
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
