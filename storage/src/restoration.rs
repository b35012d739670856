//! Putting a copy in the place of the file.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

use crate::{
    Error, Options, Report, Result, check_file, leftovers, room,
    store::{file, run_blocking},
};

/// Puts a copy of `source` in the place `path`, once it is checked: [`Error::Unsound`] when anything is found. What is
/// there is moved to `aside`, or refused with [`Error::Occupied`] when that is absent, and with [`Error::InUse`] when a
/// gateway runs on it. The source stays as it is.
pub async fn restore(
    source: &Path,
    path: &Path,
    aside: Option<&Path>,
    options: &Options,
) -> Result<Report> {
    let there = path.try_exists().map_err(|error| file::in_words(path, error))?;
    // Held until the file is away: nothing else begins on what is about to be moved.
    let held = if there { Some(unused(path)?) } else { None };
    if there && aside.is_none() {
        return Err(Error::Occupied { path: path.to_owned() });
    }
    leftovers::clear(path);
    let (from, beside) = (source.to_owned(), file::folder(path).to_owned());
    let copy = run_blocking(move || copied(&from, &beside)).await?;
    let report = check_file(copy.path(), options).await.map_err(|error| of(source, error))?;
    if let Some(first) = report.findings.first() {
        let (path, first) = (source.to_owned(), first.clone());
        return Err(Error::Unsound { path, count: report.count(), first });
    }
    let failed = |error| file::in_words(path, error);
    leftovers::hold(copy.as_file());
    copy.as_file().sync_all().map_err(failed)?;
    file::give(copy.path(), if there { path } else { file::folder(path) })?;
    if let (true, Some(aside)) = (there, aside) {
        // A link cannot take the place of another file, as a new name could.
        fs::hard_link(path, aside).map_err(|error| file::in_words(aside, error))?;
        copy.persist(path).map_err(|other| failed(other.error))?;
    } else {
        copy.persist_noclobber(path).map_err(|other| match other.error.kind() {
            ErrorKind::AlreadyExists => Error::Occupied { path: path.to_owned() },
            _ => failed(other.error),
        })?;
    }
    drop(held);
    file::sync_folder(file::folder(path)).map_err(failed)?;
    Ok(report)
}

/// The file, which nobody else can open for as long as this is held.
fn unused(path: &Path) -> Result<File> {
    let failed = |error| file::in_words(path, error);
    let held = File::options().read(true).write(true).open(path).map_err(failed)?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// An error about the copy that is checked, as one about what it was made of.
fn of(source: &Path, error: Error) -> Error {
    let path = source.to_owned();
    match error {
        Error::Locked { .. } => Error::Locked { path },
        Error::WrongMasterKey { .. } => Error::WrongMasterKey { path },
        Error::NotEncrypted { .. } => Error::NotEncrypted { path },
        Error::Damaged { reason, .. } => Error::Damaged { path, reason },
        other => other,
    }
}

fn copied(source: &Path, folder: &Path) -> Result<tempfile::NamedTempFile> {
    let unread = |error| file::in_words(source, error);
    let mut from = File::open(source).map_err(unread)?;
    let found = from.metadata().map_err(unread)?;
    if found.is_dir() {
        let reason = "is a folder: name the file in it that is a backup";
        return Err(Error::NotAFile { path: source.to_owned(), reason });
    }
    room::for_copy(folder, found.len(), folder, 0)?;
    let failed = |error| file::in_words(folder, error);
    let mut copy =
        tempfile::Builder::new().prefix(leftovers::COPY).tempfile_in(folder).map_err(failed)?;
    leftovers::hold(copy.as_file());
    io::copy(&mut from, &mut copy).map_err(failed)?;
    // Whoever checks it opens it, which takes the same lock.
    copy.as_file().unlock().map_err(failed)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Store,
        store::tests::{dumped, fill},
    };

    #[tokio::test]
    async fn a_copy_is_put_back_and_what_was_there_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        let [path, copy, aside] = ["store", "copy", "aside"].map(|name| folder.path().join(name));
        let options = Options::default();
        let store = Store::open(&path, &options).unwrap();
        let ids = fill(&store, 3).await;
        let before = dumped(&store);
        store.backup(&copy, false, 0).await.unwrap();
        store.remove_session(ids[0]).await.unwrap();
        let newer = dumped(&store);

        let refused = restore(&copy, &path, Some(&aside), &options).await.unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        store.close().await.unwrap();
        let refused = restore(&copy, &path, None, &options).await.unwrap_err();
        assert!(matches!(refused, Error::Occupied { .. }), "{refused}");
        assert!(refused.to_string().contains("moves them aside"), "{refused}");
        let refused = restore(folder.path(), &path, Some(&aside), &options).await.unwrap_err();
        assert!(matches!(refused, Error::NotAFile { .. }), "{refused}");
        assert!(refused.to_string().contains(folder.path().to_str().unwrap()), "{refused}");

        restore(&copy, &path, Some(&aside), &options).await.unwrap();
        assert_eq!(dumped(&Store::open(&path, &options).unwrap()), before);
        assert_eq!(dumped(&Store::open(&aside, &options).unwrap()), newer);
        // Where there is nothing, nothing has to be moved.
        let elsewhere = folder.path().join("elsewhere");
        restore(&copy, &elsewhere, None, &options).await.unwrap();
        assert_eq!(dumped(&Store::open(&elsewhere, &options).unwrap()), before);
    }

    #[tokio::test]
    async fn a_broken_copy_is_refused_and_the_data_stay() {
        let folder = tempfile::tempdir().unwrap();
        let [path, copy, aside] = ["store", "copy", "aside"].map(|name| folder.path().join(name));
        let options = Options::default();
        let store = Store::open(&path, &options).unwrap();
        fill(&store, 2).await;
        let before = dumped(&store);
        store.backup(&copy, false, 0).await.unwrap();
        store.close().await.unwrap();
        let bytes = fs::read(&copy).unwrap();
        for broken in [&bytes[..bytes.len() / 2], b"something else".as_slice(), b""] {
            fs::write(&copy, broken).unwrap();
            let refused = restore(&copy, &path, Some(&aside), &options).await.unwrap_err();
            assert!(matches!(refused, Error::Unsound { .. }), "{refused}");
            assert_eq!(fs::read(&copy).unwrap(), broken, "the source stays as it is");
        }
        assert!(!aside.exists());
        assert_eq!(dumped(&Store::open(&path, &options).unwrap()), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }
}
