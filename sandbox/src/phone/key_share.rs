//! The message by which a phone gives a new device the key of the shared settings.
//!
//! A client that does not get it within ten seconds of its first login asks for it and goes on without.

use async_trait::async_trait;
use buffa::{Message as _, MessageField};
use wacore_libsignal::protocol::{
    DeviceId, Direction, IdentityChange, IdentityKey, IdentityKeyPair, IdentityKeyStore,
    PreKeyBundle, ProtocolAddress, PublicKey, SessionRecord, SessionStore, SignalProtocolError,
    UsePQRatchet, message_encrypt, process_prekey_bundle,
};
use waproto::whatsapp::Message;
use waproto::whatsapp::message::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
    AppStateSyncKeyShare, ProtocolMessage, protocol_message,
};

use super::Keys;
use crate::state::{DeviceAddr, OneTimeKey, SignedKey, State};
use crate::{clock, stock};

type Result<T> = std::result::Result<T, SignalProtocolError>;

/// The one generation of the key that a sandbox phone has: device 0, epoch 1.
const KEY_ID: [u8; 6] = [0, 0, 0, 0, 0, 1];

/// Everything that the message is made of, copied out of the state: the making takes several key agreements.
pub(crate) struct KeyShare {
    keys: Keys,
    device: u16,
    key_index: u32,
    registration: u32,
    identity: [u8; 32],
    signed_key: SignedKey,
    one_time_key: Option<OneTimeKey>,
}

impl KeyShare {
    /// Takes what is needed, and one of the device's one-time prekeys, out of the state.
    pub(crate) fn for_device(state: &mut State, addr: DeviceAddr) -> Option<Self> {
        let keys = state.accounts.get(addr.account)?.keys.clone();
        let one_time_key = stock::take(state, addr);
        let device = state.accounts.device(addr)?;
        Some(Self {
            keys,
            device: device.id,
            key_index: device.key_index,
            registration: device.registration,
            identity: device.identity,
            signed_key: device.signed_key,
            one_time_key,
        })
    }

    /// Encrypts the message to the device: the bytes of a `pkmsg`.
    pub(crate) async fn seal(&self) -> Result<Vec<u8>> {
        let address = ProtocolAddress::new("device", DeviceId::from(u32::from(self.device)));
        let key = |bytes: &[u8; 32]| PublicKey::from_djb_public_key_bytes(bytes);
        let one_time = match &self.one_time_key {
            Some(one_time) => Some((one_time.id.into(), key(&one_time.public)?)),
            None => None,
        };
        let bundle = PreKeyBundle::new(
            self.registration,
            DeviceId::from(u32::from(self.device)),
            one_time,
            self.signed_key.id.into(),
            key(&self.signed_key.public)?,
            self.signed_key.signature.to_vec(),
            IdentityKey::new(key(&self.identity)?),
        )?;
        let mut sessions = OneSession(None);
        let mut identities = OwnIdentity(self.keys.clone());
        let quantum = UsePQRatchet::No;
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        process_prekey_bundle(&address, &mut sessions, &mut identities, &bundle, &mut rng, quantum)
            .await?;
        let text = self.plaintext();
        let sealed = message_encrypt(&text, &address, &mut sessions, &mut identities).await?;
        Ok(sealed.serialize().to_vec())
    }

    /// The message, with one byte of padding.
    fn plaintext(&self) -> Vec<u8> {
        let fingerprint = AppStateSyncKeyFingerprint {
            raw_id: Some(self.keys.raw_id),
            current_index: Some(self.key_index),
            device_indexes: (0..=self.key_index).collect(),
        };
        let data = AppStateSyncKeyData {
            key_data: Some(self.keys.app_state_key.to_vec()),
            fingerprint: MessageField::some(fingerprint),
            timestamp: Some(clock::now_ms()),
        };
        let id = AppStateSyncKeyId { key_id: Some(KEY_ID.to_vec()) };
        let key =
            AppStateSyncKey { key_id: MessageField::some(id), key_data: MessageField::some(data) };
        let share = AppStateSyncKeyShare { keys: vec![key] };
        let protocol = ProtocolMessage {
            r#type: Some(protocol_message::Type::APP_STATE_SYNC_KEY_SHARE),
            app_state_sync_key_share: MessageField::some(share),
            ..Default::default()
        };
        let message =
            Message { protocol_message: MessageField::some(protocol), ..Default::default() };
        let mut text = message.encode_to_vec();
        text.push(1);
        text
    }
}

/// Room for the one session that one message needs; the phone says nothing after it.
struct OneSession(Option<SessionRecord>);

#[async_trait]
impl SessionStore for OneSession {
    async fn load_session(&self, _: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.clone())
    }

    async fn has_session(&self, _: &ProtocolAddress) -> Result<bool> {
        Ok(self.0.is_some())
    }

    async fn store_session(&mut self, _: &ProtocolAddress, record: SessionRecord) -> Result<()> {
        self.0 = Some(record);
        Ok(())
    }
}

/// The phone's identity; it trusts the device that it has just vouched for.
struct OwnIdentity(Keys);

#[async_trait]
impl IdentityKeyStore for OwnIdentity {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        let pair = &self.0.identity;
        Ok(IdentityKeyPair::new(IdentityKey::new(pair.public_key), pair.private_key.clone()))
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.0.registration)
    }

    async fn save_identity(
        &mut self,
        _: &ProtocolAddress,
        _: &IdentityKey,
    ) -> Result<IdentityChange> {
        Ok(IdentityChange::NewOrUnchanged)
    }

    async fn is_trusted_identity(
        &self,
        _: &ProtocolAddress,
        _: &IdentityKey,
        _: Direction,
    ) -> Result<bool> {
        Ok(true)
    }

    async fn get_identity(&self, _: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(None)
    }
}
