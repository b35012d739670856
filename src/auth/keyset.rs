//! The public keys of a login issuer, as its key set (RFC 7517) lists them.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

/// Longest name of a key, in bytes.
pub(super) const LONGEST_KID: usize = 256;

/// Least and greatest length of an RSA modulus, in bytes: 2048 to 8192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// A public key and how tokens signed with it are read.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) public: DecodingKey,
    /// Takes the key's own algorithm alone, whatever a token says, and leaves claims to us.
    pub(super) reading: Validation,
}

/// Usable keys by name.
#[derive(Debug)]
pub(super) struct KeySet(HashMap<String, Arc<Key>>);

/// A set in which nothing is usable.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it is no key set: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it holds no key that is usable, of {0}")]
    Unusable(usize),
}

impl KeySet {
    /// Reads a set, and leaves out what is not usable.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let listed = serde_json::from_slice::<Document>(text)?.keys;
        let count = listed.len();
        let mut keys = HashMap::new();
        for key in listed {
            // One that cannot be read must not spoil the others.
            if let Some((name, key)) = serde_json::from_value::<Jwk>(key).ok().and_then(Jwk::usable)
            {
                keys.entry(name).or_insert_with(|| Arc::new(key));
            }
        }
        if keys.is_empty() { Err(Fault::Unusable(count)) } else { Ok(Self(keys)) }
    }

    pub(super) fn get(&self, kid: &str) -> Option<Arc<Key>> {
        self.0.get(kid).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A key as it is listed. Private parts, if somebody publishes them, are not even read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    fn usable(self) -> Option<(String, Key)> {
        let for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        if !for_signatures || self.kid.is_empty() || self.kid.len() > LONGEST_KID {
            return None;
        }
        let (algorithm, name, public) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => {
                let point = coordinate(self.x.as_ref())?;
                (Algorithm::EdDSA, "EdDSA", DecodingKey::from_ed_der(&point))
            }
            ("EC", Some("P-256")) => {
                // Uncompressed, as SEC 1 writes a point.
                let mut point = vec![4];
                point.extend(coordinate(self.x.as_ref())?);
                point.extend(coordinate(self.y.as_ref())?);
                (Algorithm::ES256, "ES256", DecodingKey::from_ec_der(&point))
            }
            ("RSA", _) => {
                let (n, e) = (number(self.n.as_ref())?, number(self.e.as_ref())?);
                let public = DecodingKey::from_rsa_raw_components(&n, &e);
                (Algorithm::RS256, "RS256", RSA_MODULUS.contains(&n.len()).then_some(public)?)
            }
            _ => return None,
        };
        if self.alg.is_some_and(|alg| alg != name) {
            return None;
        }
        let mut reading = Validation::new(algorithm);
        reading.required_spec_claims.clear();
        reading.validate_exp = false;
        reading.validate_aud = false;
        Some((self.kid, Key { public, reading }))
    }
}

/// One coordinate of a point on a curve of 256 bits.
fn coordinate(text: Option<&String>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text?).ok().filter(|bytes| bytes.len() == 32)
}

/// A whole number; some issuers begin it with zeros.
fn number(text: Option<&String>) -> Option<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text?).ok()?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn ed25519(change: &Value) -> Value {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": text(&[7; 32])});
        key.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        key
    }

    fn algorithm(key: &Value) -> Option<Algorithm> {
        let set = KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).ok()?;
        Some(set.get(key["kid"].as_str().unwrap())?.reading.algorithms[0])
    }

    #[test]
    fn a_key_has_the_one_algorithm_of_its_type() {
        let point = text(&[7; 32]);
        let ec =
            json!({"kty": "EC", "crv": "P-256", "kid": "b", "x": point, "y": point, "use": "sig"});
        let rsa =
            json!({"kty": "RSA", "kid": "c", "n": text(&[7; 256]), "e": "AQAB", "alg": "RS256"});
        assert_eq!(algorithm(&ed25519(&json!({}))), Some(Algorithm::EdDSA));
        assert_eq!(algorithm(&ec), Some(Algorithm::ES256));
        assert_eq!(algorithm(&rsa), Some(Algorithm::RS256));
    }

    #[test]
    fn a_key_for_something_else_is_left_out() {
        for change in [
            json!({"use": "enc"}),
            json!({"key_ops": ["sign"]}),
            json!({"alg": "ES256"}),
            json!({"alg": "HS256"}),
            json!({"crv": "Ed448"}),
            json!({"crv": "X25519"}),
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            json!({"kid": ""}),
            json!({"kid": "k".repeat(LONGEST_KID + 1)}),
            json!({"x": text(&[7; 31])}),
            json!({"x": "***"}),
            json!({"x": 7}),
        ] {
            assert_eq!(algorithm(&ed25519(&change)), None, "{change}");
        }
        for n in [text(&[7; 128]), text(&[7; 1025]), text(&[0; 256]), String::new()] {
            let rsa = json!({"kty": "RSA", "kid": "c", "n": n, "e": "AQAB"});
            assert_eq!(algorithm(&rsa), None, "{n}");
        }
        let large =
            json!({"kty": "RSA", "kid": "c", "n": text(&[7; 256]), "e": "AQAB", "alg": "RS512"});
        assert_eq!(algorithm(&large), None);
    }

    #[test]
    fn a_broken_key_does_not_spoil_its_neighbours_and_a_set_of_none_is_a_fault() {
        let mixed =
            json!({"keys": [7, {"kty": "RSA"}, ed25519(&json!({})), {"kid": "z"}], "more": 1});
        assert_eq!(KeySet::parse(mixed.to_string().as_bytes()).unwrap().len(), 1);
        for text in
            ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[{"kid":"a"}]}"#]
        {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
