//! The text of a linking code, as a phone's camera reads it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::{Error, Result};

/// What clients may put before the fields so that any camera opens WhatsApp.
const PREFIX: &str = "https://wa.me/settings/linked_devices#";

/// The fields of a linking code. A fifth one, the kind of client, is of no use here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LinkingCode {
    /// Which connection shows the code.
    pub(crate) reference: String,
    /// The client's Noise static key.
    pub(crate) noise: [u8; 32],
    /// The client's identity key.
    pub(crate) identity: [u8; 32],
    /// Known to the client and who has seen the code: proves that the phone has.
    pub(crate) secret: [u8; 32],
}

impl LinkingCode {
    /// Reads a code of four or five fields, with or without the prefix.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let fields: Vec<&str> = text.strip_prefix(PREFIX).unwrap_or(text).split(',').collect();
        let ([reference, noise, identity, secret] | [reference, noise, identity, secret, _]) =
            fields[..]
        else {
            return Err(Error::InvalidQr("expected four or five fields"));
        };
        if reference.is_empty() {
            return Err(Error::InvalidQr("the reference is empty"));
        }
        Ok(Self {
            reference: reference.to_owned(),
            noise: key(noise, "the noise key is not 32 bytes of base64")?,
            identity: key(identity, "the identity key is not 32 bytes of base64")?,
            secret: key(secret, "the secret is not 32 bytes of base64")?,
        })
    }
}

fn key(text: &str, problem: &'static str) -> Result<[u8; 32]> {
    let bytes = BASE64_STANDARD.decode(text).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Error::InvalidQr(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> String {
        let [a, b, c] = [1_u8, 2, 3].map(|byte| BASE64_STANDARD.encode([byte; 32]));
        format!("2@ref,{a},{b},{c}")
    }

    #[test]
    fn four_and_five_fields_with_and_without_prefix_are_the_same_code() {
        let plain = LinkingCode::parse(&fields()).expect("four fields");
        assert_eq!((plain.reference.as_str(), plain.secret), ("2@ref", [3; 32]));
        assert_eq!(LinkingCode::parse(&format!("{},1", fields())).expect("five"), plain);
        assert_eq!(LinkingCode::parse(&format!("{PREFIX}{},1", fields())).expect("prefix"), plain);
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for text in ["", "hello", "a,b,c,d", &format!("{},1,2", fields()), &fields()[5..]] {
            assert!(matches!(LinkingCode::parse(text), Err(Error::InvalidQr(_))), "{text}");
        }
    }
}
