//! What can go wrong in storage.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
};

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
    /// Data are in the place where others shall be put.
    #[error("there are data in `{}` already; `--force` moves them aside", path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// What is named cannot be a copy, or be replaced by one.
    #[error("`{}` {reason}", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
        /// What it is, and what to do.
        reason: &'static str,
    },
    /// A disk has too little room for a copy.
    #[error("there is no room for a copy in `{}`: {}; make room, or take another disk", path.display(), need(*size, *reserve, *free))]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes that the copy may need.
        size: u64,
        /// Bytes that shall stay free beside it.
        reserve: u64,
        /// Bytes that are free.
        free: u64,
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
        "`{}` is in use by a gateway, or by a command that has not ended: stop the gateway, wait for the command, or take a \
         folder of its own",
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
    #[error("cannot use `{}`: {source}{}", path.display(), remedy(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
}

/// What to do about an answer of the operating system, where that is known.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull => "; make room on its disk, and try again",
        ErrorKind::QuotaExceeded => "; raise its owner's quota or make room, and try again",
        ErrorKind::FileTooLarge => "; raise the limit on the length of files, and try again",
        ErrorKind::PermissionDenied => {
            "; it takes the rights of the gateway's user there (a running gateway writes a backup itself)"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "; take another place (a running gateway writes a backup itself, where its service lets it)"
        }
        _ => "",
    }
}

/// The room that there should be, beside the room that there is.
fn need(size: u64, reserve: u64, free: u64) -> String {
    match reserve {
        0 => format!("it may need {size} bytes, and {free} are free"),
        _ => format!(
            "it may need {size} bytes, {reserve} shall stay free beside it (`--disk-refuse`), and {free} are free"
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_operating_system_has_its_path_and_what_to_do() {
        for (kind, words) in [
            (ErrorKind::StorageFull, "make room"),
            (ErrorKind::PermissionDenied, "rights"),
            (ErrorKind::ReadOnlyFilesystem, "another place"),
            (ErrorKind::FileTooLarge, "limit"),
        ] {
            let source = Arc::new(kind.into());
            let said = Error::Io { path: "/data/copy".into(), source }.to_string();
            assert!(
                said.starts_with("cannot use `/data/copy`: ") && said.contains(words),
                "{said}"
            );
        }
        let source = Arc::new(ErrorKind::NotFound.into());
        let said = Error::Io { path: "/data/copy".into(), source }.to_string();
        assert_eq!(said, "cannot use `/data/copy`: entity not found");
    }
}
