//! Keys and sessions of the Signal protocol. All of it is on disk before it is answered for: a message key used twice
//! or a prekey handed out twice cannot be repaired.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wacore::store::{error::Result, traits::SignalStore};

use super::{
    Backend,
    rows::{SESSION_LENGTH, corrupt, failed, put},
};
use crate::{
    store::Durability::Strict,
    tables::{
        Rows, WA_IDENTITIES, WA_PREKEYS, WA_SENDER_KEYS, WA_SESSIONS, WA_SIGNED_PREKEYS, end_of,
    },
};

const UPLOADED: u8 = 1;

impl Backend {
    async fn put_records(&self, table: Rows, records: &[(Arc<str>, Bytes)]) -> Result<()> {
        let ops = records
            .iter()
            .map(|(address, record)| put(table, self.key(address.as_bytes()), record.to_vec()));
        self.apply(ops.collect(), Strict).await
    }
}

#[async_trait]
impl SignalStore for Backend {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.put(WA_IDENTITIES, self.key(address), key.to_vec(), Strict).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let ops = identities
            .iter()
            .map(|(address, key)| put(WA_IDENTITIES, self.key(address.as_bytes()), key.to_vec()));
        self.apply(ops.collect(), Strict).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let Some(key) = self.get(WA_IDENTITIES, &self.key(address))? else { return Ok(None) };
        let length = key.len();
        key.try_into()
            .map(Some)
            .map_err(|_| failed(corrupt(format!("an identity key of {length} bytes"))))
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.remove(WA_IDENTITIES, self.key(address), Strict).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.get(WA_SESSIONS, &self.key(address))?.map(Bytes::from))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.put(WA_SESSIONS, self.key(address), session.to_vec(), Strict).await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_records(WA_SESSIONS, sessions).await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.remove(WA_SESSIONS, self.key(address), Strict).await
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        Ok(self.get(WA_SESSIONS, &self.key(address))?.is_some())
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        // An address goes on with the server or with the device after the user.
        for end in ['@', ':'] {
            let prefix = self.key(format!("{user}{end}"));
            for table in [WA_SESSIONS, WA_IDENTITIES] {
                if !self.store.scan(table, &prefix).map_err(failed)?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], uploaded: bool) -> Result<()> {
        self.put(WA_PREKEYS, self.key(id.to_be_bytes()), prekey(record, uploaded), Strict).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        let ops = keys.iter().map(|(id, record)| {
            put(WA_PREKEYS, self.key(id.to_be_bytes()), prekey(record, uploaded))
        });
        self.apply(ops.collect(), Strict).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        let Some(value) = self.get(WA_PREKEYS, &self.key(id.to_be_bytes()))? else {
            return Ok(None);
        };
        Ok(Some(prekey_record(value)?))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let mut found: BTreeMap<_, Option<Vec<u8>>> = ids.iter().map(|id| (*id, None)).collect();
        // After each login the library reads all there are: one walk through them costs less than a search for each.
        let walk = self.store.read(|txn| {
            for row in WA_PREKEYS.range_in(txn, &self.key([]))? {
                let (key, value) = row?;
                let (key, value) = (key.value(), value.value());
                let id = key.last_chunk().map(|id| u32::from_be_bytes(*id));
                if let Some(place) = id.and_then(|id| found.get_mut(&id)) {
                    *place = Some(WA_PREKEYS.value_of(txn, key, value)?);
                }
            }
            Ok(())
        });
        walk.map_err(failed)?;
        ids.iter()
            .filter_map(|id| Some((*id, found.remove(id)??)))
            .map(|(id, value)| Ok((id, prekey_record(value)?)))
            .collect()
    }

    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = ids.iter().map(|id| self.key(id.to_be_bytes())).collect();
        self.write(move |txn| {
            for key in &keys {
                // A prekey used up since the upload began stays gone.
                if let Some(mut value) = WA_PREKEYS.get(txn, key)?
                    && let Some(uploaded) = value.first_mut()
                    && *uploaded != UPLOADED
                {
                    *uploaded = UPLOADED;
                    WA_PREKEYS.put(txn, key, Some(&value))?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.remove(WA_PREKEYS, self.key(id.to_be_bytes()), Strict).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let first = self.key([]);
        let end = end_of(&first).unwrap_or_else(|| vec![u8::MAX; SESSION_LENGTH + 5]);
        let last = self.store.read(|txn| {
            let table = txn.open_table(WA_PREKEYS.definition())?;
            let row = table.range(first.as_slice()..end.as_slice())?.next_back().transpose()?;
            Ok(row.map(|(key, _)| key.value().to_vec()))
        });
        last.map_err(failed)?.map_or(Ok(0), |key| prekey_id(&key))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.put(WA_SIGNED_PREKEYS, self.key(id.to_be_bytes()), record.to_vec(), Strict).await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        self.get(WA_SIGNED_PREKEYS, &self.key(id.to_be_bytes()))
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let rows = self.scan(WA_SIGNED_PREKEYS, self.key([])).await?;
        rows.into_iter().map(|(key, record)| Ok((prekey_id(&key)?, record))).collect()
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.remove(WA_SIGNED_PREKEYS, self.key(id.to_be_bytes()), Strict).await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.put(WA_SENDER_KEYS, self.key(address), record.to_vec(), Strict).await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_records(WA_SENDER_KEYS, sender_keys).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.get(WA_SENDER_KEYS, &self.key(address))
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.remove(WA_SENDER_KEYS, self.key(address), Strict).await
    }
}

/// A prekey as a value: whether the server has it, then the record.
fn prekey(record: &[u8], uploaded: bool) -> Vec<u8> {
    [&[u8::from(uploaded)], record].concat()
}

fn prekey_record(value: Vec<u8>) -> Result<Bytes> {
    if value.is_empty() {
        return Err(failed(corrupt("an empty prekey".to_owned())));
    }
    Ok(Bytes::from(value).slice(1..))
}

fn prekey_id(key: &[u8]) -> Result<u32> {
    let id = key.get(SESSION_LENGTH..).and_then(|id| id.try_into().ok());
    id.map(u32::from_be_bytes)
        .ok_or_else(|| failed(corrupt("a prekey id that is not four bytes".to_owned())))
}
