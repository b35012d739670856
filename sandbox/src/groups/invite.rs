//! Invite codes: what follows `https://chat.whatsapp.com/`.

use crate::random::{Source, Stream};

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 22;

/// What gives codes and ids that were never given out.
#[derive(Debug, Default)]
pub(crate) struct Codes(Stream);

impl Codes {
    /// Those of this source.
    pub(crate) fn new(source: Source) -> Self {
        Self(source.stream("codes of groups", b""))
    }

    /// A code for a link or an invitation.
    pub(crate) fn invite(&mut self) -> String {
        let end = u32::try_from(ALPHABET.len()).unwrap_or_default();
        let mut letter = || char::from(ALPHABET[self.0.below(end) as usize]);
        (0..LENGTH).map(|_| letter()).collect()
    }

    /// An id for a description that no client named.
    pub(crate) fn description_id(&mut self) -> String {
        format!("{:08X}", self.0.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_22_letters_and_digits_and_never_the_same() {
        let mut codes = Codes::default();
        let code = codes.invite();
        assert_eq!(code.len(), LENGTH);
        assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(code, codes.invite());
    }
}
