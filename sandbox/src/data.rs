//! The directory in which the state outlives the process.
//!
//! `state` is all of it but the bytes of files and pictures, which are in `blobs`, one file for each content: see
//! [`crate::state::State::keeping`]. It is written whole, beside the one before and then in its place, so that a process
//! that is killed leaves what was there. `form` is how parts of it are written, `snapshot` takes it, `directory` is the
//! files.

mod directory;
pub(crate) mod form;
mod snapshot;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::random::Source;
use crate::state::{Shared, State, lock};
use crate::{Error, Result};
use directory::Directory;

/// From one save to the next, if something changes all the time.
const PAUSE: Duration = Duration::from_millis(500);

/// A save that takes long is followed by a pause so many times as long.
const REST: u32 = 9;

/// From a save that failed to the next.
const AGAIN: Duration = Duration::from_secs(5);

/// A directory of this process alone, until it is closed.
pub(crate) struct Data {
    path: PathBuf,
    directory: Arc<Mutex<Option<Directory>>>,
}

impl Data {
    /// Takes a directory, made if there is none, and reads the state that it keeps. A state that begins draws from the source,
    /// one that goes on from the operating system, lest anything be drawn twice.
    pub(crate) async fn open(path: PathBuf, source: Source) -> Result<(Self, State)> {
        let here = path.clone();
        let opened = spawn_blocking(move || {
            let mut directory = Directory::open(path.clone())?;
            let state = directory.read()?.unwrap_or_else(|| State::new(source));
            Ok((Self { path, directory: Arc::new(Mutex::new(Some(directory))) }, state))
        });
        done(&here, opened.await)
    }

    /// Writes the state as it is now, and returns when it is there to stay; says how many bytes it has, files and pictures
    /// apart.
    pub(crate) async fn save(&self, shared: &Shared) -> Result<usize> {
        loop {
            let mut directory = Arc::clone(&self.directory).lock_owned().await;
            let held = snapshot::hold(shared).await;
            let (path, shared) = (self.path.clone(), Arc::clone(shared));
            let saved = spawn_blocking(move || {
                let directory = directory.as_mut().ok_or_else(|| problem(&path, "is closed"))?;
                let taken = snapshot::take(&shared, held, directory.size());
                let taken = taken
                    .map_err(|why| problem(&path, format_args!("does not get the state: {why}")))?;
                taken.map(|snapshot| directory.write(&snapshot)).transpose()
            });
            if let Some(bytes) = done(&self.path, saved.await)? {
                return Ok(bytes);
            }
        }
    }

    /// Leaves the directory to others, once what is being written is there.
    pub(crate) async fn close(&self) {
        self.directory.lock().await.take();
    }
}

/// What a task made that nobody aborts: only the end of the runtime keeps it from beginning.
fn done<T>(path: &Path, joined: Result<Result<T>, JoinError>) -> Result<T> {
    joined.unwrap_or_else(|left| match left.try_into_panic() {
        Ok(crash) => std::panic::resume_unwind(crash),
        Err(_) => Err(problem(path, "is left: the runtime ends")),
    })
}

/// Saves soon after every change, until the server ends.
pub(crate) async fn keep(
    data: Arc<Data>,
    state: Weak<std::sync::Mutex<State>>,
    ended: CancellationToken,
) {
    let mut pause = PAUSE;
    while ended.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let Some(shared) = state.upgrade() else { break };
        pause = PAUSE;
        if lock(&shared).has_changed() {
            let begun = Instant::now();
            if let Err(error) = data.save(&shared).await {
                error!(%error, "the state was not saved");
                lock(&shared).touch();
                pause = AGAIN;
            } else {
                pause = PAUSE.max(begun.elapsed() * REST);
            }
        }
    }
}

/// Something about a file of the directory.
fn problem(path: &Path, what: impl Display) -> Error {
    Error::Data { path: path.to_owned(), problem: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_save_that_the_end_of_the_runtime_cuts_off_is_a_failure_and_no_panic() {
        let task = tokio::spawn(std::future::pending::<Result<()>>());
        task.abort();
        let left = done(Path::new("here"), task.await).expect_err("it was cut off");
        assert_eq!(left.to_string(), "`here` is left: the runtime ends");
    }
}
