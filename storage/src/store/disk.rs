//! The open file, which is opened anew after a failure: redb refuses all work once its file has failed it.

use std::sync::{Arc, PoisonError, RwLock};

use redb::Database;
use tracing::error;

use crate::{Error, Result, encryption::Vault, panics};

/// Opens the database behind a store once more.
pub(super) type Opener = Box<dyn Fn() -> Result<Database> + Send + Sync>;

pub(super) struct Disk {
    opener: Opener,
    /// What the file's values are encrypted with, whenever it is opened anew.
    vault: Arc<Vault>,
    state: RwLock<State>,
}

enum State {
    Open(Arc<Database>),
    /// It failed, and is not open again yet; in words.
    Away(String),
    Closed,
}

impl Disk {
    pub(super) fn new(database: Database, vault: Arc<Vault>, opener: Opener) -> Self {
        Self { opener, vault, state: RwLock::new(State::Open(Arc::new(database))) }
    }

    pub(super) fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// The database, unless it is closed or away.
    pub(super) fn database(&self) -> Result<Arc<Database>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(database) => Ok(database.clone()),
            State::Away(reason) => Err(Error::Unavailable { reason: reason.clone() }),
            State::Closed => Err(Error::Closed),
        }
    }

    /// Lets go of the file and opens it again, which puts right what a failed commit has left. Reads that begin
    /// meanwhile are refused with `reason`. Fails while a read from before still has the file.
    pub(super) fn reopen(&self, reason: &str) -> Result<()> {
        self.set(State::Away(reason.to_owned()));
        let database = (self.opener)()?;
        // Whoever found it let go may have made it anew under another key.
        if !self.vault.is_of(&database)? {
            return Err(Error::Unavailable {
                reason: "the file was encrypted anew by somebody else meanwhile: start the gateway again"
                    .to_owned(),
            });
        }
        self.set(State::Open(Arc::new(database)));
        Ok(())
    }

    /// Whether it is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.state.read().unwrap_or_else(PoisonError::into_inner), State::Open(_))
    }

    /// Frees the file, for good.
    pub(super) fn close(&self) {
        self.set(State::Closed);
    }

    fn set(&self, state: State) {
        let before = std::mem::replace(
            &mut *self.state.write().unwrap_or_else(PoisonError::into_inner),
            state,
        );
        // Closing the file takes its time: not under the lock. Of a damaged one redb may panic about it.
        if panics::caught(|| drop(before)).is_err() {
            error!("the file could not be closed in order; the next start looks through it");
        }
    }
}
