//! API keys: making secrets and recognizing them.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wharf_storage::{ApiKey, Capability, KeyId, SessionId, Store};

use crate::clock::now_ms;

/// What every key starts with, so that people and secret scanners recognize one.
const PREFIX: &str = "wa_";

/// The longest name of a key, in Unicode scalar values.
const LONGEST_NAME: usize = 200;

/// Whether a key may have this name: 1 to 200 characters, not only white space.
pub(crate) fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= LONGEST_NAME
}

/// What a new key may do and for whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKey {
    /// The organization it belongs to; it exists once a key names it.
    pub organization: String,
    /// A name for people.
    pub name: String,
    /// What the key may be used for.
    pub capabilities: BTreeSet<Capability>,
    /// The only sessions that exist for it; absent: all of the organization.
    pub sessions: Option<Vec<SessionId>>,
    /// From when it is no longer good, epoch milliseconds; absent: never.
    pub expires_at: Option<i64>,
}

impl NewKey {
    /// A key that may do all, for ever.
    pub fn for_all(organization: &str, name: &str) -> Self {
        Self {
            organization: organization.to_owned(),
            name: name.to_owned(),
            capabilities: all_capabilities(),
            sessions: None,
            expires_at: None,
        }
    }
}

/// Makes a key and returns it with its secret, which exists nowhere else: only a digest is stored.
///
/// # Errors
/// The store refuses the write, or the operating system has no randomness.
pub async fn create(store: &Store, new: NewKey) -> crate::Result<(ApiKey, String)> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| crate::Error::Randomness(error.to_string()))?;
    let mut secret = String::from(PREFIX);
    for byte in random {
        write!(secret, "{byte:02x}").expect("a string takes every write");
    }
    let now = now_ms();
    let key = ApiKey {
        id: KeyId::generate(now),
        organization: new.organization,
        name: new.name,
        capabilities: new.capabilities,
        sessions: new.sessions,
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
    };
    store.add_key(key.clone(), digest(&secret)).await?;
    Ok((key, secret))
}

/// Revokes a key of the organization, or of any: it opens nothing from the next request on. False when there is no
/// such key that is still good.
///
/// # Errors
/// The store refuses the write.
pub async fn revoke(
    store: &Store,
    organization: Option<&str>,
    id: KeyId,
) -> wharf_storage::Result<bool> {
    store.revoke_key(organization, id, now_ms()).await
}

/// The key with this secret, if it is valid at `now` (epoch milliseconds). It is found by the digest of the secret and
/// compared with none: see `auth`.
///
/// # Errors
/// The store cannot be read.
pub fn recognize(
    store: &Store,
    secret: &str,
    now: i64,
) -> wharf_storage::Result<Option<Arc<ApiKey>>> {
    if !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    let key = store.key_by_digest(&digest(secret))?;
    Ok(key.filter(|key| key.is_good(now)))
}

/// Every capability, for a key that may do all.
pub fn all_capabilities() -> BTreeSet<Capability> {
    [Capability::Read, Capability::Send, Capability::Manage, Capability::Events].into()
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
