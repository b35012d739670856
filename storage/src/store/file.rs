//! Opening the file of a store: made whole or not at all, and refused when it is damaged.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

use redb::{Builder, Database, DatabaseError};

use super::{Options, snapshot::damage};
use crate::{Error, Result, encryption::Vault, leftovers, panics, schema};

/// Opens the file, which is made if absent, encrypted when there is a master key, and brings its schema up to date. Before
/// that every page is checked, where the options say so, and the key.
pub(super) fn open(path: &Path, options: &Options) -> Result<(Database, Vault)> {
    let failed = |error| in_words(path, error);
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => create(path, options)?,
        Ok(found) if found.len() == 0 => {
            return Err(Error::Damaged { path: path.to_owned(), reason: "it is empty".to_owned() });
        }
        _ => {}
    }
    make_private(path).map_err(failed)?;
    let database = open_as_it_is(path, options)?;
    let vault = guarded(path, || {
        // Before anything is changed: a file that is refused stays as it was.
        let vault = Vault::unlock(&database, path, options.master_key.as_ref())?;
        schema::bring_up_to_date(&database)?;
        Ok(vault)
    })?;
    Ok((database, vault))
}

/// Opens a file that is there, of whatever schema.
pub(crate) fn open_as_it_is(path: &Path, options: &Options) -> Result<Database> {
    guarded(path, || {
        Builder::new()
            .set_cache_size(options.cache_bytes)
            .set_check_integrity_on_open(options.verify)
            .open(path)
            .map_err(|error| opening(path, error))
    })
}

/// Makes a file with every table beside its place and moves it there, so that none is ever found half made.
fn create(path: &Path, options: &Options) -> Result<()> {
    let failed = |error| in_words(path, error);
    let folder = folder(path);
    let made =
        tempfile::Builder::new().prefix(leftovers::NEW).tempfile_in(folder).map_err(failed)?;
    let database = empty(made.path(), options.cache_bytes, path)?;
    schema::bring_up_to_date(&database)
        .and_then(|()| Vault::create(&database, path, 1, options.master_key.as_ref()))
        .map_err(|error| about(path, error))?;
    drop(database);
    match made.persist_noclobber(path) {
        Ok(_) => sync_folder(folder).map_err(failed),
        // Somebody else was faster, and that file is as good.
        Err(other) if other.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(other) => Err(failed(other.error)),
    }
}

/// Makes a database that is its owner's alone, in the place of whatever is there.
pub(crate) fn make(path: &Path, cache_bytes: usize) -> Result<Database> {
    File::create(path).and_then(|_| make_private(path)).map_err(|error| in_words(path, error))?;
    empty(path, cache_bytes, path)
}

/// Makes a database of an empty file; errors are about the file that it shall become.
pub(crate) fn empty(made: &Path, cache_bytes: usize, path: &Path) -> Result<Database> {
    let database = Builder::new().set_cache_size(cache_bytes).create(made);
    database.map_err(|error| opening(path, error))
}

/// Gives a new file to whom another one belongs: a command of root's must not lock the gateway's user out.
#[cfg(unix)]
pub(crate) fn give(made: &Path, like: &Path) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let (has, wanted) = (fs::metadata(made), fs::metadata(like));
    let (has, wanted) =
        has.and_then(|has| Ok((has, wanted?))).map_err(|error| in_words(like, error))?;
    if (has.uid(), has.gid()) == (wanted.uid(), wanted.gid()) {
        return Ok(());
    }
    chown(made, Some(wanted.uid()), Some(wanted.gid())).map_err(|error| in_words(made, error))
}

#[cfg(not(unix))]
pub(crate) fn give(_made: &Path, _like: &Path) -> Result<()> {
    Ok(())
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A failure of the operating system, with the path that it was about.
pub(crate) fn in_words(path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.to_owned(), source: Arc::new(source) }
}

/// Runs what reads a file that may be anything: redb panics about some of what it finds.
pub(crate) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = |reason| Error::Damaged { path: path.to_owned(), reason };
    match panics::caught(work) {
        Ok(Err(Error::Database(error))) => match damage(&error) {
            Some(reason) => Err(damaged(reason)),
            None => Err(about(path, Error::Database(error))),
        },
        Ok(outcome) => outcome,
        Err(words) => Err(damaged(words)),
    }
}

/// What failed while this file was read or written; with its path, where it was the operating system that failed.
pub(crate) fn about(path: &Path, error: impl Into<Error>) -> Error {
    match error.into() {
        Error::Database(error) => match Arc::try_unwrap(error) {
            Ok(redb::Error::Io(source)) => in_words(path, source),
            Ok(other) => other.into(),
            Err(shared) => Error::Database(shared),
        },
        other => other,
    }
}

fn opening(path: &Path, error: DatabaseError) -> Error {
    let path = path.to_owned();
    match redb::Error::from(error) {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            Error::InUse { path }
        }
        error @ redb::Error::UpgradeRequired(_) => {
            Error::Damaged { path, reason: error.to_string() }
        }
        error => match (damage(&error), error) {
            (Some(reason), _) => Error::Damaged { path, reason },
            (None, redb::Error::Io(source)) => in_words(&path, source),
            (None, other) => other.into(),
        },
    }
}

/// Makes the file readable by its owner alone: it holds the keys of devices.
#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    OpenOptions::new().write(true).open(path)?.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_path: &Path) -> io::Result<()> {
    Ok(())
}
