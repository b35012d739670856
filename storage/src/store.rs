//! The store: one redb file, snapshots for reading, one writer thread for writing.

mod disk;
pub(crate) mod file;
mod overlay;
mod queue;
mod recovery;
mod snapshot;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use redb::{Builder, Database, ReadableDatabase, backends::InMemoryBackend};

use crate::{
    Error, Figures, MasterKey, Result, encryption::Vault, keys::KnownKeys, leftovers, schema,
    tables::Rows,
};
use disk::{Disk, Opener};
use overlay::QueuedValue;
use queue::{Queue, Urgency};
use recovery::Patience;

pub(crate) use overlay::Op;
pub(crate) use snapshot::Snapshot;
pub(crate) use writer::{Txn, begin};

/// So many rows are read where the caller is: another thread costs more.
pub(crate) const FEW_ROWS: usize = 32;

/// How the file is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much of the file is kept in memory, in bytes. 64 MiB by default.
    pub cache_bytes: usize,
    /// Whether opening reads the whole file and holds every page against its checksum; it does by default. Without it,
    /// damage is found by whoever reads the page.
    pub verify: bool,
    /// What the file is encrypted under; a new one is encrypted when there is a key. None by default.
    pub master_key: Option<MasterKey>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, verify: true, master_key: None }
    }
}

/// When a write of protocol rows is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// After it is on disk.
    Strict,
    /// The same, and nobody minds the moment that it waits for others to share its commit.
    Patient,
    /// When it is queued. Reads through [`Store::get`] and [`Store::scan`] see it at once; it rides on the next
    /// commit, in the order it was queued.
    Relaxed,
}

/// The gateway's durable state. Clones share one file and one writer; the last one to go closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Closed by `close`, so that the file is free while clones are still around.
    disk: Arc<Disk>,
    path: PathBuf,
    queue: Arc<Queue>,
    vault: Arc<Vault>,
    writer: Mutex<Option<JoinHandle<()>>>,
    known_keys: Arc<KnownKeys>,
}

impl Store {
    /// Opens the database file, creating it and bringing its schema up to date where needed.
    ///
    /// [`Error::InUse`] when another handle has it open, [`Error::NewerSchema`] when a newer release wrote it,
    /// [`Error::Damaged`] when it is not what was written, [`Error::Locked`], [`Error::WrongMasterKey`] or
    /// [`Error::NotEncrypted`] when the master key and the file do not go together. Blocks for as long as reading the file
    /// takes.
    pub fn open(path: &Path, options: &Options) -> Result<Self> {
        let (database, vault) = file::open(path, options)?;
        leftovers::clear(path);
        let (again, options) = (path.to_owned(), Options { verify: false, ..options.clone() });
        let opener = Box::new(move || Ok(file::open(&again, &options)?.0));
        Self::start(database, vault, opener, path, Patience::default())
    }

    /// A store that lives in memory and ends with the process.
    pub fn in_memory() -> Result<Self> {
        let database = Builder::new().create_with_backend(InMemoryBackend::new())?;
        schema::bring_up_to_date(&database)?;
        let lost = || Err(Error::Unavailable { reason: "what was in memory is lost".to_owned() });
        let (opener, path) = (Box::new(lost), Path::new("memory"));
        Self::start(database, Vault::plain(), opener, path, Patience::default())
    }

    fn start(
        database: Database,
        vault: Vault,
        opener: Opener,
        path: &Path,
        patience: Patience,
    ) -> Result<Self> {
        let vault = Arc::new(vault);
        let disk = Arc::new(Disk::new(database, vault.clone(), opener));
        let queue = Arc::new(Queue::new());
        let writer = writer::spawn(disk.clone(), queue.clone(), patience)
            .map_err(|source| file::in_words(path, source))?;
        Ok(Self {
            inner: Arc::new(Inner {
                disk,
                path: path.to_owned(),
                queue,
                vault,
                writer: Mutex::new(Some(writer)),
                known_keys: Arc::default(),
            }),
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Commits what is queued, ends the writer and frees the file. Every later operation of any clone answers
    /// [`Error::Closed`]; closing twice is fine.
    pub async fn close(&self) -> Result<()> {
        let inner = self.inner.clone();
        run_blocking(move || {
            inner.shut_down();
            Ok(())
        })
        .await
    }

    /// Whether what is stored is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.inner.vault.is_encrypted()
    }

    /// What the writer has done since the store was opened.
    pub fn figures(&self) -> Figures {
        let queue = &self.inner.queue;
        queue.counts.figures(queue.depth(), queue.takes())
    }

    /// Whether writes are taken: not from a failed one, of a full disk for one, until the file can be written again.
    pub fn takes_writes(&self) -> bool {
        self.inner.queue.takes()
    }

    /// Runs `work` in the writer's transaction and answers after the commit.
    ///
    /// `work` may run more than once, because a batch in which another write fails is rolled back and run again: it
    /// must have no effect outside the transaction. An error of `work` leaves nothing behind and reaches the caller.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        F: FnMut(&Txn) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.write_then(work, || ()).await
    }

    /// [`Self::write`], after whose commit the writer calls `then`, before the answer and whether or not anybody waits
    /// for it.
    pub(crate) async fn write_then<T, F>(
        &self,
        work: F,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<T>
    where
        F: FnMut(&Txn) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.enqueue(work, Urgency::Now, then).await
    }

    /// [`Self::write`], which waits a moment for others to share its commit: for what happens to many sessions at once.
    pub(crate) async fn write_patiently<T, F>(&self, work: F) -> Result<T>
    where
        F: FnMut(&Txn) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.enqueue(work, Urgency::Soon, || ()).await
    }

    async fn enqueue<T, F>(
        &self,
        work: F,
        urgency: Urgency,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<T>
    where
        F: FnMut(&Txn) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = writer::strict(work, then);
        self.inner.queue.push(job, urgency, None).await?;
        answer.await.map_err(|_| Error::Closed)?
    }

    pub(crate) fn known_keys(&self) -> &Arc<KnownKeys> {
        &self.inner.known_keys
    }

    /// Applies `ops` in one transaction, behind everything queued before them.
    ///
    /// Rows of a session that was removed would come back: stop the session's client first.
    pub(crate) async fn put_all(&self, ops: Vec<Op>, durability: Durability) -> Result<()> {
        if ops.is_empty() {
            return Ok(());
        }
        match durability {
            Durability::Strict => self.write(move |txn| overlay::apply(&ops, txn)).await,
            Durability::Patient => self.write_patiently(move |txn| overlay::apply(&ops, txn)).await,
            Durability::Relaxed => {
                let ops: Arc<[Op]> = ops.into();
                let job = writer::relaxed(ops.clone());
                self.inner.queue.push(job, Urgency::Soon, Some(&ops)).await
            }
        }
    }

    /// The value of a protocol row, relaxed writes that are still queued included.
    pub(crate) fn get(&self, table: Rows, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.inner.queue.queued_value(table, key) {
            Some(QueuedValue(value)) => Ok(value),
            None => self.read(|txn| table.get_in(txn, key)),
        }
    }

    /// Every protocol row whose key starts with `prefix`, in key order, relaxed writes that are still queued
    /// included.
    pub(crate) fn scan(&self, table: Rows, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let database = self.inner.disk.database()?;
        // One lock over both, so that no commit falls between the queued rows and the snapshot.
        let (queued, txn) =
            self.inner.queue.queued_rows(table, prefix, || database.begin_read())?;
        let snapshot = Snapshot::new(txn, self.inner.vault.clone());
        let stored = snapshot.read(|snapshot| table.scan_in(snapshot, prefix))?;
        Ok(overlay::merge(stored, queued))
    }

    /// Reads in a snapshot on the caller's thread: for a few rows.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        // Held while reading: the file is not opened anew under a reader.
        let database = self.inner.disk.database()?;
        Snapshot::new(database.begin_read()?, self.inner.vault.clone()).read(work)
    }

    /// Reads in a snapshot on a thread that may block: for a page or more.
    pub(crate) async fn read_many<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&Snapshot) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let store = self.clone();
        run_blocking(move || store.read(work)).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Inner {
    fn shut_down(&self) {
        self.queue.close();
        // The lock is held while joining: a second `close` returns when the file is free, like the first.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // The writer ends the process when it panics, so joining cannot fail.
            let _ = writer.join();
        }
        self.disk.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut_down();
    }
}

pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
        // The runtime is going down.
        Err(_) => Err(Error::Closed),
    }
}
