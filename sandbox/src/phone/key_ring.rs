//! The keys of the shared settings, which a phone makes and gives to its devices: the newest is used, and older ones open
//! what is older.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wacore::appstate::{ExpandedAppStateKeys, expand_app_state_keys};

use crate::data::form::bytes;

/// One generation of the key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SettingsKey {
    /// The device that made it, always the phone, and its number: 2 and 4 bytes (Baileys reads them so).
    #[serde(with = "bytes")]
    pub(crate) id: [u8; 6],
    #[serde(with = "bytes")]
    pub(crate) data: [u8; 32],
    /// Epoch milliseconds; 0 as long as nobody was to get it.
    pub(crate) made: i64,
}

/// All generations, the newest last; there always is one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyRing(Vec<SettingsKey>);

impl SettingsKey {
    fn new(epoch: u32, data: [u8; 32], made: i64) -> Self {
        let [a, b, c, d] = epoch.to_be_bytes();
        Self { id: [0, 0, a, b, c, d], data, made }
    }

    /// The keys that are made from it.
    pub(crate) fn expand(&self) -> Arc<ExpandedAppStateKeys> {
        Arc::new(expand_app_state_keys(&self.data))
    }
}

impl KeyRing {
    /// A ring with its first key, which has no date yet.
    pub(crate) fn new(data: [u8; 32]) -> Self {
        Self(vec![SettingsKey::new(1, data, 0)])
    }

    /// A device is linked: a phone makes its first key for the first of them, so it has a date from now on.
    pub(crate) fn date(&mut self, now_ms: i64) {
        self.0.iter_mut().filter(|key| key.made == 0).for_each(|key| key.made = now_ms);
    }

    /// Adds a new key, which is used from now on.
    pub(super) fn rotate(&mut self, data: [u8; 32], now_ms: i64) {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.0.push(SettingsKey::new(next, data, now_ms));
    }

    /// Every key, the newest last.
    pub(crate) fn all(&self) -> &[SettingsKey] {
        &self.0
    }

    /// The key that is used.
    pub(crate) fn newest(&self) -> &SettingsKey {
        self.0.last().expect("a ring has a key from the beginning")
    }

    /// The key with this id.
    pub(crate) fn find(&self, id: &[u8]) -> Option<&SettingsKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_key_is_used_and_older_ones_stay() {
        let mut ring = KeyRing::new([1; 32]);
        let first = ring.newest().id;
        assert_eq!(first, [0, 0, 0, 0, 0, 1]);
        ring.date(5);
        ring.date(6);
        ring.rotate([2; 32], 7);
        assert_eq!(ring.all().iter().map(|key| key.made).collect::<Vec<_>>(), [5, 7]);
        assert_eq!(ring.newest().id, [0, 0, 0, 0, 0, 2]);
        assert_eq!(ring.all().len(), 2);
        assert!(ring.find(&first).is_some_and(|key| key.data != ring.newest().data));
        assert!(ring.find(&[0; 6]).is_none());
    }
}
