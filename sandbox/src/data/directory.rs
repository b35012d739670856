//! The files: `state`, `blobs/` with a file for each content, and `lock`, which is locked as long as a process has the
//! directory. They hold keys, so nobody else may read them.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::problem;
use super::snapshot::Snapshot;
use crate::Result;
use crate::state::{Kept, State};

/// The form of `state` that this program writes, and the newest that it reads. Who takes something away from the state or
/// gives it another form adds one; what is new and may be missing has `#[serde(default)]`.
const VERSION: u32 = 1;

/// How the first line of `state` begins, before its version and the SHA-256 of what follows the line.
const MARK: &str = "wharf-sandbox";

/// A directory that this process has.
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
    /// SHA-256 of the state that is there.
    written: Option<[u8; 32]>,
    /// How many bytes it has.
    size: usize,
    blobs: HashSet<[u8; 32]>,
}

impl Directory {
    /// Takes the directory, which is made if there is none.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        for path in [&path, &path.join("blobs")] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|error| problem(path, format_args!("cannot be made: {error}")))?;
        }
        let lock = path.join("lock");
        let failed = |error: io::Error| problem(&lock, format_args!("cannot be locked: {error}"));
        let file = options().open(&lock).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => problem(&path, "is in use by another sandbox"),
            TryLockError::Error(error) => failed(error),
        })?;
        Ok(Self { path, _lock: file, written: None, size: 0, blobs: HashSet::new() })
    }

    /// Reads what is kept; `None` if nothing was ever.
    pub(super) fn read(&mut self) -> Result<Option<State>> {
        let path = self.path.join("state");
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let (written, body) = unwrap(&file).map_err(|what| problem(&path, what))?;
        let kept: Kept = ciborium::from_reader(body).map_err(|error| broken(&path, error))?;
        // Pictures have the same bytes as files and as each other.
        let mut blobs: HashMap<[u8; 32], Bytes> = HashMap::new();
        let state = kept.into_state(|sha256| {
            if let Some(bytes) = blobs.get(&sha256) {
                return Ok(bytes.clone());
            }
            let path = self.blob(&sha256);
            let bytes = Bytes::from(fs::read(&path).map_err(|error| unreadable(&path, &error))?);
            if sha(&bytes) != sha256 {
                return Err(broken(&path, "it has other bytes than its name says"));
            }
            blobs.insert(sha256, bytes.clone());
            Ok(bytes)
        })?;
        self.written = Some(written);
        self.size = body.len();
        self.blobs = blobs.into_keys().collect();
        self.tidy()?;
        Ok(Some(state))
    }

    /// How many bytes the state has that is there.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Writes what is not there yet, and returns when it is there to stay; says how many bytes the state has. Files come
    /// before the state that names them, and go after it.
    pub(super) fn write(&mut self, snapshot: &Snapshot) -> Result<usize> {
        let Snapshot { state, blobs } = snapshot;
        for (sha256, bytes) in blobs {
            if !self.blobs.contains(sha256) {
                self.replace(&self.blob(sha256), &[bytes])?;
                self.blobs.insert(*sha256);
            }
        }
        let sha256 = sha(state);
        if self.written != Some(sha256) {
            let line = format!("{MARK} {VERSION} {}\n", hex(&sha256));
            self.replace(&self.path.join("state"), &[line.as_bytes(), state])?;
            self.written = Some(sha256);
            self.size = state.len();
        }
        let gone = self.blobs.extract_if(|sha256| !blobs.contains_key(sha256));
        for gone in gone.collect::<Vec<_>>() {
            remove(&self.blob(&gone))?;
        }
        Ok(state.len())
    }

    /// Removes what was written for a state that never was.
    fn tidy(&self) -> Result<()> {
        let folder = self.path.join("blobs");
        let known: HashSet<String> = self.blobs.iter().map(|sha256| hex(sha256)).collect();
        let entries = fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let name = entry.file_name();
            if name.len() == 64 && name.to_str().is_some_and(|name| !known.contains(name)) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Puts a whole file in the place of the one before.
    fn replace(&self, path: &Path, parts: &[&[u8]]) -> Result<()> {
        let written = || {
            let new = self.path.join("new");
            let mut file = options().truncate(true).open(&new)?;
            parts.iter().try_for_each(|part| file.write_all(part))?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        written().map_err(|error| problem(path, format_args!("cannot be written: {error}")))
    }

    fn blob(&self, sha256: &[u8; 32]) -> PathBuf {
        self.path.join("blobs").join(hex(sha256))
    }
}

/// What follows the first line, and its SHA-256; or what is wrong with the file.
fn unwrap(file: &[u8]) -> Result<([u8; 32], &[u8]), String> {
    let end =
        file.iter().position(|byte| *byte == b'\n').ok_or("is broken: it has no first line")?;
    let (line, body) = (&file[..end], &file[end + 1..]);
    let line = std::str::from_utf8(line).unwrap_or_default();
    let mut words = line.split(' ');
    let version = words.next().filter(|mark| *mark == MARK).and(words.next());
    let version = version.and_then(|version| version.parse::<u32>().ok());
    match version {
        None => Err("is broken: its first line is not a sandbox's".to_owned()),
        Some(VERSION) => {
            let sha256 = sha(body);
            let same = words.next() == Some(&hex(&sha256));
            same.then_some((sha256, body))
                .ok_or_else(|| "is broken: its checksum is another".to_owned())
        }
        Some(other) => {
            Err(format!("has version {other}, and this program reads version {VERSION}"))
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| problem(path, format_args!("cannot be removed: {error}")))
}

fn unreadable(path: &Path, error: &io::Error) -> crate::Error {
    problem(path, format_args!("cannot be read: {error}"))
}

fn broken(path: &Path, why: impl std::fmt::Display) -> crate::Error {
    problem(path, format_args!("is broken: {why}"))
}

fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into memory does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
