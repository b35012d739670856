//! What gives access: the authorization of a media connection, and the signature in the path of a file. Both are
//! checked by computing them again, so the server remembers none of them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::data::form::bytes;
use crate::random::Stream;
use crate::state::AccountId;

/// Seconds for which an authorization is good: six hours, as wacore's `MediaConnResponseExtended::mock` gives.
pub(super) const AUTH_TTL: i64 = 21_600;

/// Bytes of a code that are kept: nobody guesses 16.
const KEPT: usize = 16;

/// The keys of the two.
#[derive(Serialize, Deserialize)]
pub(super) struct Seals {
    #[serde(with = "bytes")]
    auth: [u8; 32],
    #[serde(with = "bytes")]
    paths: [u8; 32],
    #[serde(skip)]
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

    /// An authorization of this account that is good from now on. Clients put it into URLs as it is, so it needs no escaping
    /// (whatsapp-rust `upload.rs`).
    pub(super) fn authorize(&mut self, account: AccountId, now: i64) -> String {
        let nonce = self.nonce();
        let claim = format!("{}.{}.{nonce}", now.saturating_add(AUTH_TTL), account.0);
        let code = code(&self.auth, &claim);
        format!("{claim}.{code}")
    }

    /// Whether this is an authorization that is still good.
    pub(super) fn admits(&self, auth: &str, now: i64) -> bool {
        self.read(auth).is_some_and(|(expires, _)| now < expires)
    }

    /// Whose authorization this is, even if it has expired.
    pub(super) fn owner(&self, auth: &str) -> Option<AccountId> {
        self.read(auth).map(|(_, account)| account)
    }

    /// When an authorization expires and whose it is, if it was given here and not revoked.
    fn read(&self, auth: &str) -> Option<(i64, AccountId)> {
        let (claim, given) = auth.rsplit_once('.')?;
        let (expires, rest) = claim.split_once('.')?;
        let account = rest.split_once('.')?.0.parse().ok()?;
        (code(&self.auth, claim) == given).then_some((expires.parse().ok()?, AccountId(account)))
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
        let auth = seals.authorize(AccountId(7), 1000);
        assert!(auth.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        assert!(seals.admits(&auth, 1000) && seals.admits(&auth, 999 + AUTH_TTL));
        assert!(!seals.admits(&auth, 1000 + AUTH_TTL));
        assert_eq!(seals.owner(&auth), Some(AccountId(7)));
        assert_ne!(auth, seals.authorize(AccountId(7), 1000));
        seals.revoke();
        assert!(!seals.admits(&auth, 1000));
    }

    #[test]
    fn a_forged_authorization_is_not_good() {
        let mut seals = Seals::new(Stream::default());
        let auth = seals.authorize(AccountId(7), 1000);
        let later = auth.replacen("22600", "99999", 1);
        assert_ne!(later, auth);
        for forged in
            ["", ".", "22600.", "22600..", later.as_str(), &auth[1..], &format!("{auth}A")]
        {
            assert!(!seals.admits(forged, 1000) && seals.owner(forged).is_none(), "{forged}");
        }
    }
}
