//! A copy of the file: of one moment, while everything goes on.
//!
//! Values are copied as they are stored, whatever they are encrypted with.

use std::{fs, io::ErrorKind, path::Path};

use redb::{Key, ReadableTable, TableDefinition, Value, WriteTransaction};
use tracing::warn;

use crate::{
    Error, Result, Store, leftovers, room,
    store::{self, Snapshot, file},
    tables::{self, Visitor},
};

/// Memory for the copy that is being written, in bytes.
const CACHE: usize = 32 << 20;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Rows of all tables.
    pub rows: u64,
    /// The size of the copy.
    pub bytes: u64,
}

impl Store {
    /// Writes a copy of all that is stored at this moment to `target`, which is there whole or not at all, and only its
    /// owner's. Writers do not wait for it. [`Error::Exists`] when there is such a file and it shall not be `replaced`,
    /// [`Error::NoRoom`] when the disk has too little room, of which `reserve` bytes shall stay free if it is the store's own.
    pub async fn backup(&self, target: &Path, replaced: bool, reserve: u64) -> Result<Backup> {
        // What was answered for before belongs to it too. If nothing can be written, there is what was written.
        match self.write(|_| Ok(())).await {
            Ok(()) => {}
            Err(error @ Error::Closed) => return Err(error),
            Err(error) => warn!("the backup is of the last moment that was written: {error}"),
        }
        let target = target.to_owned();
        // Putting a copy in its place would part the gateway from its file.
        if target
            .canonicalize()
            .is_ok_and(|it| self.path().canonicalize().is_ok_and(|own| own == it))
        {
            return Err(Error::InUse { path: target });
        }
        let data = self.path().to_owned();
        self.read_many(move |snapshot| {
            may_be_written(&target, replaced)?;
            // What lives in memory has no file, and a size that is not known.
            if let Ok(found) = fs::metadata(&data) {
                room::for_copy(file::folder(&target), found.len(), &data, reserve)?;
            }
            copy(snapshot, &target, replaced)
        })
        .await
    }
}

/// Whether a file may take the place of what is there, if anything.
fn may_be_written(target: &Path, replaced: bool) -> Result<()> {
    let refused = |reason| Err(Error::NotAFile { path: target.to_owned(), reason });
    match fs::metadata(target) {
        Ok(found) if found.is_dir() => refused("is a folder: name a file in it"),
        Ok(found) if !found.is_file() => {
            refused("is a device or a pipe, which a backup cannot be written to: name a file")
        }
        Ok(_) if !replaced => Err(Error::Exists { path: target.to_owned() }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file::in_words(target, error)),
    }
}

fn copy(snapshot: &Snapshot, target: &Path, replaced: bool) -> Result<Backup> {
    let failed = |error| file::in_words(target, error);
    tables_are_known(snapshot)?;
    let folder = file::folder(target);
    leftovers::clear_copies(folder);
    let made =
        tempfile::Builder::new().prefix(leftovers::COPY).tempfile_in(folder).map_err(failed)?;
    let database = file::empty(made.path(), CACHE, target)?;
    let txn = store::begin(&database)?;
    let mut copy = Copy { snapshot, target, txn, rows: 0 };
    tables::visit(&mut copy)?;
    let rows = copy.rows;
    copy.txn.commit().map_err(|error| file::about(target, error))?;
    database.close().map_err(|error| file::about(target, error))?;
    leftovers::hold(made.as_file());
    made.as_file().sync_all().map_err(failed)?;
    let bytes = made.as_file().metadata().map_err(failed)?.len();
    if replaced {
        made.persist(target).map_err(|other| failed(other.error))?;
    } else {
        made.persist_noclobber(target).map_err(|other| match other.error.kind() {
            ErrorKind::AlreadyExists => Error::Exists { path: target.to_owned() },
            _ => failed(other.error),
        })?;
    }
    file::sync_folder(folder).map_err(failed)?;
    Ok(Backup { rows, bytes })
}

/// Refuses to leave a table out.
fn tables_are_known(snapshot: &Snapshot) -> Result<()> {
    let known = tables::names();
    match snapshot.names()?.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::Corrupt {
            table: "?",
            reason: format!("there is no such table as `{name}`"),
        }),
    }
}

/// Copies each table that it is shown.
struct Copy<'s> {
    snapshot: &'s Snapshot,
    target: &'s Path,
    txn: WriteTransaction,
    rows: u64,
}

impl Visitor for Copy<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        _name: &'static str,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<()> {
        let from = self.snapshot.open_table(definition)?;
        let mut to = self.txn.open_table(definition)?;
        for row in from.iter()? {
            let (key, value) = row?;
            // What is read is another file.
            to.insert(key.value(), value.value())
                .map_err(|error| file::about(self.target, error))?;
            self.rows += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::{
        MasterKey, NewEvent, Options, SessionId, check_file,
        store::tests::{busy, dumped},
    };

    fn event(session: SessionId) -> NewEvent {
        NewEvent {
            session,
            organization: "acme".into(),
            name: "test".into(),
            at: 1,
            payload: json!({}),
        }
    }

    #[tokio::test]
    async fn a_copy_has_every_row_of_every_table_and_is_its_owners_alone() {
        for master_key in [None, Some(MasterKey::new([5; 32]))] {
            let options = Options { master_key, ..Options::default() };
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("store"), &options).unwrap();
            crate::store::tests::fill(&store, 3).await;
            let target = folder.path().join("copy");
            let made = store.backup(&target, false, 0).await.unwrap();
            let metadata = std::fs::metadata(&target).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            assert_eq!(metadata.len(), made.bytes);
            let found = check_file(&target, &options).await.unwrap();
            assert_eq!((found.rows, found.findings), (made.rows, vec![]));
            let copy = Store::open(&target, &options).unwrap();
            assert_eq!(dumped(&copy), dumped(&store));
            let rows: usize = dumped(&store).values().map(Vec::len).sum();
            assert_eq!(made.rows, rows as u64);
        }
    }

    #[tokio::test]
    async fn a_copy_of_an_encrypted_file_opens_with_its_master_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let master_key = Some(MasterKey::new([5; 32]));
        let options = Options { master_key, ..Options::default() };
        let store = Store::open(&folder.path().join("store"), &options).unwrap();
        let target = folder.path().join("copy");
        store.backup(&target, false, 0).await.unwrap();
        let refused = Store::open(&target, &Options::default()).unwrap_err();
        assert!(matches!(refused, Error::Locked { .. }), "{refused}");
        let refused = check_file(&target, &Options::default()).await.unwrap_err();
        assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_replaced_only_when_that_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_memory().unwrap();
        let target = folder.path().join("copy");
        std::fs::write(&target, "precious").unwrap();
        let refused = store.backup(&target, false, 0).await.unwrap_err();
        assert!(matches!(refused, Error::Exists { .. }), "{refused}");
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
        store.backup(&target, true, 0).await.unwrap();
        Store::open(&target, &Options::default()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[tokio::test]
    async fn a_folder_is_not_taken_for_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_memory().unwrap();
        for replaced in [false, true] {
            let refused = store.backup(folder.path(), replaced, 0).await.unwrap_err();
            assert!(matches!(refused, Error::NotAFile { .. }), "{refused}");
            assert!(refused.to_string().contains("is a folder: name a file in it"), "{refused}");
        }
        #[cfg(unix)]
        {
            let device = Path::new("/dev/null");
            let refused = store.backup(device, true, 0).await.unwrap_err();
            assert!(matches!(refused, Error::NotAFile { .. }), "{refused}");
            assert!(!fs::metadata(device).unwrap().is_file());
        }
    }

    #[tokio::test]
    async fn a_copy_that_would_fill_the_stores_own_disk_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), &Options::default()).unwrap();
        let target = folder.path().join("copy");
        let refused = store.backup(&target, false, u64::MAX / 2).await.unwrap_err();
        let Error::NoRoom { size, reserve, free, .. } = refused else { panic!("{refused}") };
        assert_eq!((size, reserve), (fs::metadata(store.path()).unwrap().len(), u64::MAX / 2));
        assert!(refused.to_string().contains(&free.to_string()), "{refused}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        store.backup(&target, false, 1).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_is_not_replaced_by_its_own_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store = Store::open(&path, &Options::default()).unwrap();
        let again = folder.path().join(".").join("store");
        let refused = store.backup(&again, true, 0).await.unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        store.record_events(vec![event(SessionId::generate(1))]).await.unwrap();
    }

    #[tokio::test]
    async fn writers_do_not_wait_for_a_copy_and_it_has_nothing_of_what_they_write_meanwhile() {
        let store = Store::in_memory().unwrap();
        let session = SessionId::generate(1);
        store.record_events(vec![event(session)]).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("copy");
        let handle = tokio::runtime::Handle::current();
        let (writing, path) = (store.clone(), target.clone());
        let copied = store.read_many(move |snapshot| {
            // In the middle of it, as it were: the snapshot is open.
            handle.block_on(writing.record_events(vec![event(session)]))?;
            copy(snapshot, &path, false)
        });
        copied.await.unwrap();
        let copy = Store::open(&target, &Options::default()).unwrap();
        assert_eq!(copy.session_events(session, None, 9).await.unwrap().len(), 1);
        assert_eq!(store.session_events(session, None, 9).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_was_answered_before_is_in_the_copy_though_it_was_still_queued() {
        let store = Store::in_memory().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("copy");
        let release = busy(&store).await;
        crate::store::tests::put_relaxed(&store, b"k", b"v").await;
        let backup = store.backup(&target, false, 0);
        let (made, ()) = tokio::join!(backup, async { release.send(()).unwrap() });
        made.unwrap();
        let copy = Store::open(&target, &Options::default()).unwrap();
        assert_eq!(dumped(&copy)["wa_sent_messages"].len(), 1);
    }
}
