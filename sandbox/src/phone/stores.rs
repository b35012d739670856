//! Where the phone's sessions and keys are: maps in memory, as the Signal library wants them.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::{
    Direction, IdentityChange, IdentityKey, IdentityKeyPair, IdentityKeyStore, KeyPair, PreKeyId,
    PreKeyRecord, PreKeyStore, ProtocolAddress, SenderKeyName, SenderKeyRecord, SenderKeyStore,
    SessionRecord, SessionStore, SignalProtocolError, SignedPreKeyId, SignedPreKeyRecord,
    SignedPreKeyStore,
};

use super::signal::Result;
use crate::data::form::{record, records};
use crate::state::OneTimeKey;

/// One-time prekeys that were handed out and not used yet; beyond that the oldest are dropped.
const ONE_TIME_KEYS: u32 = 100;

/// The phone's identity, and the last one that it has seen of each device. It trusts every one of them, as the server
/// vouches for them.
#[derive(Serialize, Deserialize)]
pub(super) struct Identities {
    #[serde(with = "record")]
    own: KeyPair,
    registration: u32,
    #[serde(with = "records")]
    seen: HashMap<Box<str>, IdentityKey>,
}

impl Identities {
    pub(super) fn of(own: KeyPair, registration: u32) -> Self {
        Self { own, registration, seen: HashMap::new() }
    }

    /// Whether the device was last seen with this identity.
    pub(super) fn is(&self, address: &ProtocolAddress, identity: &[u8; 32]) -> bool {
        let seen = self.seen.get(address.as_str());
        seen.is_some_and(|seen| seen.public_key().public_key_bytes() == identity)
    }
}

#[async_trait]
impl IdentityKeyStore for Identities {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        let KeyPair { public_key, private_key } = self.own.clone();
        Ok(IdentityKeyPair::new(IdentityKey::new(public_key), private_key))
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration)
    }

    async fn save_identity(
        &mut self,
        address: &ProtocolAddress,
        identity: &IdentityKey,
    ) -> Result<IdentityChange> {
        let replaced = self.seen.insert(address.as_str().into(), *identity);
        Ok(IdentityChange::from_changed(replaced.is_some_and(|old| old != *identity)))
    }

    async fn is_trusted_identity(
        &self,
        _: &ProtocolAddress,
        _: &IdentityKey,
        _: Direction,
    ) -> Result<bool> {
        Ok(true)
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(self.seen.get(address.as_str()).copied())
    }
}

/// The sessions, by device.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Sessions(#[serde(with = "records")] HashMap<Box<str>, SessionRecord>);

impl Sessions {
    pub(super) fn has(&self, address: &ProtocolAddress) -> bool {
        self.0.contains_key(address.as_str())
    }

    pub(super) fn remove(&mut self, address: &ProtocolAddress) {
        self.0.remove(address.as_str());
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.get(address.as_str()).cloned())
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.has(address))
    }

    async fn store_session(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
    ) -> Result<()> {
        self.0.insert(address.as_str().into(), record);
        Ok(())
    }
}

/// One-time prekeys that the phone has handed out.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct OneTimeKeys {
    #[serde(with = "records")]
    pairs: HashMap<u32, KeyPair>,
    made: u32,
}

impl OneTimeKeys {
    /// Keeps a pair under the next number.
    pub(super) fn make(&mut self, pair: &KeyPair) -> OneTimeKey {
        self.made += 1;
        self.pairs.insert(self.made, pair.clone());
        self.pairs.remove(&self.made.saturating_sub(ONE_TIME_KEYS));
        let public = pair.public_key.public_key_bytes();
        let public = public.try_into().expect("a public key has 32 bytes");
        OneTimeKey::new(self.made, public)
    }

    pub(super) fn remove(&mut self, id: PreKeyId) {
        self.pairs.remove(&id.into());
    }
}

#[async_trait]
impl PreKeyStore for OneTimeKeys {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        let pair = self.pairs.get(&id.into()).ok_or(SignalProtocolError::InvalidPreKeyId)?;
        Ok(PreKeyRecord::new(id, pair))
    }

    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> Result<()> {
        self.pairs.insert(id.into(), record.key_pair()?);
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.remove(id);
        Ok(())
    }
}

/// The one signed prekey that a sandbox phone has.
#[derive(Serialize, Deserialize)]
pub(super) struct SignedKeys(#[serde(with = "record")] pub(super) SignedPreKeyRecord);

#[async_trait]
impl SignedPreKeyStore for SignedKeys {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        use wacore_libsignal::protocol::GenericSignedPreKey as _;
        if self.0.id()? == id {
            Ok(self.0.clone())
        } else {
            Err(SignalProtocolError::InvalidSignedPreKeyId)
        }
    }

    async fn save_signed_pre_key(
        &mut self,
        _: SignedPreKeyId,
        record: &SignedPreKeyRecord,
    ) -> Result<()> {
        self.0 = record.clone();
        Ok(())
    }
}

/// Sender keys of groups, the phone's own among them.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct SenderKeys(#[serde(with = "records")] HashMap<Box<str>, SenderKeyRecord>);

impl SenderKeys {
    pub(super) fn remove(&mut self, name: &SenderKeyName) {
        self.0.remove(name.cache_key());
    }
}

#[async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(
        &mut self,
        name: &SenderKeyName,
        record: SenderKeyRecord,
    ) -> Result<()> {
        self.0.insert(name.cache_key().into(), record);
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}
