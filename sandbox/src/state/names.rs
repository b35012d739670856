//! What accounts are called: by people and paths, and by others who see a push name.

/// Characters that the app's field for the own name takes (openwapp pull request 152, seen in the app: 1 to 25, a smiley
/// counts as one).
const PUSH_NAME: usize = 25;

/// What others see of a push name. A client may give any; nobody answers it, so a longer one is cut.
pub(crate) fn visible(push_name: &str) -> &str {
    push_name.char_indices().nth(PUSH_NAME).map_or(push_name, |(end, _)| &push_name[..end])
}

/// Whether an account may have this name: names are for people to type, and stand in paths, which `.` and `..` do not. A
/// few letters, digits, `-`, `_` and `.`.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (1..=64).contains(&name.len()) && name.chars().all(plain) && ![".", ".."].contains(&name)
}

/// Whether a push name may name an account, too: without a letter it could be read as a phone number or a path.
pub(super) fn is_for_a_client(push_name: &str) -> bool {
    is_name(push_name) && push_name.chars().any(|letter| letter.is_ascii_alphabetic())
}
