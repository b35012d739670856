//! The settings as patches have made them, and the codes by which the next patch is checked.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wacore::appstate::hash::HashState;
use wacore::appstate::schemas::Collection as Name;
use wacore::appstate::{AppStateError, Mutation, process_patch};
use waproto::whatsapp::SyncdPatch;
use waproto::whatsapp::syncd_mutation::SyncdOperation;

use super::{Setting, UnreadPatch};
use crate::app_state::by_name;
use crate::phone::KeyRing;

/// Unread patches that are kept; beyond that the oldest are dropped.
const UNREAD: usize = 100;

/// All settings of one account.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    #[serde(deserialize_with = "by_name")]
    ledgers: BTreeMap<&'static str, Ledger>,
    unread: VecDeque<UnreadPatch>,
}

/// The settings of one collection.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// The code of the whole, and its version.
    pub(super) hash: HashState,
    /// The code of each value, by that of its index.
    pub(super) codes: HashMap<Vec<u8>, Vec<u8>>,
    by_index: BTreeMap<Vec<String>, Setting>,
}

impl Settings {
    /// Every setting, by collection and index.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Setting> {
        self.ledgers.values().flat_map(|ledger| ledger.by_index.values())
    }

    /// Patches that could not be read, oldest first.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &UnreadPatch> {
        self.unread.iter()
    }

    /// Applies a patch and returns what it changes. One that does not verify is noted, and the next one is expected after
    /// it all the same.
    pub(super) fn learn(
        &mut self,
        keys: &KeyRing,
        name: Name,
        patch: &SyncdPatch,
    ) -> Result<Vec<Mutation>, AppStateError> {
        let ledger = self.ledgers.entry(name.as_str()).or_default();
        let learned = ledger.learn(keys, name, patch);
        if let Err(error) = &learned {
            ledger.hash.version += 1;
            if self.unread.len() == UNREAD {
                self.unread.pop_front();
            }
            self.unread.push_back(UnreadPatch {
                collection: name.as_str().to_owned(),
                version: ledger.hash.version,
                reason: error.to_string(),
            });
        }
        learned
    }

    /// The settings of one collection.
    pub(super) fn ledger(&mut self, name: Name) -> &mut Ledger {
        self.ledgers.entry(name.as_str()).or_default()
    }
}

impl Ledger {
    /// The setting of this index.
    pub(super) fn find(&self, index: &[String]) -> Option<&Setting> {
        self.by_index.get(index)
    }

    fn learn(
        &mut self,
        keys: &KeyRing,
        name: Name,
        patch: &SyncdPatch,
    ) -> Result<Vec<Mutation>, AppStateError> {
        let expanded: Vec<_> = keys.all().iter().map(|key| (key.id, key.expand())).collect();
        let find = |id: &[u8]| {
            let found = expanded.iter().find(|(known, _)| known == id);
            found.map(|(_, keys)| Arc::clone(keys)).ok_or(AppStateError::KeyNotFound)
        };
        let mut hash = self.hash.clone();
        let known = |index: &[u8]| Ok(self.codes.get(index).cloned());
        let learned = process_patch(patch, &mut hash, find, known, true, name.as_str())?;
        self.hash = hash;
        for index in &learned.removed_index_macs {
            self.codes.remove(index);
        }
        for codes in learned.added_macs {
            self.codes.insert(codes.index_mac, codes.value_mac);
        }
        // Removed first: what is removed and set in one patch is there afterwards.
        let of = |operation| learned.mutations.iter().filter(move |one| one.operation == operation);
        for mutation in of(SyncdOperation::REMOVE) {
            self.by_index.remove(&mutation.index);
        }
        for mutation in of(SyncdOperation::SET) {
            self.by_index.insert(mutation.index.clone(), Setting::of(name, mutation));
        }
        Ok(learned.mutations)
    }
}
