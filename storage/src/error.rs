//! What can go wrong in storage.

use std::{path::PathBuf, sync::Arc};

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a storage operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database refused: disk full, input or output error, broken file. Shared, because one failed commit
    /// answers every write that rode on it.
    #[error("the database failed: {0}")]
    Database(Arc<redb::Error>),
    /// A stored row does not decode.
    #[error("a row of table `{table}` is corrupt: {reason}")]
    Corrupt {
        /// The table the row was read from.
        table: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// The file is not what was written: cut off, or changed. Nothing of it is used.
    #[error(
        "`{}` is damaged: {reason}; put a backup back with `wharf restore`; `wharf check` says more about the file",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be written for now, or not even be read. Nothing was changed, or that is not known.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// What failed.
        reason: String,
    },
    /// A file is in the place of one that shall be made.
    #[error("`{}` exists already; `--force` replaces it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file whose records do not fit together.
    #[error("{count} findings in `{}`, the first one: {first}; `wharf check` lists them all", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// How many findings there are.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// The file is encrypted and no master key was given.
    #[error(
        "`{}` is encrypted: name the file of its master key with `--master-key-file`, or set `WHARF_MASTER_KEY`",
        path.display()
    )]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// The file is encrypted under another master key than the one that was given.
    #[error("`{}` is encrypted under another master key than the one given: give that one, without which nothing of it can be read",
        path.display())]
    WrongMasterKey {
        /// The database file.
        path: PathBuf,
    },
    /// A master key was given for a file that is not encrypted.
    #[error(
        "`{}` is not encrypted, and a master key is given: encrypt it with `wharf encryption enable`, or go on without \
         the key",
        path.display()
    )]
    NotEncrypted {
        /// The database file.
        path: PathBuf,
    },
    /// Another handle has the file open; one file belongs to one process.
    #[error(
        "`{}` is in use: another gateway is running on it; stop that one, or give this one a folder of its own",
        path.display()
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file was written by a newer release.
    #[error(
        "the database has schema {found}, this release knows schemas up to {supported}; run the newer release again"
    )]
    NewerSchema {
        /// The schema number in the file.
        found: u32,
        /// The highest schema number this release reads.
        supported: u32,
    },
    /// Events above the cursor are no longer kept.
    #[error("the cursor is older than the event log")]
    EventsGone,
    /// The cursor is above every event that was ever given out: it is of another log, or of this one before it was put
    /// back to an earlier state.
    #[error("the cursor names no event of this log")]
    EventsUnknown,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A file cannot be reached or the writer cannot be started.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: Arc<std::io::Error>,
    },
}

impl Error {
    /// Whether the file failed, and not what was done with it: it has to be opened anew, and all may be well then.
    pub(crate) fn is_of_the_file(&self) -> bool {
        match self {
            Self::Database(error) => matches!(
                **error,
                redb::Error::Io(_)
                    | redb::Error::PreviousIo
                    | redb::Error::Backend(_)
                    | redb::Error::Corrupted(_)
                    | redb::Error::DatabaseClosed
                    | redb::Error::LockPoisoned(_)
                    | redb::Error::TransactionPoisoned
            ),
            Self::Unavailable { .. } => true,
            _ => false,
        }
    }
}

/// redb has one error type per operation; all of them fold into [`Error::Database`].
impl<E: Into<redb::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Database(Arc::new(error.into()))
    }
}
