//! What gives access: the authorization of a media connection, and the signature in the path of a file. Both are
//! checked by computing them again, so the server remembers none of them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::random::Stream;

/// Seconds for which an authorization is good: six hours, as wacore's `MediaConnResponseExtended::mock` gives.
pub(super) const AUTH_TTL: i64 = 21_600;

/// Bytes of a code that are kept: nobody guesses 16.
const KEPT: usize = 16;

/// The keys of the two.
pub(super) struct Seals {
    auth: [u8; 32],
    paths: [u8; 32],
    random: Stream,
}

impl Seals {
    /// Fresh keys.
    pub(super) fn new(mut random: Stream) -> Self {
        Self { auth: random.bytes(), paths: random.bytes(), random }
    }

    /// Part of a path or of an authorization that is like no other.
    pub(super) fn nonce(&mut self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.random.bytes::<9>())
    }

    /// An authorization that is good from now on. Clients put it into URLs as it is, so it needs no escaping
    /// (whatsapp-rust `upload.rs`).
    pub(super) fn authorize(&mut self, now: i64) -> String {
        let nonce = self.nonce();
        let claim = format!("{}.{nonce}", now.saturating_add(AUTH_TTL));
        let code = code(&self.auth, &claim);
        format!("{claim}.{code}")
    }

    /// Whether this is an authorization that is still good.
    pub(super) fn admits(&self, auth: &str, now: i64) -> bool {
        let Some((claim, given)) = auth.rsplit_once('.') else { return false };
        let expires = claim.split_once('.').and_then(|(expires, _)| expires.parse::<i64>().ok());
        code(&self.auth, claim) == given && expires.is_some_and(|expires| now < expires)
    }

    /// No authorization that was given so far is good any more.
    pub(super) fn revoke(&mut self) {
        self.auth = self.random.bytes();
    }

    /// The signature of a path.
    pub(super) fn sign(&self, path: &str) -> String {
        code(&self.paths, path)
    }
}

fn code(key: &[u8; 32], text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..KEPT])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorization_is_good_for_its_time_and_until_it_is_revoked() {
        let mut seals = Seals::new(Stream::default());
        let auth = seals.authorize(1000);
        assert!(auth.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        assert!(seals.admits(&auth, 1000) && seals.admits(&auth, 999 + AUTH_TTL));
        assert!(!seals.admits(&auth, 1000 + AUTH_TTL));
        assert_ne!(auth, seals.authorize(1000));
        seals.revoke();
        assert!(!seals.admits(&auth, 1000));
    }

    #[test]
    fn a_forged_authorization_is_not_good() {
        let mut seals = Seals::new(Stream::default());
        let auth = seals.authorize(1000);
        let later = auth.replacen("22600", "99999", 1);
        assert_ne!(later, auth);
        for forged in
            ["", ".", "22600.", "22600..", later.as_str(), &auth[1..], &format!("{auth}A")]
        {
            assert!(!seals.admits(forged, 1000), "{forged}");
        }
    }
}
