//! Who is behind a credential.

use wharf_storage::KeyId;

/// Whoever calls, as its credential names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A program with an API key.
    Key(KeyId),
}
