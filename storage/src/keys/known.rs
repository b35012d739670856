//! Keys that were looked up before, so that recognizing a caller does not read the file each time.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::ApiKey;

/// Keys by the digest of their secret. There are never more than were made: a digest that is nobody's is not kept.
#[derive(Default)]
pub(crate) struct KnownKeys {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// Counts the changes of stored keys: what was read before the last one may be out of date.
    changes: u64,
    keys: HashMap<[u8; 32], Arc<ApiKey>>,
}

impl KnownKeys {
    /// The key, or the number of changes so far, to be given to [`Self::add`] with what is read now.
    pub(super) fn get(&self, digest: &[u8; 32]) -> Result<Arc<ApiKey>, u64> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.keys.get(digest).map(Arc::clone).ok_or(state.changes)
    }

    /// Keeps a key that was read, unless keys changed since.
    pub(super) fn add(&self, read_at: u64, digest: [u8; 32], key: &Arc<ApiKey>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.changes == read_at {
            state.keys.insert(digest, Arc::clone(key));
        }
    }

    /// Keys changed: all are read again.
    pub(super) fn forget(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.changes += 1;
        state.keys.clear();
    }
}
