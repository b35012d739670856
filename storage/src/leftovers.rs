//! What interrupted work has left beside a file.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use tracing::{info, warn};

use crate::store::file;

/// How the name of a copy begins until it is whole.
pub(crate) const COPY: &str = ".wharf-copy-";
/// How the name of a new file begins until it is whole.
pub(crate) const NEW: &str = ".wharf-new-";
/// What follows the file's name in that of the file that is made anew under other keys.
const REENCRYPTED: &str = ".reencrypted";
/// What follows it in that of the file that a restore has moved aside; a time follows.
const ASIDE: &str = ".before-restore-";

/// Where the file is made anew until that is whole.
pub(crate) fn reencrypted(path: &Path) -> PathBuf {
    with(path, REENCRYPTED)
}

/// A name beside the file for what a restore moves away, which says when that was.
pub fn aside(path: &Path, now_ms: i64) -> PathBuf {
    with(path, &format!("{ASIDE}{now_ms}"))
}

/// Makes the log say what interrupted work has left beside the file, and removes of it what can only be part of something. What
/// a restore has moved aside is somebody's data: it stays. Only while the file is held open, or before it is there.
pub(crate) fn clear(path: &Path) {
    clear_beside(path);
    // The file may be made anew where a link leads to.
    if let Some(real) =
        path.canonicalize().ok().filter(|real| file::folder(real) != file::folder(path))
    {
        clear_beside(&real);
    }
}

/// Removes copies that somebody began to write to the folder, and nobody writes to any more.
pub(crate) fn clear_copies(folder: &Path) {
    for path in files(folder) {
        if name(&path).is_some_and(is_partial) {
            remove(&path);
        }
    }
}

/// Keeps others from removing a part of a file that is being written. Held as long as the file is open, or unlocked.
pub(crate) fn hold(part: &File) {
    // Where there are no locks nobody opens a store, and nobody clears up.
    let _ = part.try_lock();
}

fn clear_beside(path: &Path) {
    let Some(own) = name(path) else { return };
    let rest = reencrypted(path);
    for path in files(file::folder(path)) {
        let Some(name) = name(&path) else { continue };
        if is_partial(name) || path.file_name() == rest.file_name() {
            remove(&path);
        } else if name.strip_prefix(own).is_some_and(|rest| rest.starts_with(ASIDE)) {
            info!("`{}` is what a restore moved aside: remove it once all is well", path.display());
        }
    }
}

fn is_partial(name: &str) -> bool {
    name.starts_with(COPY) || name.starts_with(NEW)
}

/// Removes a file, unless somebody works on it: whoever does holds its lock.
fn remove(path: &Path) {
    let opened = File::open(path).and_then(|held| match held.try_lock() {
        Ok(()) => fs::remove_file(path).map(|()| true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(error),
    });
    match opened {
        Ok(true) => {
            info!(
                "removed `{}`: part of a file, left by a command that was interrupted",
                path.display()
            );
        }
        Ok(false) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => warn!(
            "`{}` is part of a file, left by a command that was interrupted, and cannot be removed: {error}",
            path.display()
        ),
    }
}

/// The files in a folder that can be read; no folders, and no links.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.map(|entry| entry.path()).collect()
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Store, compact, reencrypt, restore};

    /// A store that is closed, with a copy of it, and beside it all that may be left.
    async fn littered(folder: &Path) -> (PathBuf, PathBuf) {
        let path = folder.join("wharf.redb");
        let store = Store::open(&path, &Options::default()).unwrap();
        let copy = folder.join("copy");
        store.backup(&copy, false, 0).await.unwrap();
        store.close().await.unwrap();
        litter(folder);
        (path, copy)
    }

    fn litter(folder: &Path) {
        for name in PARTIAL {
            fs::write(folder.join(name), "half of it").unwrap();
        }
        for name in KEPT {
            fs::write(folder.join(name), "precious").unwrap();
        }
        fs::create_dir_all(folder.join(".wharf-copy-folder")).unwrap();
    }

    const PARTIAL: [&str; 3] =
        [".wharf-copy-AbCdEf", ".wharf-new-AbCdEf", "wharf.redb.reencrypted"];
    const KEPT: [&str; 4] = [
        "wharf.redb.before-restore-1700000000000",
        "other.reencrypted",
        "wharf-copy-mine",
        "notes",
    ];

    fn tidy(folder: &Path) {
        assert_eq!(PARTIAL.map(|name| folder.join(name).exists()), [false; 3]);
        assert_eq!(KEPT.map(|name| fs::read(folder.join(name)).unwrap()), [b"precious"; 4]);
        assert!(folder.join(".wharf-copy-folder").exists());
    }

    #[tokio::test]
    async fn whatever_comes_next_removes_parts_of_files_and_leaves_what_is_somebodys() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = littered(folder.path()).await;
        let options = Options::default();
        let store = Store::open(&path, &options).unwrap();
        tidy(folder.path());
        litter(folder.path());
        store.backup(&folder.path().join("again"), false, 0).await.unwrap();
        assert!(!folder.path().join(PARTIAL[0]).exists(), "the target's folder is looked at");
        store.close().await.unwrap();
        litter(folder.path());
        compact(&path, &options).await.unwrap();
        tidy(folder.path());
        litter(folder.path());
        crate::check_file(&path, &options).await.unwrap();
        tidy(folder.path());
        litter(folder.path());
        restore(&copy, &path, Some(&aside(&path, 1)), &options).await.unwrap();
        tidy(folder.path());
        litter(folder.path());
        reencrypt(&path, None, Some(crate::MasterKey::new([1; 32]))).await.unwrap();
        tidy(folder.path());
    }

    #[tokio::test]
    async fn a_copy_that_somebody_is_writing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = littered(folder.path()).await;
        let written = folder.path().join(PARTIAL[0]);
        let writer = File::options().write(true).open(&written).unwrap();
        writer.try_lock().unwrap();
        let store = Store::open(&path, &Options::default()).unwrap();
        assert!(written.exists());
        store.close().await.unwrap();
        drop(writer);
        drop(Store::open(&path, &Options::default()).unwrap());
        tidy(folder.path());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn parts_are_found_where_a_link_leads_to() {
        let (real, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (path, _) = littered(real.path()).await;
        let link = data.path().join("wharf.redb");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::write(data.path().join(PARTIAL[0]), "half of it").unwrap();
        drop(Store::open(&link, &Options::default()).unwrap());
        tidy(real.path());
        assert!(!data.path().join(PARTIAL[0]).exists());
    }
}
