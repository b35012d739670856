//! The phone's half of linking by a code that its owner types in.

use wacore::crypto::hkdf_sha256_into;
use wacore::pair_code::PairCodeUtils;
use wacore_libsignal::crypto::aes_256_gcm_decrypt;
use wacore_libsignal::protocol::{KeyPair, PublicKey};

use super::Keys;
use crate::random::Stream;

/// Bytes of a key that is encrypted under a code: salt, IV and the key.
pub(crate) const WRAPPED_KEY: usize = 80;

/// What the client's bundle key and the secret of the link are derived for.
const BUNDLE: &[u8] = b"link_code_pairing_key_bundle_encryption_key";
const SECRET: &[u8] = b"adv_secret";

/// A code as it was typed in. Whether it is the right one shows when the client has answered.
pub(crate) struct EnteredCode {
    ephemeral: KeyPair,
    /// The client's fresh key, if the code is right, and noise if not.
    client: [u8; 32],
}

impl EnteredCode {
    /// Reads the client's key with the code, and encrypts a fresh one under it for the client. Slow on purpose: a key
    /// derivation of 131,072 rounds each.
    pub(crate) fn enter(
        code: &str,
        wrapped: &[u8; WRAPPED_KEY],
        random: &mut Stream,
    ) -> (Self, [u8; WRAPPED_KEY]) {
        // Both sides wrap their keys alike.
        let client = PairCodeUtils::decrypt_primary_ephemeral_pub(wrapped, code)
            .expect("a wrapped key has 80 bytes");
        let ephemeral = KeyPair::generate(random);
        let public = ephemeral.public_key.public_key_bytes();
        let public = public.try_into().expect("a public key has 32 bytes");
        let wrapped = PairCodeUtils::encrypt_ephemeral_pub(public, code);
        (Self { ephemeral, client }, wrapped)
    }

    /// Opens what the client has sealed: the secret that proves to it who vouches; `None` if the code was wrong, or the
    /// bundle is not for this phone by the client with this identity.
    pub(crate) fn open(&self, keys: &Keys, identity: [u8; 32], sealed: &[u8]) -> Option<[u8; 32]> {
        let agreed = agree(&self.ephemeral, &self.client)?;
        let (salt, rest) = sealed.split_first_chunk::<32>()?;
        let (iv, ciphertext) = rest.split_first_chunk::<12>()?;
        let key = derive(&agreed, Some(salt), BUNDLE);
        let mut opened = Vec::new();
        aes_256_gcm_decrypt(&key, iv, b"", ciphertext, &mut opened).ok()?;
        let (client, rest) = opened.split_first_chunk::<32>()?;
        let (phone, random) = rest.split_first_chunk::<32>()?;
        if *client != identity || *phone != keys.public() || random.len() != 32 {
            return None;
        }
        let identities = agree(&keys.identity, &identity)?;
        Some(derive(&[agreed.as_slice(), &identities, random].concat(), None, SECRET))
    }
}

fn agree(own: &KeyPair, theirs: &[u8; 32]) -> Option<Vec<u8>> {
    let theirs = PublicKey::from_djb_public_key_bytes(theirs).ok()?;
    Some(own.private_key.calculate_agreement(&theirs).ok()?.to_vec())
}

fn derive(secret: &[u8], salt: Option<&[u8; 32]>, purpose: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    hkdf_sha256_into(secret, salt.map(<[u8; 32]>::as_slice), purpose, &mut key)
        .expect("HKDF gives 32 bytes");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Client {
        ephemeral: KeyPair,
        identity: KeyPair,
    }

    fn public(key: &KeyPair) -> [u8; 32] {
        key.public_key.public_key_bytes().try_into().expect("32 bytes")
    }

    impl Client {
        fn new() -> Self {
            let [ephemeral, identity] = [(); 2].map(|()| KeyPair::generate(&mut Stream::default()));
            Self { ephemeral, identity }
        }

        /// What a client does with the phone's answer: the sealed bundle, and the secret of the link.
        fn seals(&self, code: &str, wrapped: &[u8], keys: &Keys) -> (Vec<u8>, [u8; 32]) {
            let phone = PairCodeUtils::decrypt_primary_ephemeral_pub(wrapped, code).expect("80");
            PairCodeUtils::prepare_key_bundle(
                &self.ephemeral,
                &phone,
                &keys.public(),
                &self.identity,
            )
            .expect("a bundle")
        }
    }

    #[test]
    fn a_right_code_gives_both_sides_the_same_secret_and_a_wrong_one_opens_nothing() {
        let (client, keys) = (Client::new(), Keys::generate(&mut Stream::default()));
        let wrapped = PairCodeUtils::encrypt_ephemeral_pub(&public(&client.ephemeral), "ABCD1234");
        let identity = public(&client.identity);

        let (entered, answer) = EnteredCode::enter("ABCD1234", &wrapped, &mut Stream::default());
        let (sealed, secret) = client.seals("ABCD1234", &answer, &keys);
        assert_eq!(entered.open(&keys, identity, &sealed), Some(secret));
        assert_eq!(entered.open(&keys, [9; 32], &sealed), None);
        assert_eq!(entered.open(&Keys::generate(&mut Stream::default()), identity, &sealed), None);
        assert_eq!(entered.open(&keys, identity, &sealed[..40]), None);

        let (entered, answer) = EnteredCode::enter("ABCD1235", &wrapped, &mut Stream::default());
        let (sealed, _) = client.seals("ABCD1234", &answer, &keys);
        assert_eq!(entered.open(&keys, identity, &sealed), None);
    }
}
