//! The phone's sessions with other devices: what it seals for them, and opens of theirs.
//!
//! Everything is in memory, so none of the futures here ever waits.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::{
    CiphertextMessage, DeviceId, GenericSignedPreKey as _, IdentityKey, KeyPair, PreKeyBundle,
    PreKeySignalMessage, PrivateKey, ProtocolAddress, PublicKey, SenderKeyDistributionMessage,
    SenderKeyName, SignalMessage, SignalProtocolError, SignedPreKeyRecord, Timestamp, UsePQRatchet,
    create_sender_key_distribution_message, group_decrypt, group_encrypt, message_decrypt,
    message_encrypt, process_prekey_bundle, process_sender_key_distribution_message,
};

use super::Keys;
use super::stores::{Identities, OneTimeKeys, SenderKeys, Sessions, SignedKeys};
use crate::random::{self, Stream};
use crate::state::{AccountId, Bundle, DeviceAddr, OneTimeKey};

/// What the Signal library says.
pub(super) type Result<T> = std::result::Result<T, SignalProtocolError>;

/// A ciphertext, and what the `type` of its `enc` says: `pkmsg`, `msg` or `skmsg`.
pub(super) struct Sealed {
    pub(super) kind: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// A device, and the identity by which it is the one that is meant: numbers of devices are given out again.
pub(super) type Reader = (DeviceAddr, [u8; 32]);

/// Keys and sessions of one phone.
#[derive(Serialize, Deserialize)]
pub(crate) struct Signal {
    own: DeviceAddr,
    identities: Identities,
    sessions: Sessions,
    one_time: OneTimeKeys,
    signed: SignedKeys,
    sender_keys: SenderKeys,
    /// Who has the phone's own sender key, by group.
    keyed: HashMap<String, HashSet<Reader>>,
    #[serde(skip)]
    rng: Stream,
    /// Ids and secrets of the phone's own messages.
    #[serde(skip)]
    words: Stream,
}

impl Signal {
    /// A phone that has spoken to nobody yet.
    pub(super) fn new(own: DeviceAddr, keys: &Keys, mut random: Stream) -> Self {
        let signed = SignedPreKeyRecord::new(
            keys.signed_key.id.into(),
            Timestamp::from_epoch_millis(0),
            &keys.signed_pair,
            &keys.signed_key.signature,
        );
        let identities = Identities::of(keys.identity.clone(), keys.registration);
        let words = random::derived(&[&random.bytes::<32>()]);
        Self::with(own, (identities, signed), (random, words))
    }

    /// A phone without keys of its own: a place for one that is read later.
    pub(super) fn blank() -> Self {
        let private = PrivateKey::deserialize(&[1; 32]).and_then(KeyPair::try_from);
        let nobodys = private.expect("32 bytes are a private key");
        let signature = [0; 64];
        let at = Timestamp::from_epoch_millis(0);
        let signed = SignedPreKeyRecord::new(0.into(), at, &nobodys, &signature);
        let keys = (Identities::of(nobodys, 0), signed);
        Self::with(DeviceAddr::phone(AccountId(0)), keys, (Stream::default(), Stream::default()))
    }

    fn with(
        own: DeviceAddr,
        (identities, signed): (Identities, SignedPreKeyRecord),
        (rng, words): (Stream, Stream),
    ) -> Self {
        Self {
            own,
            identities,
            sessions: Sessions::default(),
            one_time: OneTimeKeys::default(),
            signed: SignedKeys(signed),
            sender_keys: SenderKeys::default(),
            keyed: HashMap::new(),
            rng,
            words,
        }
    }

    /// An id as phones make them.
    pub(super) fn fresh_id(&mut self) -> String {
        let random: [u8; 9] = self.words.bytes();
        random.iter().fold("3A".to_owned(), |id, byte| format!("{id}{byte:02X}"))
    }

    /// The secret of a message, which votes and encrypted edits of it are sealed with.
    pub(super) fn fresh_secret(&mut self) -> Vec<u8> {
        self.words.bytes::<32>().to_vec()
    }

    /// Whether there is a session with this device, and the device is still the one with this identity.
    pub(super) fn knows(&self, peer: DeviceAddr, identity: &[u8; 32]) -> bool {
        let address = address(peer);
        self.sessions.has(&address) && self.identities.is(&address, identity)
    }

    /// Forgets the session with a device.
    pub(super) fn forget(&mut self, peer: DeviceAddr) {
        self.sessions.remove(&address(peer));
    }

    /// Forgets every session, and every sender key of others.
    pub(super) fn forget_all(&mut self) {
        self.sessions = Sessions::default();
        self.sender_keys = SenderKeys::default();
        self.keyed.clear();
    }

    /// Begins a session with a device, in the place of one that there was.
    pub(super) async fn begin(&mut self, peer: DeviceAddr, bundle: &Bundle) -> Result<()> {
        let key = |bytes: &[u8; 32]| PublicKey::from_djb_public_key_bytes(bytes);
        let one_time = match &bundle.one_time_key {
            Some(one_time) => Some((one_time.id().into(), key(&one_time.public)?)),
            None => None,
        };
        let address = address(peer);
        let bundle = PreKeyBundle::new(
            bundle.registration,
            address.device_id(),
            one_time,
            bundle.signed_key.id.into(),
            key(&bundle.signed_key.public)?,
            bundle.signed_key.signature.to_vec(),
            IdentityKey::new(key(&bundle.identity)?),
        )?;
        process_prekey_bundle(
            &address,
            &mut self.sessions,
            &mut self.identities,
            &bundle,
            &mut self.rng,
            UsePQRatchet::No,
        )
        .await?;
        Ok(())
    }

    /// Seals a padded text for a device that there is a session with.
    pub(super) async fn seal(&mut self, peer: DeviceAddr, text: &[u8]) -> Result<Sealed> {
        let address = address(peer);
        let sealed =
            message_encrypt(text, &address, &mut self.sessions, &mut self.identities).await?;
        let kind = match &sealed {
            CiphertextMessage::PreKeySignalMessage(_) => "pkmsg",
            _ => "msg",
        };
        Ok(Sealed { kind, bytes: sealed.serialize().to_vec() })
    }

    /// Opens what a device has sealed: a `pkmsg` begins a session, a `msg` continues one.
    pub(super) async fn open(
        &mut self,
        peer: DeviceAddr,
        begins: bool,
        bytes: &[u8],
    ) -> Result<Vec<u8>> {
        let message = if begins {
            CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(bytes)?)
        } else {
            CiphertextMessage::SignalMessage(SignalMessage::try_from(bytes)?)
        };
        let opened = message_decrypt(
            &message,
            &address(peer),
            &mut self.sessions,
            &mut self.identities,
            &mut self.one_time,
            &self.signed,
            &mut self.rng,
            UsePQRatchet::No,
        )
        .await?;
        if let Some(id) = opened.consumed_prekey_id {
            self.one_time.remove(id);
        }
        Ok(opened.plaintext)
    }

    /// A fresh one-time prekey, for somebody whose message could not be opened.
    pub(super) fn one_time_key(&mut self) -> OneTimeKey {
        self.one_time.make(&KeyPair::generate(&mut self.rng))
    }

    /// The message that gives others the phone's sender key of a group, which is made if there is none.
    pub(super) async fn distribution(&mut self, group: &str) -> Result<Vec<u8>> {
        let name = SenderKeyName::from_parts(group, address(self.own).as_str());
        let message =
            create_sender_key_distribution_message(&name, &mut self.sender_keys, &mut self.rng)
                .await?;
        Ok(message.serialized().to_vec())
    }

    /// Of those who are to read a group, the ones who lack the phone's sender key. Somebody who has it and is to read no
    /// more makes it worthless: everybody then lacks the next one.
    pub(super) fn lack_key(&mut self, group: &str, readers: &[Reader]) -> Vec<Reader> {
        let keyed = self.keyed.entry(group.to_owned()).or_default();
        let wanted: HashSet<&Reader> = readers.iter().collect();
        if keyed.iter().any(|has| !wanted.contains(has)) {
            keyed.clear();
            self.sender_keys.remove(&SenderKeyName::from_parts(group, address(self.own).as_str()));
        }
        readers.iter().copied().filter(|reader| !keyed.contains(reader)).collect()
    }

    /// Remembers that these devices were sent the phone's sender key of a group.
    pub(super) fn has_keyed(&mut self, group: &str, readers: &[Reader]) {
        self.keyed.entry(group.to_owned()).or_default().extend(readers);
    }

    /// Seals a padded text for everybody who has the phone's sender key of a group.
    pub(super) async fn seal_for_group(&mut self, group: &str, text: &[u8]) -> Result<Sealed> {
        let name = SenderKeyName::from_parts(group, address(self.own).as_str());
        let sealed = group_encrypt(&mut self.sender_keys, &name, text, &mut self.rng).await?;
        Ok(Sealed { kind: "skmsg", bytes: sealed.serialized().to_vec() })
    }

    /// Takes the sender key of a device for a group.
    pub(super) async fn learn(&mut self, group: &str, peer: DeviceAddr, key: &[u8]) -> Result<()> {
        let name = SenderKeyName::from_parts(group, address(peer).as_str());
        let message = SenderKeyDistributionMessage::try_from(key)?;
        process_sender_key_distribution_message(&name, &message, &mut self.sender_keys).await
    }

    /// Opens what a device has sealed for a group.
    pub(super) async fn open_of_group(
        &mut self,
        group: &str,
        peer: DeviceAddr,
        bytes: &[u8],
    ) -> Result<Vec<u8>> {
        let name = SenderKeyName::from_parts(group, address(peer).as_str());
        group_decrypt(bytes, &mut self.sender_keys, &name).await
    }
}

/// What the Signal library calls a device of an account.
fn address(peer: DeviceAddr) -> ProtocolAddress {
    ProtocolAddress::new(&peer.account.0.to_string(), DeviceId::from(u32::from(peer.device)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::AccountId;

    const BOSS: DeviceAddr = DeviceAddr { account: AccountId(0), device: 0 };
    const SHOP: DeviceAddr = DeviceAddr { account: AccountId(1), device: 0 };

    fn bundle(keys: &Keys, one_time_key: Option<OneTimeKey>) -> Bundle {
        Bundle {
            registration: keys.registration,
            identity: keys.public(),
            signed_key: keys.signed_key,
            one_time_key,
        }
    }

    /// The boss, who has begun a session with the shop, and the shop.
    async fn acquainted() -> (Signal, Signal) {
        let (boss, shop) =
            (Keys::generate(&mut Stream::default()), Keys::generate(&mut Stream::default()));
        let mut sender = Signal::new(BOSS, &boss, Stream::default());
        let mut reader = Signal::new(SHOP, &shop, Stream::default());
        let bundle = bundle(&shop, Some(reader.one_time_key()));
        sender.begin(SHOP, &bundle).await.expect("a session");
        assert!(sender.knows(SHOP, &shop.public()) && !sender.knows(SHOP, &boss.public()));
        (sender, reader)
    }

    #[tokio::test]
    async fn two_phones_read_each_other() {
        let (mut boss, mut shop) = acquainted().await;
        let first = boss.seal(SHOP, b"hello").await.expect("sealed");
        assert_eq!(first.kind, "pkmsg");
        assert_eq!(shop.open(BOSS, true, &first.bytes).await.expect("opened"), b"hello");
        let again = shop.open(BOSS, true, &first.bytes).await;
        assert!(matches!(again, Err(SignalProtocolError::DuplicatedMessage(..))), "{again:?}");

        let answer = shop.seal(BOSS, b"hi").await.expect("sealed");
        assert_eq!(answer.kind, "msg");
        assert_eq!(boss.open(SHOP, false, &answer.bytes).await.expect("opened"), b"hi");
    }

    #[tokio::test]
    async fn a_phone_that_has_forgotten_opens_nothing_until_a_new_session() {
        let (mut boss, mut shop) = acquainted().await;
        let first = boss.seal(SHOP, b"hello").await.expect("sealed");
        shop.open(BOSS, true, &first.bytes).await.expect("opened");
        let answer = shop.seal(BOSS, b"hi").await.expect("sealed");
        boss.forget(SHOP);
        let lost = boss.open(SHOP, false, &answer.bytes).await;
        assert!(matches!(lost, Err(SignalProtocolError::SessionNotFound(_))), "{lost:?}");
    }

    #[tokio::test]
    async fn keys_that_their_owner_has_not_signed_begin_no_session() {
        let (boss, shop) =
            (Keys::generate(&mut Stream::default()), Keys::generate(&mut Stream::default()));
        let mut sender = Signal::new(BOSS, &boss, Stream::default());
        let forged = Bundle { signed_key: boss.signed_key, ..bundle(&shop, None) };
        let refused = sender.begin(SHOP, &forged).await;
        let unsigned = matches!(refused, Err(SignalProtocolError::SignatureValidationFailed));
        assert!(unsigned && !sender.knows(SHOP, &shop.public()), "{refused:?}");
    }

    #[tokio::test]
    async fn a_group_is_read_with_the_key_that_was_handed_out() {
        let (mut boss, mut shop) = acquainted().await;
        let reader = (SHOP, [1; 32]);
        assert_eq!(boss.lack_key("g", &[reader]), [reader]);
        let key = boss.distribution("g").await.expect("a key");
        boss.has_keyed("g", &[reader]);
        assert!(boss.lack_key("g", &[reader]).is_empty());
        let sealed = boss.seal_for_group("g", b"all").await.expect("sealed");
        assert!(shop.open_of_group("g", BOSS, &sealed.bytes).await.is_err());
        shop.learn("g", BOSS, &key).await.expect("learned");
        assert_eq!(shop.open_of_group("g", BOSS, &sealed.bytes).await.expect("opened"), b"all");
    }

    #[tokio::test]
    async fn who_is_to_read_no_more_cannot_read_the_next_key() {
        let (mut boss, mut shop) = acquainted().await;
        let key = boss.distribution("g").await.expect("a key");
        let (reader, own) = ((SHOP, [1; 32]), (BOSS, [0; 32]));
        boss.has_keyed("g", &[reader, own]);
        shop.learn("g", BOSS, &key).await.expect("learned");
        assert_eq!(boss.lack_key("g", &[own]), [own]);
        boss.distribution("g").await.expect("another key");
        let sealed = boss.seal_for_group("g", b"secret").await.expect("sealed");
        assert!(shop.open_of_group("g", BOSS, &sealed.bytes).await.is_err());
    }

    #[tokio::test]
    async fn another_device_under_the_number_of_one_that_went_is_somebody_else() {
        let (mut boss, mut shop) = acquainted().await;
        let key = boss.distribution("g").await.expect("a key");
        boss.has_keyed("g", &[(SHOP, [1; 32])]);
        shop.learn("g", BOSS, &key).await.expect("learned");
        let other = (SHOP, [2; 32]);
        assert_eq!(boss.lack_key("g", &[other]), [other]);
        boss.distribution("g").await.expect("another key");
        let sealed = boss.seal_for_group("g", b"secret").await.expect("sealed");
        assert!(shop.open_of_group("g", BOSS, &sealed.bytes).await.is_err());
    }
}
