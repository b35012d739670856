//! The master key and what it encrypts: the data key.

use std::{fmt, path::Path};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{cipher, fill_random};
use crate::Result;

/// What the data key is bound to, besides its number.
const PURPOSE: &[u8; 14] = b"wharf data key";

/// A key of AES-256.
pub(super) type Bytes = Zeroizing<[u8; 32]>;

/// A data key under a master key: a nonce, the encrypted key, a tag.
pub(super) type Wrapped = [u8; 60];

/// The key that a file is encrypted under: 32 bytes that are kept elsewhere. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    bytes: Bytes,
}

impl MasterKey {
    /// A key of these bytes, which should be random.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self { bytes: Zeroizing::new(bytes) }
    }

    /// Encrypts a data key. Nonces are random: a master key encrypts one value for each time that its file is made anew.
    pub(super) fn wrap(&self, number: u8, data_key: &Bytes, path: &Path) -> Result<Wrapped> {
        let mut wrapped = [0; 60];
        let (nonce, sealed) = wrapped.split_at_mut(cipher::NONCE);
        fill_random(nonce, path)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("it is as long as a nonce");
        let (key, tag) = sealed.split_at_mut(data_key.len());
        key.copy_from_slice(data_key.as_slice());
        let made = self
            .cipher()
            .seal_in_place_separate_tag(nonce, purpose(number), key)
            .expect("a key is shorter than the cipher's limit");
        tag.copy_from_slice(made.as_ref());
        Ok(wrapped)
    }

    /// The data key, unless it was encrypted under another master key, or changed.
    pub(super) fn unwrap(&self, number: u8, wrapped: &Wrapped) -> Option<Bytes> {
        let (nonce, sealed) = wrapped.split_at(cipher::NONCE);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = Zeroizing::new([0; 48]);
        opened.copy_from_slice(sealed);
        let key = self.cipher().open_in_place(nonce, purpose(number), &mut *opened).ok()?;
        let mut bytes = Bytes::default();
        bytes.copy_from_slice(key);
        Some(bytes)
    }

    fn cipher(&self) -> LessSafeKey {
        cipher(&self.bytes)
    }
}

/// Does not show it.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").finish_non_exhaustive()
    }
}

/// The cipher with a key.
pub(super) fn cipher(key: &Bytes) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("it is as long as a key");
    LessSafeKey::new(key)
}

fn purpose(number: u8) -> Aad<[u8; 15]> {
    let mut purpose = [number; 15];
    purpose[..PURPOSE.len()].copy_from_slice(PURPOSE);
    Aad::from(purpose)
}
