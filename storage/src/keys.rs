//! API keys. Of the secret only a digest is stored.

mod known;

use std::{collections::BTreeSet, sync::Arc};

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use crate::{
    Error, KeyId, Result, SessionId, Store,
    encryption::Vault,
    store::Txn,
    tables::{Id, KEYS, KEYS_BY_DIGEST, KEYS_BY_ORGANIZATION, LAST_ID},
};

pub(crate) use known::KnownKeys;

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

impl ApiKey {
    /// Whether it opens anything at `now`, in epoch milliseconds.
    pub fn is_good(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
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

impl Capability {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Manage => "manage",
            Self::Events => "events",
        }
    }
}

impl Store {
    /// Stores a key under the SHA-256 of its secret.
    pub async fn add_key(&self, key: ApiKey, digest: [u8; 32]) -> Result<()> {
        self.write(move |txn| {
            let id = key.id.bytes();
            let value = txn.vault().encode(&KEYS, &id, &key);
            txn.open_table(KEYS)?.insert(id, value.as_slice())?;
            txn.open_table(KEYS_BY_DIGEST)?.insert(digest, id)?;
            txn.open_table(KEYS_BY_ORGANIZATION)?.insert((key.organization.as_str(), id), ())?;
            Ok(())
        })
        .await
    }

    /// The key with this SHA-256 of its secret, revoked and expired ones included.
    pub fn key_by_digest(&self, digest: &[u8; 32]) -> Result<Option<Arc<ApiKey>>> {
        let changes = match self.known_keys().get(digest) {
            Ok(key) => return Ok(Some(key)),
            Err(changes) => changes,
        };
        let found = self.read(|txn| match txn.open_table(KEYS_BY_DIGEST)?.get(digest)? {
            Some(id) => {
                let key = load(txn.vault(), &txn.open_table(KEYS)?, id.value())?;
                Ok(Some(Arc::new(key)))
            }
            None => Ok(None),
        })?;
        if let Some(key) = &found {
            self.known_keys().add(changes, *digest, key);
        }
        Ok(found)
    }

    /// Whether any key is good at `now`, in epoch milliseconds.
    pub fn has_keys(&self, now: i64) -> Result<bool> {
        self.read(|txn| {
            for row in txn.open_table(KEYS)?.iter()? {
                let (id, value) = row?;
                let key: ApiKey = txn.vault().decode(&KEYS, &id.value(), value.value())?;
                if key.is_good(now) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// A key of the organization, unless it was revoked.
    pub fn key(&self, organization: &str, id: KeyId) -> Result<Option<ApiKey>> {
        self.read(|txn| {
            let of_organization = txn.open_table(KEYS_BY_ORGANIZATION)?;
            if of_organization.get((organization, id.bytes()))?.is_none() {
                return Ok(None);
            }
            let key = load(txn.vault(), &txn.open_table(KEYS)?, id.bytes())?;
            Ok(key.revoked_at.is_none().then_some(key))
        })
    }

    /// Up to `limit` keys above `after`, oldest first, without those that were revoked: of an organization, or of all.
    pub async fn keys(
        &self,
        organization: Option<&str>,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<ApiKey>> {
        let organization = organization.map(str::to_owned);
        self.read_many(move |txn| {
            let keys = txn.open_table(KEYS)?;
            let after = after.map_or([0; 16], KeyId::bytes);
            let good = |key: &Result<ApiKey>| {
                key.as_ref().map_or(true, |key| key.revoked_at.is_none() && key.id.bytes() != after)
            };
            let Some(organization) = organization.as_deref() else {
                let all = keys.range(after..)?.map(|row| {
                    let (id, value) = row?;
                    txn.vault().decode(&KEYS, &id.value(), value.value())
                });
                return all.filter(good).take(limit).collect();
            };
            txn.open_table(KEYS_BY_ORGANIZATION)?
                .range((organization, after)..=(organization, LAST_ID))?
                .map(|row| load(txn.vault(), &keys, row?.0.value().1))
                .filter(good)
                .take(limit)
                .collect()
        })
        .await
    }

    /// Revokes a key at `at`; false when there is no such key that is still good, in this organization or in any.
    pub async fn revoke_key(&self, organization: Option<&str>, id: KeyId, at: i64) -> Result<bool> {
        let organization = organization.map(str::to_owned);
        let known = self.known_keys().clone();
        let revoke = move |txn: &Txn| {
            let mut keys = txn.open_table(KEYS)?;
            let decoded = |value: &[u8]| txn.vault().decode(&KEYS, &id.bytes(), value);
            let found = keys.get(id.bytes())?.map(|row| decoded(row.value()));
            let Some(mut key): Option<ApiKey> = found.transpose()? else { return Ok(false) };
            let theirs = organization.as_ref().is_none_or(|name| *name == key.organization);
            if !theirs || key.revoked_at.is_some() {
                return Ok(false);
            }
            key.revoked_at = Some(at);
            let value = txn.vault().encode(&KEYS, &id.bytes(), &key);
            keys.insert(id.bytes(), value.as_slice())?;
            Ok(true)
        };
        // By the writer, so that a caller who goes away meanwhile leaves no key behind that still opens.
        self.write_then(revoke, move || known.forget()).await
    }
}

fn load(vault: &Vault, keys: &impl ReadableTable<Id, &'static [u8]>, id: Id) -> Result<ApiKey> {
    let value = keys.get(id)?.ok_or_else(|| Error::Corrupt {
        table: "keys",
        reason: "a key is in an index only".to_owned(),
    })?;
    vault.decode(&KEYS, &id, value.value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::busy;

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
        assert!(!store.has_keys(1).unwrap());
        let added = key("acme", 1);
        store.add_key(added.clone(), [7; 32]).await.unwrap();
        assert!(store.has_keys(1).unwrap());
        for _ in 0..2 {
            assert_eq!(store.key_by_digest(&[7; 32]).unwrap().as_deref(), Some(&added));
            assert_eq!(store.key_by_digest(&[8; 32]).unwrap(), None);
        }
    }

    #[tokio::test]
    async fn keys_are_listed_by_page_and_by_organization() {
        let store = Store::in_memory().unwrap();
        let keys = [key("acme", 1), key("acme", 2), key("acme", 3), key("other", 4)];
        for (number, key) in (0..).zip(&keys) {
            store.add_key(key.clone(), [number; 32]).await.unwrap();
        }
        assert_eq!(store.keys(Some("acme"), None, 2).await.unwrap(), keys[..2]);
        assert_eq!(store.keys(Some("acme"), Some(keys[1].id), 2).await.unwrap(), keys[2..3]);
        assert_eq!(store.keys(Some("nobody"), None, 2).await.unwrap(), []);
        assert_eq!(store.keys(None, Some(keys[0].id), 9).await.unwrap(), keys[1..]);

        store.revoke_key(Some("acme"), keys[0].id, 9).await.unwrap();
        assert_eq!(store.keys(Some("acme"), None, 2).await.unwrap(), keys[1..3]);
        assert_eq!(store.keys(None, None, 9).await.unwrap(), keys[1..]);
        assert_eq!(store.key("acme", keys[0].id).unwrap(), None);
        assert_eq!(store.key("acme", keys[1].id).unwrap().as_ref(), Some(&keys[1]));
        assert_eq!(store.key("other", keys[1].id).unwrap(), None);
    }

    #[tokio::test]
    async fn only_its_organization_revokes_a_key_and_only_once() {
        let store = Store::in_memory().unwrap();
        let added = key("acme", 1);
        store.add_key(added.clone(), [7; 32]).await.unwrap();
        assert_eq!(store.key_by_digest(&[7; 32]).unwrap().unwrap().revoked_at, None);
        assert!(!store.revoke_key(Some("other"), added.id, 5).await.unwrap());
        assert!(!store.revoke_key(Some("acme"), KeyId::generate(1), 5).await.unwrap());
        assert!(store.revoke_key(Some("acme"), added.id, 6).await.unwrap());
        assert!(!store.revoke_key(None, added.id, 7).await.unwrap());
        assert_eq!(store.key_by_digest(&[7; 32]).unwrap().unwrap().revoked_at, Some(6));
        assert!(!store.has_keys(7).unwrap());
        let expiring = ApiKey { expires_at: Some(9), ..key("acme", 2) };
        store.add_key(expiring, [8; 32]).await.unwrap();
        assert!(store.has_keys(8).unwrap() && !store.has_keys(9).unwrap());
    }

    #[tokio::test]
    async fn a_key_read_before_it_was_revoked_is_not_kept_after_it() {
        let store = Store::in_memory().unwrap();
        let added = key("acme", 1);
        store.add_key(added.clone(), [7; 32]).await.unwrap();
        let read_at = store.known_keys().get(&[7; 32]).unwrap_err();
        store.revoke_key(None, added.id, 6).await.unwrap();
        store.known_keys().add(read_at, [7; 32], &Arc::new(added));
        assert_eq!(store.key_by_digest(&[7; 32]).unwrap().unwrap().revoked_at, Some(6));
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_while_a_key_is_revoked_leaves_none_that_still_opens() {
        let store = Store::in_memory().unwrap();
        let added = key("acme", 1);
        store.add_key(added.clone(), [7; 32]).await.unwrap();
        assert_eq!(store.key_by_digest(&[7; 32]).unwrap().unwrap().revoked_at, None);
        let release = busy(&store).await;
        {
            let mut leaving = std::pin::pin!(store.revoke_key(None, added.id, 6));
            // Queued, and dropped before it is answered.
            assert!(polled_once(leaving.as_mut()).is_pending());
        }
        drop(release);
        // Behind it in the queue.
        store.add_key(key("acme", 2), [8; 32]).await.unwrap();
        assert_eq!(store.key_by_digest(&[7; 32]).unwrap().unwrap().revoked_at, Some(6));
    }

    /// What a future gives when it is asked once.
    fn polled_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
