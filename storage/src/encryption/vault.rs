//! What rows are read and written through: encrypted or not, as the file is.

use std::{borrow::Cow, path::Path};

use redb::{
    Database, Key, ReadableDatabase, ReadableTable, TableDefinition, TableError, TableHandle, Value,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    MasterKey,
    cipher::{BODY, Cipher, TAG},
    fill_random,
    master::{Bytes, Wrapped},
};
use crate::{Error, Result, codec, store, tables::ENCRYPTION};

/// A table whose values are encrypted.
type Table<K> = TableDefinition<'static, K, &'static [u8]>;

/// A value that has yet to learn its place.
pub(crate) struct Draft(Vec<u8>);

/// Makes values of what is stored, and the opposite.
pub(crate) struct Vault {
    cipher: Option<Cipher>,
    /// The data key as it lies in the file, with its number.
    wrapped: Option<(u8, Wrapped)>,
}

impl Vault {
    /// One that does not encrypt.
    pub(crate) fn plain() -> Self {
        Self { cipher: None, wrapped: None }
    }

    /// The vault of a file as it is, of whatever schema.
    pub(crate) fn unlock(
        database: &Database,
        path: &Path,
        master: Option<&MasterKey>,
    ) -> Result<Self> {
        let path_of = || path.to_owned();
        match (wrapped(database)?, master) {
            (None, None) => Ok(Self::plain()),
            (None, Some(_)) => Err(Error::NotEncrypted { path: path_of() }),
            (Some(_), None) => Err(Error::Locked { path: path_of() }),
            (Some((number, wrapped)), Some(master)) => {
                let data_key = master.unwrap(number, &wrapped);
                let data_key = data_key.ok_or_else(|| Error::WrongMasterKey { path: path_of() })?;
                let cipher = Some(Cipher::new(number, &data_key, path)?);
                Ok(Self { cipher, wrapped: Some((number, wrapped)) })
            }
        }
    }

    /// The vault of a new file, with a data key of its own where there is a master key.
    pub(crate) fn create(
        database: &Database,
        path: &Path,
        number: u8,
        master: Option<&MasterKey>,
    ) -> Result<Self> {
        let Some(master) = master else { return Ok(Self::plain()) };
        let mut data_key = Bytes::default();
        fill_random(data_key.as_mut_slice(), path)?;
        let wrapped = master.wrap(number, &data_key, path)?;
        let txn = store::begin(database)?;
        txn.open_table(ENCRYPTION)?.insert(number, wrapped)?;
        txn.commit()?;
        let cipher = Some(Cipher::new(number, &data_key, path)?);
        Ok(Self { cipher, wrapped: Some((number, wrapped)) })
    }

    /// Whether it is the vault of this file: of the same data key, or of none.
    pub(crate) fn is_of(&self, database: &Database) -> Result<bool> {
        Ok(wrapped(database)? == self.wrapped)
    }

    /// Whether it encrypts.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// The number of its data key, 0 for none.
    pub(super) fn number(&self) -> u8 {
        self.cipher.as_ref().map_or(codec::NOT_ENCRYPTED, |cipher| cipher.number)
    }

    /// A record of ours as a value of this row.
    pub(crate) fn encode<K: Key + 'static, T: Serialize>(
        &self,
        table: &'static Table<K>,
        key: &K::SelfType<'_>,
        record: &T,
    ) -> Vec<u8> {
        self.seal(table, key, self.draft(record))
    }

    /// A record of ours as a value whose row is not known yet.
    pub(crate) fn draft<T: Serialize>(&self, record: &T) -> Draft {
        let mut value = self.begun(codec::CBOR, 0);
        codec::encode(record, &mut value);
        Draft(value)
    }

    /// A draft as a value of this row.
    pub(crate) fn seal<K: Key + 'static>(
        &self,
        table: &'static Table<K>,
        key: &K::SelfType<'_>,
        Draft(mut value): Draft,
    ) -> Vec<u8> {
        if let Some(cipher) = &self.cipher {
            cipher.seal(table.name(), K::as_bytes(key).as_ref(), &mut value);
        }
        value
    }

    /// The record of ours in a value of this row.
    pub(crate) fn decode<K: Key + 'static, T: DeserializeOwned>(
        &self,
        table: &'static Table<K>,
        key: &K::SelfType<'_>,
        value: &[u8],
    ) -> Result<T> {
        let name = table.name();
        let body = self.body(name, K::as_bytes(key).as_ref(), value, codec::CBOR)?;
        codec::decode(name, &body)
    }

    /// Bytes of the protocol library as a value of this row.
    pub(crate) fn wrap(&self, table: &'static str, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        self.sealed(table, key, codec::OPAQUE, bytes)
    }

    /// The protocol library's bytes in a value of this row.
    pub(crate) fn unwrap(&self, table: &'static str, key: &[u8], value: &[u8]) -> Result<Vec<u8>> {
        self.body(table, key, value, codec::OPAQUE).map(Cow::into_owned)
    }

    /// A value of another vault as one of this, for the same row.
    pub(super) fn take_over(
        &self,
        from: &Self,
        table: &'static str,
        key: &[u8],
        value: &[u8],
    ) -> Result<Vec<u8>> {
        let ([format, _], _) = codec::split(table, value)?;
        let body = from.body(table, key, value, format)?;
        Ok(self.sealed(table, key, format, &body))
    }

    fn sealed(&self, table: &str, key: &[u8], format: u8, body: &[u8]) -> Vec<u8> {
        let mut value = self.begun(format, body.len());
        value.extend_from_slice(body);
        if let Some(cipher) = &self.cipher {
            cipher.seal(table, key, &mut value);
        }
        value
    }

    /// What comes before the body of a value, with room for so many bytes and a tag.
    fn begun(&self, format: u8, length: usize) -> Vec<u8> {
        let head = if self.is_encrypted() { BODY } else { 2 };
        let mut value = Vec::with_capacity(BODY + length + TAG);
        value.extend_from_slice(&[format, self.number()]);
        value.resize(head, 0);
        value
    }

    fn body<'v>(
        &self,
        table: &'static str,
        key: &[u8],
        value: &'v [u8],
        expected: u8,
    ) -> Result<Cow<'v, [u8]>> {
        let ([format, number], rest) = codec::split(table, value)?;
        let reason = match &self.cipher {
            _ if format != expected => format!("unknown format {format}"),
            None if number == codec::NOT_ENCRYPTED => return Ok(Cow::Borrowed(rest)),
            Some(cipher) if number == cipher.number => match cipher.open(table, key, value) {
                Some(body) => return Ok(Cow::Owned(body)),
                None => "it was changed, or belongs to another row".to_owned(),
            },
            Some(_) if number == codec::NOT_ENCRYPTED => "not encrypted".to_owned(),
            _ => format!("encrypted with unknown key {number}"),
        };
        Err(Error::Corrupt { table, reason })
    }
}

/// Whether values of a type are encrypted: bytes are.
pub(super) fn is_content<V: Value>() -> bool {
    V::type_name() == <&[u8]>::type_name()
}

/// The number of the file's data key, and the key under its master key; absent in a file that is not encrypted.
fn wrapped(database: &Database) -> Result<Option<(u8, Wrapped)>> {
    let keys = match database.begin_read()?.open_table(ENCRYPTION) {
        // Of a schema before it.
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        keys => keys?,
    };
    let last = keys.last()?.map(|(number, wrapped)| (number.value(), wrapped.value()));
    Ok(last)
}
