//! API keys. Of the secret only a digest is stored.

use std::collections::BTreeSet;

use redb::{ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use crate::{
    Error, KeyId, Result, SessionId, Store, codec,
    tables::{Id, KEYS, KEYS_BY_DIGEST, KEYS_BY_ORGANIZATION},
};

const TABLE: &str = "keys";
const LAST_ID: Id = [u8::MAX; 16];

/// An API key: who it stands for and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// The organization it acts for.
    pub organization: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub capabilities: BTreeSet<Capability>,
    /// The sessions it may touch; `None` for all of the organization's.
    pub sessions: Option<Vec<SessionId>>,
    /// When it was made, in epoch milliseconds.
    pub created_at: i64,
    /// From when it is no longer good, in epoch milliseconds.
    pub expires_at: Option<i64>,
    /// When it was revoked, in epoch milliseconds.
    pub revoked_at: Option<i64>,
}

/// Something an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Read sessions, groups and what hangs off them.
    Read,
    /// Send messages.
    Send,
    /// Create, change and remove sessions, groups and keys.
    Manage,
    /// Read the event log.
    Events,
}

impl Store {
    /// Stores a key under the SHA-256 of its secret.
    pub async fn add_key(&self, key: ApiKey, digest: [u8; 32]) -> Result<()> {
        self.write(move |txn| {
            let id = key.id.bytes();
            txn.open_table(KEYS)?.insert(id, codec::encode(&key).as_slice())?;
            txn.open_table(KEYS_BY_DIGEST)?.insert(digest, id)?;
            txn.open_table(KEYS_BY_ORGANIZATION)?.insert((key.organization.as_str(), id), ())?;
            Ok(())
        })
        .await
    }

    /// The key with this SHA-256 of its secret, revoked and expired ones included.
    pub fn key_by_digest(&self, digest: &[u8; 32]) -> Result<Option<ApiKey>> {
        self.read(|txn| match txn.open_table(KEYS_BY_DIGEST)?.get(digest)? {
            Some(id) => load(&txn.open_table(KEYS)?, id.value()).map(Some),
            None => Ok(None),
        })
    }

    /// Whether any key was ever added.
    pub fn has_keys(&self) -> Result<bool> {
        self.read(|txn| Ok(!txn.open_table(KEYS)?.is_empty()?))
    }

    /// Up to `limit` keys of an organization above `after`, oldest first, revoked ones included.
    pub async fn keys(
        &self,
        organization: &str,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<ApiKey>> {
        let organization = organization.to_owned();
        self.read_many(move |txn| {
            let keys = txn.open_table(KEYS)?;
            let organization = organization.as_str();
            let after = after.map_or([0; 16], KeyId::bytes);
            txn.open_table(KEYS_BY_ORGANIZATION)?
                .range((organization, after)..=(organization, LAST_ID))?
                .map(|row| Ok(row?.0.value().1))
                .filter(|id: &Result<Id>| !matches!(id, Ok(id) if *id == after))
                .take(limit)
                .map(|id| load(&keys, id?))
                .collect()
        })
        .await
    }

    /// Revokes a key; false when the organization has no such key. Revoking twice keeps the first time.
    pub async fn revoke_key(&self, organization: &str, id: KeyId, at: i64) -> Result<bool> {
        let organization = organization.to_owned();
        self.write(move |txn| {
            if txn
                .open_table(KEYS_BY_ORGANIZATION)?
                .get((organization.as_str(), id.bytes()))?
                .is_none()
            {
                return Ok(false);
            }
            let mut keys = txn.open_table(KEYS)?;
            let mut key = load(&keys, id.bytes())?;
            if key.revoked_at.is_none() {
                key.revoked_at = Some(at);
                keys.insert(id.bytes(), codec::encode(&key).as_slice())?;
            }
            Ok(true)
        })
        .await
    }
}

fn load(keys: &impl ReadableTable<Id, &'static [u8]>, id: Id) -> Result<ApiKey> {
    let value = keys.get(id)?.ok_or_else(|| Error::Corrupt {
        table: TABLE,
        reason: "a key is in an index only".to_owned(),
    })?;
    codec::decode(TABLE, value.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(organization: &str, at: i64) -> ApiKey {
        ApiKey {
            id: KeyId::generate(at),
            organization: organization.into(),
            name: "ci".into(),
            capabilities: [Capability::Read, Capability::Events].into(),
            sessions: Some(vec![SessionId::generate(at)]),
            created_at: at,
            expires_at: None,
            revoked_at: None,
        }
    }

    #[tokio::test]
    async fn a_key_is_found_by_its_digest_and_by_no_other() {
        let store = Store::in_memory().unwrap();
        assert!(!store.has_keys().unwrap());
        let added = key("acme", 1);
        store.add_key(added.clone(), [7; 32]).await.unwrap();
        assert!(store.has_keys().unwrap());
        assert_eq!(store.key_by_digest(&[7; 32]).unwrap(), Some(added));
        assert_eq!(store.key_by_digest(&[8; 32]).unwrap(), None);
    }

    #[tokio::test]
    async fn keys_are_listed_by_page_and_by_organization() {
        let store = Store::in_memory().unwrap();
        let keys = [key("acme", 1), key("acme", 2), key("acme", 3), key("other", 4)];
        for (number, key) in (0..).zip(&keys) {
            store.add_key(key.clone(), [number; 32]).await.unwrap();
        }
        assert_eq!(store.keys("acme", None, 2).await.unwrap(), keys[..2]);
        assert_eq!(store.keys("acme", Some(keys[1].id), 2).await.unwrap(), keys[2..3]);
        assert_eq!(store.keys("nobody", None, 2).await.unwrap(), []);
    }

    #[tokio::test]
    async fn only_its_organization_revokes_a_key_and_only_once() {
        let store = Store::in_memory().unwrap();
        let added = key("acme", 1);
        store.add_key(added.clone(), [7; 32]).await.unwrap();
        assert!(!store.revoke_key("other", added.id, 5).await.unwrap());
        assert!(!store.revoke_key("acme", KeyId::generate(1), 5).await.unwrap());
        assert!(store.revoke_key("acme", added.id, 6).await.unwrap());
        assert!(store.revoke_key("acme", added.id, 7).await.unwrap());
        assert_eq!(store.key_by_digest(&[7; 32]).unwrap().unwrap().revoked_at, Some(6));
    }
}
