//! App state: the settings an account keeps in step between its devices. A version that is newer than its MACs could
//! not be verified again, so all of it is on disk before it is answered for.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::{
        error::Result,
        traits::{AppStateSyncKey, AppSyncStore},
    },
};

use super::{
    Backend,
    rows::{SESSION_LENGTH, corrupt, decode, encode, failed, put, remove},
};
use crate::{
    store::Durability::Strict,
    tables::{WA_MUTATION_MACS, WA_SYNC_KEYS, WA_SYNC_VERSIONS},
};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredSyncKey {
    /// Grows with every key stored; the highest is the latest.
    place: u64,
    key: AppStateSyncKey,
}

impl Backend {
    fn mac_key(&self, collection: &str, index_mac: &[u8]) -> Vec<u8> {
        let mut key = self.key_of(&[collection]);
        key.extend_from_slice(index_mac);
        key
    }
}

#[async_trait]
impl AppSyncStore for Backend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        Ok(self
            .get_record::<StoredSyncKey>(WA_SYNC_KEYS, &self.key(key_id))?
            .map(|stored| stored.key))
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        let all = self.key([]);
        let row = self.key(key_id);
        self.write(move |txn| {
            let mut place = 0;
            for (_, value) in WA_SYNC_KEYS.scan(txn, &all)? {
                place = place.max(decode::<StoredSyncKey>(&value)?.place + 1);
            }
            let value = encode(&StoredSyncKey { place, key: key.clone() })
                .map_err(|error| corrupt(error.to_string()))?;
            WA_SYNC_KEYS.put(txn, &row, Some(&value))
        })
        .await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        Ok(self.get_record(WA_SYNC_VERSIONS, &self.key(name))?.unwrap_or_default())
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        self.put(WA_SYNC_VERSIONS, self.key(name), encode(&state)?, Strict).await
    }

    async fn put_mutation_macs(
        &self,
        name: &str,
        version: u64,
        mutations: &[AppStateMutationMAC],
    ) -> Result<()> {
        let ops = mutations.iter().map(|mutation| {
            let value = [&version.to_be_bytes()[..], &mutation.value_mac].concat();
            put(WA_MUTATION_MACS, self.mac_key(name, &mutation.index_mac), value)
        });
        self.apply(ops.collect(), Strict).await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(value) = self.get(WA_MUTATION_MACS, &self.mac_key(name, index_mac))? else {
            return Ok(None);
        };
        let mac = value
            .get(size_of::<u64>()..)
            .ok_or_else(|| failed(corrupt("a MAC without version".to_owned())))?;
        Ok(Some(mac.to_vec()))
    }

    async fn get_mutation_macs(
        &self,
        name: &str,
        index_macs: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let mut found = HashMap::with_capacity(index_macs.len());
        for index_mac in index_macs {
            if let Some(mac) = self.get_mutation_mac(name, index_mac).await? {
                found.insert(*index_mac, mac);
            }
        }
        Ok(found)
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let ops = index_macs
            .iter()
            .map(|index_mac| remove(WA_MUTATION_MACS, self.mac_key(name, index_mac)));
        self.apply(ops.collect(), Strict).await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        let collection = self.key_of(&[name]);
        self.write(move |txn| WA_MUTATION_MACS.remove_all(txn, &collection)).await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        let mut latest = None;
        for (key, value) in self.scan(WA_SYNC_KEYS, self.key([])).await? {
            let place = decode::<StoredSyncKey>(&value).map_err(failed)?.place;
            latest = latest.max(Some((place, key[SESSION_LENGTH..].to_vec())));
        }
        Ok(latest.map(|(_, id)| id))
    }
}
