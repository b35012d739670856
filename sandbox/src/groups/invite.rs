//! Invite codes: what follows `https://chat.whatsapp.com/`.

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 22;

/// A code that was never given out.
pub(crate) fn fresh_code() -> String {
    (0..LENGTH).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}

/// An id for a description that no client named.
pub(crate) fn fresh_description_id() -> String {
    format!("{:08X}", rand::random::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_22_letters_and_digits_and_never_the_same() {
        let code = fresh_code();
        assert_eq!(code.len(), LENGTH);
        assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(code, fresh_code());
    }
}
