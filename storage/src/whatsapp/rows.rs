//! Keys, values and errors between the library's traits and the tables.

use std::{any::type_name, collections::BTreeMap};

use serde::{Serialize, de::DeserializeOwned};
use wacore::store::error::{Result, StoreError};

use super::Backend;
use crate::{
    Error,
    store::{Durability, FEW_ROWS, Op, Txn, run_blocking},
    tables::Rows,
};

/// Ends a text inside a key: a byte no UTF-8 text contains, so that no two lists of texts make the same key.
const END_OF_TEXT: u8 = 0xff;

/// The length of the session's part of a key.
pub(super) const SESSION_LENGTH: usize = 16;

impl Backend {
    /// The key of a row whose place within the session is `rest`, or the prefix of several.
    pub(super) fn key(&self, rest: impl AsRef<[u8]>) -> Vec<u8> {
        [&self.session.bytes()[..], rest.as_ref()].concat()
    }

    /// The key of a row named by several texts.
    pub(super) fn key_of(&self, texts: &[&str]) -> Vec<u8> {
        let mut key = self.session.bytes().to_vec();
        for text in texts {
            key.extend_from_slice(text.as_bytes());
            key.push(END_OF_TEXT);
        }
        key
    }

    pub(super) fn get(&self, table: Rows, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.get(table, key).map_err(failed)
    }

    pub(super) fn get_record<T: DeserializeOwned>(
        &self,
        table: Rows,
        key: &[u8],
    ) -> Result<Option<T>> {
        self.get(table, key)?.map(|value| decode(&value).map_err(failed)).transpose()
    }

    /// Every row under `prefix`; many are read where blocking is fine.
    pub(super) async fn scan(
        &self,
        table: Rows,
        prefix: Vec<u8>,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let many = self.store.read(|txn| table.is_longer_in(txn, &prefix, FEW_ROWS));
        if !many.map_err(failed)? {
            return self.store.scan(table, &prefix).map_err(failed);
        }
        let store = self.store.clone();
        run_blocking(move || store.scan(table, &prefix)).await.map_err(failed)
    }

    pub(super) async fn apply(&self, ops: Vec<Op>, durability: Durability) -> Result<()> {
        self.store.put_all(ops, durability).await.map_err(failed)
    }

    pub(super) async fn put(
        &self,
        table: Rows,
        key: Vec<u8>,
        value: Vec<u8>,
        durability: Durability,
    ) -> Result<()> {
        self.apply(vec![put(table, key, value)], durability).await
    }

    pub(super) async fn remove(
        &self,
        table: Rows,
        key: Vec<u8>,
        durability: Durability,
    ) -> Result<()> {
        self.apply(vec![remove(table, key)], durability).await
    }

    /// Runs `work` in the writer's transaction and answers when it is on disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        F: FnMut(&Txn) -> crate::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.store.write(work).await.map_err(failed)
    }

    /// Removes the session's rows of `table` whose value `expired` says so of, and counts them. Writes nothing when
    /// there are none; a row renewed in the meantime stays.
    pub(super) async fn sweep(
        &self,
        table: Rows,
        expired: impl Fn(&[u8]) -> crate::Result<bool> + Send + 'static,
    ) -> Result<u32> {
        let mut found = Vec::new();
        for (key, value) in self.scan(table, self.key([])).await? {
            if expired(&value).map_err(failed)? {
                found.push(key);
            }
        }
        if found.is_empty() {
            return Ok(0);
        }
        self.write(move |txn| {
            let mut removed = 0;
            for key in &found {
                if let Some(value) = table.get(txn, key)?
                    && expired(&value)?
                {
                    table.put(txn, key, None)?;
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    /// Changes that build on what is stored and on each other.
    pub(super) fn stage(&self) -> Staged<'_> {
        Staged { backend: self, values: BTreeMap::new() }
    }
}

/// Changes collected for one relaxed write, readable before it. Only under the backend's turn.
pub(super) struct Staged<'b> {
    backend: &'b Backend,
    values: BTreeMap<(Rows, Vec<u8>), Option<Vec<u8>>>,
}

impl Staged<'_> {
    /// The value as it will be.
    pub(super) fn get(&self, table: Rows, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.values.get(&(table, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.backend.get(table, key),
        }
    }

    pub(super) fn set(&mut self, table: Rows, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.values.insert((table, key), value);
    }

    /// Queues the changes.
    pub(super) async fn apply(self) -> Result<()> {
        let ops =
            self.values.into_iter().map(|((table, key), value)| Op { table, key, value }).collect();
        self.backend.apply(ops, Durability::Relaxed).await
    }
}

pub(super) fn put(table: Rows, key: Vec<u8>, value: Vec<u8>) -> Op {
    Op { table, key, value: Some(value) }
}

pub(super) fn remove(table: Rows, key: Vec<u8>) -> Op {
    Op { table, key, value: None }
}

/// A record of the library as the bytes of a row: CBOR.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(record, &mut bytes)
        .map_err(|error| StoreError::Serialization(Box::new(error)))?;
    Ok(bytes)
}

/// The opposite of [`encode`].
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> crate::Result<T> {
    ciborium::from_reader(bytes)
        .map_err(|error| corrupt(format!("not a `{}`: {error}", type_name::<T>())))
}

/// `bytes` behind a number: a time in seconds, as a rule.
pub(super) fn behind(number: i64, bytes: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], bytes].concat()
}

/// The opposite of [`behind`].
pub(super) fn split(value: &[u8]) -> crate::Result<(i64, &[u8])> {
    let (number, bytes) =
        value.split_first_chunk().ok_or_else(|| corrupt("too short for its time".to_owned()))?;
    Ok((i64::from_be_bytes(*number), bytes))
}

/// The last text of a key, without what ends it.
pub(super) fn last_text(key: &[u8], prefix_length: usize) -> Result<String> {
    let text = key.get(prefix_length..).unwrap_or_default();
    let text = text.strip_suffix(&[END_OF_TEXT]).unwrap_or(text);
    String::from_utf8(text.to_vec()).map_err(|error| failed(corrupt(error.to_string())))
}

/// A row of one of the protocol tables that is not what was put there; `reason` says which kind of row.
pub(super) fn corrupt(reason: String) -> Error {
    Error::Corrupt { table: "wa_*", reason }
}

/// A storage error in the library's words.
pub(super) fn failed(error: Error) -> StoreError {
    match error {
        Error::Corrupt { .. } => StoreError::Serialization(Box::new(error)),
        Error::Closed => StoreError::Connection(Box::new(error)),
        other => StoreError::Database(Box::new(other)),
    }
}
