//! One session's rows as the backend of the protocol library.
//!
//! [`Backend`] implements the library's five storage traits over the `wa_` tables. Each call is one transaction. What
//! a session cannot lose without breaking its encryption is answered after it is on disk; what can be learnt again
//! from the server or the peers is answered when it is queued.

mod app_sync;
mod device;
mod message_secrets;
mod protocol;
mod rows;
mod signal;
#[cfg(test)]
pub(crate) mod tests;
mod trusted_contacts;

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::{SessionId, Store};

/// The storage of one session's protocol client.
///
/// Clones share their turn at the changes that depend on what is stored, so a session has one backend and clones of
/// it, as it has one client.
#[derive(Debug, Clone)]
pub struct Backend {
    store: Store,
    session: SessionId,
    /// Held from reading a row to queueing what follows from it, where that is a relaxed write.
    turn: Arc<Mutex<()>>,
}

impl Store {
    /// The protocol library's storage for `session`.
    pub fn whatsapp(&self, session: SessionId) -> Backend {
        Backend { store: self.clone(), session, turn: Arc::default() }
    }
}
