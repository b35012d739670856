//! What the phone signs: the identities of its devices, and the list of those that are linked.
//!
//! The two bytes before each signed text say what is signed: 6 0 by the account for a device, 6 1 by the device
//! for the account, 6 2 by the account for the list of key indexes.

use buffa::Message;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wacore_libsignal::protocol::{KeyPair, PublicKey};
use waproto::whatsapp::{
    ADVDeviceIdentity, ADVEncryptionType, ADVKeyIndexList, ADVSignedDeviceIdentity,
    ADVSignedDeviceIdentityHMAC, ADVSignedKeyIndexList,
};

use super::{KeyRing, LinkingCode};
use crate::data::form::record;
use crate::random::{self, Stream};
use crate::state::SignedKey;

const BY_ACCOUNT: [u8; 2] = [6, 0];
const BY_DEVICE: [u8; 2] = [6, 1];
const INDEXES: [u8; 2] = [6, 2];

/// An account's keys, which only its phone has.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keys {
    /// The identity of the account, and of the phone as device 0.
    #[serde(with = "record")]
    pub(crate) identity: KeyPair,
    pub(crate) registration: u32,
    pub(crate) signed_key: SignedKey,
    /// Both halves of the signed prekey: with them the phone reads the first message of somebody.
    #[serde(with = "record")]
    pub(crate) signed_pair: KeyPair,
    /// Names this identity among all that the account ever had.
    pub(crate) raw_id: u32,
    /// With these the account's devices encrypt their shared settings.
    pub(crate) settings: KeyRing,
}

impl Keys {
    /// Fresh keys.
    pub(crate) fn generate(random: &mut Stream) -> Self {
        let identity = KeyPair::generate(random);
        let signed = KeyPair::generate(random);
        let signature = sign(&identity, &[&signed.public_key.serialize()]);
        Self {
            identity,
            registration: 1 + random.below(16_379),
            signed_key: SignedKey { id: 1, public: public(&signed), signature },
            signed_pair: signed,
            raw_id: random.number(),
            settings: KeyRing::new(random.bytes()),
        }
    }

    /// Makes a new key for the shared settings, which is used from now on.
    pub(crate) fn rotate_settings(&mut self, now_ms: i64) {
        let newest = self.settings.newest();
        let secret = self.identity.private_key.serialize();
        let data = random::derived(&[b"key of settings", secret, &newest.data]).bytes();
        self.settings.rotate(data, now_ms);
    }

    /// The account's public identity key.
    pub(crate) fn public(&self) -> [u8; 32] {
        public(&self.identity)
    }

    /// Vouches for the device that shows this code: an `ADVSignedDeviceIdentityHMAC`.
    pub(crate) fn vouch(&self, code: &LinkingCode, key_index: u32, now: i64) -> Vec<u8> {
        let details = ADVDeviceIdentity {
            raw_id: Some(self.raw_id),
            timestamp: Some(now.unsigned_abs()),
            key_index: Some(key_index),
            account_type: Some(ADVEncryptionType::E2EE),
            device_type: Some(ADVEncryptionType::E2EE),
        }
        .encode_to_vec();
        let signature = sign(&self.identity, &[&BY_ACCOUNT, &details, &code.identity]);
        let signed = ADVSignedDeviceIdentity {
            details: Some(details),
            account_signature_key: Some(self.public().to_vec()),
            account_signature: Some(signature.to_vec()),
            ..Default::default()
        }
        .encode_to_vec();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&code.secret).expect("HMAC takes keys of any length");
        mac.update(&signed);
        ADVSignedDeviceIdentityHMAC {
            details: Some(signed),
            hmac: Some(mac.finalize().into_bytes().to_vec()),
            account_type: Some(ADVEncryptionType::E2EE),
        }
        .encode_to_vec()
    }

    /// The signed list of linked devices: an `ADVSignedKeyIndexList`. Clients skip an account whose list lacks it.
    pub(crate) fn key_index_list(&self, current: u32, linked: &[u32], now: i64) -> Vec<u8> {
        let details = ADVKeyIndexList {
            raw_id: Some(self.raw_id),
            timestamp: Some(now.unsigned_abs()),
            current_index: Some(current),
            valid_indexes: std::iter::once(0).chain(linked.iter().copied()).collect(),
            account_type: Some(ADVEncryptionType::E2EE),
        }
        .encode_to_vec();
        let signature = sign(&self.identity, &[&INDEXES, &details]);
        ADVSignedKeyIndexList {
            details: Some(details),
            account_signature: Some(signature.to_vec()),
            account_signature_key: Some(self.public().to_vec()),
        }
        .encode_to_vec()
    }
}

/// Whether a device's `ADVSignedDeviceIdentity` is the account's, and signed by the device with this identity key.
pub(crate) fn accepts(account: [u8; 32], device: [u8; 32], signed: &[u8]) -> bool {
    let Ok(signed) = ADVSignedDeviceIdentity::decode_from_slice(signed) else { return false };
    let part = |field: &Option<Vec<u8>>| field.clone().unwrap_or_default();
    let details = part(&signed.details);
    verifies(account, &[&BY_ACCOUNT, &details, &device], &part(&signed.account_signature))
        && verifies(
            device,
            &[&BY_DEVICE, &details, &device, &account],
            &part(&signed.device_signature),
        )
}

/// Whether the signature of a prekey is by this identity.
pub(crate) fn signed_by(identity: [u8; 32], key: &SignedKey) -> bool {
    verifies(identity, &[&[5], &key.public], &key.signature)
}

fn verifies(key: [u8; 32], parts: &[&[u8]], signature: &[u8]) -> bool {
    PublicKey::from_djb_public_key_bytes(&key)
        .is_ok_and(|key| key.verify_signature_for_multipart_message(parts, signature))
}

/// Signs. The number that has to differ with each text follows from the key and the text, as in plain Ed25519.
fn sign(key: &KeyPair, parts: &[&[u8]]) -> [u8; 64] {
    let secret = key.private_key.serialize();
    let mut once = random::derived(&[b"signature", secret, &parts.concat()]);
    let signature = key
        .private_key
        .calculate_signature_for_multipart_message(parts, &mut once)
        .expect("a Curve25519 key signs any text");
    signature[..].try_into().expect("a signature has 64 bytes")
}

fn public(key: &KeyPair) -> [u8; 32] {
    key.public_key.public_key_bytes().try_into().expect("a public key has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(identity: [u8; 32]) -> LinkingCode {
        LinkingCode { reference: "r".into(), noise: [1; 32], identity, secret: [3; 32] }
    }

    fn countersigned(account: &Keys, device: &KeyPair) -> Vec<u8> {
        let container = account.vouch(&code(public(device)), 1, 7);
        let container =
            ADVSignedDeviceIdentityHMAC::decode_from_slice(&container).expect("our own container");
        let mut signed =
            ADVSignedDeviceIdentity::decode_from_slice(&container.details.expect("details"))
                .expect("our own identity");
        let details = signed.details.clone().expect("details");
        let signature = sign(device, &[&BY_DEVICE, &details, &public(device), &account.public()]);
        signed.device_signature = Some(signature.to_vec());
        signed.encode_to_vec()
    }

    #[test]
    fn a_countersigned_identity_is_accepted_for_its_device_and_account_only() {
        let (account, device) =
            (Keys::generate(&mut Stream::default()), KeyPair::generate(&mut Stream::default()));
        let signed = countersigned(&account, &device);
        assert!(accepts(account.public(), public(&device), &signed));
        assert!(!accepts(
            Keys::generate(&mut Stream::default()).public(),
            public(&device),
            &signed
        ));
        assert!(!accepts(account.public(), [9; 32], &signed));
        assert!(!accepts(account.public(), public(&device), b"garbage"));
    }

    #[test]
    fn the_list_of_devices_is_signed_by_the_account() {
        let account = Keys::generate(&mut Stream::default());
        let list = account.key_index_list(3, &[1, 3], 7);
        let list = ADVSignedKeyIndexList::decode_from_slice(&list).expect("our own list");
        let (details, signature) =
            (list.details.expect("details"), list.account_signature.expect("a signature"));
        assert!(verifies(account.public(), &[&INDEXES, &details], &signature));
        assert!(!verifies(account.public(), &[&BY_ACCOUNT, &details], &signature));
        assert!(!verifies(
            Keys::generate(&mut Stream::default()).public(),
            &[&INDEXES, &details],
            &signature
        ));
        let details = ADVKeyIndexList::decode_from_slice(&details).expect("our own details");
        assert_eq!((details.current_index, details.valid_indexes), (Some(3), vec![0, 1, 3]));
    }

    #[test]
    fn the_phone_signs_its_own_prekey() {
        let keys = Keys::generate(&mut Stream::default());
        assert!(signed_by(keys.public(), &keys.signed_key));
        assert!(!signed_by([9; 32], &keys.signed_key));
    }
}
