//! The settings that an account's devices share: versioned collections of patches that only the devices can read.
//!
//! The server keeps the patches in order and folds old ones: it tells records apart by the code of their index, which
//! it cannot read either. `patch` checks what is uploaded, `collection` keeps it, `request` reads what a device wants, and
//! `stanza` builds the replies. The phone (device 0) uploads with [`upload`], as everybody does.

mod collection;
mod patch;
mod request;
mod stanza;

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use wacore::appstate::schemas::{COLLECTIONS, Collection as Name};

use crate::phone;
use crate::stanza::Push;
use crate::state::{AccountId, DeviceAddr, State};
use collection::Collection;
pub(crate) use request::answer;

/// The collections of one account, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Collections {
    #[serde(deserialize_with = "by_name")]
    by_name: BTreeMap<&'static str, Collection>,
}

/// Why a patch is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It was made for another version than the newest.
    #[error("the collection has another version")]
    Conflict,
    /// It is none.
    #[error("it is not a patch: {0}")]
    Invalid(&'static str),
}

impl Collections {
    /// The version of a collection: how many patches of it were ever taken.
    pub(crate) fn version(&self, name: Name) -> u64 {
        self.by_name.get(name.as_str()).map_or(0, |collection| collection.version)
    }

    /// Folds every patch: a device that comes after this, or lags behind, gets a snapshot. Says how many there were.
    pub(crate) fn fold(&mut self) -> usize {
        self.by_name.values_mut().map(Collection::fold_all).sum()
    }

    fn get_mut(&mut self, name: Name) -> &mut Collection {
        self.by_name.entry(name.as_str()).or_default()
    }
}

/// The collection that is called so.
pub(crate) fn named(name: &str) -> Option<Name> {
    COLLECTIONS.iter().copied().find(|known| known.as_str() == name)
}

/// Reads what is kept of each collection.
pub(crate) fn by_name<'de, T, D>(from: D) -> Result<BTreeMap<&'static str, T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let unknown = |name: &str| D::Error::custom(format!("there is no collection `{name}`"));
    let known = |(name, kept): (String, T)| {
        named(&name).map(|known| (known.as_str(), kept)).ok_or_else(|| unknown(&name))
    };
    BTreeMap::<String, T>::deserialize(from)?.into_iter().map(known).collect()
}

/// Takes a patch that was made for version `at` of a collection, and tells the account's other devices. Returns the new
/// version.
pub(crate) fn upload(
    state: &mut State,
    from: DeviceAddr,
    name: Name,
    at: u64,
    bytes: &[u8],
) -> Result<u64, Refusal> {
    let Some(account) = state.accounts.get_mut(from.account) else {
        return Err(Refusal::Invalid("there is no such account"));
    };
    let collection = account.app_state.get_mut(name);
    if at != collection.version {
        return Err(Refusal::Conflict);
    }
    let patch = patch::read(bytes, at + 1, &state.media)?;
    collection.append(&patch);
    notify(state, from, name, at + 1);
    phone::learn_settings(state, from.account, name, &patch);
    Ok(at + 1)
}

fn notify(state: &mut State, from: DeviceAddr, name: Name, version: u64) {
    let stamp = state.stamp();
    let node = stanza::notification(&stamp, name, version);
    state.push(Push { account: from.account, except: Some(from), node: node.into() });
}

/// What a device lacks that has version `at`.
fn lacks(state: &mut State, account: AccountId, name: Name, at: u64, anew: bool) -> stanza::Page {
    let State { accounts, media, .. } = state;
    let collection = accounts.get_mut(account).map(|account| account.app_state.get_mut(name));
    collection.map_or_else(stanza::Page::default, |collection| collection.page(at, anew, media))
}
