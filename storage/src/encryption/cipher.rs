//! One data key at work.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use ring::aead::{Aad, LessSafeKey, Nonce};

use super::{
    fill_random,
    master::{self, Bytes},
};
use crate::Result;

/// Bytes of a nonce.
pub(super) const NONCE: usize = 12;
/// Bytes of the tag at the end.
pub(super) const TAG: usize = 16;
/// Where the encrypted part of a value begins: behind the format, the key's number and the nonce.
pub(super) const BODY: usize = 2 + NONCE;

/// Encrypts and decrypts values with a data key. Takes no lock.
pub(super) struct Cipher {
    /// The data key's number, which each value names.
    pub(super) number: u8,
    key: LessSafeKey,
    /// A nonce is this number, random each time a file is opened, and how many were used since, modulo 2⁹⁶. That two of
    /// `n` openings with `m` values in all ever meet has a probability below `n · m / 2⁹⁶`.
    first: u128,
    used: AtomicU64,
}

impl Cipher {
    pub(super) fn new(number: u8, data_key: &Bytes, path: &Path) -> Result<Self> {
        let mut first = [0; 16];
        fill_random(&mut first, path)?;
        Ok(Self {
            number,
            key: master::cipher(data_key),
            first: u128::from_be_bytes(first),
            used: AtomicU64::new(0),
        })
    }

    /// Encrypts what a value has from [`BODY`] on, fills in the nonce before it and puts the tag behind it.
    pub(super) fn seal(&self, table: &str, key: &[u8], value: &mut Vec<u8>) {
        let used = u128::from(self.used.fetch_add(1, Ordering::Relaxed));
        let [_, _, _, _, nonce @ ..] = self.first.wrapping_add(used).to_be_bytes();
        value[2..BODY].copy_from_slice(&nonce);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let place = place(value[0], value[1], table, key);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, place, &mut value[BODY..])
            .expect("the database takes no value as long as the cipher's limit");
        value.extend_from_slice(tag.as_ref());
    }

    /// What was encrypted; `None` unless this very value was encrypted for this place.
    pub(super) fn open(&self, table: &str, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(value.get(2..BODY)?).ok()?;
        let place = place(value[0], value[1], table, key);
        let mut body = value[BODY..].to_vec();
        let length = body.len().checked_sub(TAG)?;
        self.key.open_in_place(nonce, place, &mut body).ok()?;
        body.truncate(length);
        Some(body)
    }
}

/// What a value is bound to. The length of the table's name keeps it apart from the key.
fn place(format: u8, number: u8, table: &str, key: &[u8]) -> Aad<Vec<u8>> {
    let mut place = Vec::with_capacity(3 + table.len() + key.len());
    let length = u8::try_from(table.len()).expect("names of tables are short");
    place.extend_from_slice(&[format, number, length]);
    place.extend_from_slice(table.as_bytes());
    place.extend_from_slice(key);
    Aad::from(place)
}
