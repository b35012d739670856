//! Values encrypted at rest: AES-256-GCM, with the table and the whole key of the row as associated data, so that a value
//! is good in its own place only.
//!
//! A [`MasterKey`] comes from outside and encrypts one thing: the data key, which is random, lies in the file, and encrypts
//! the values. [`Vault`] is what rows are read and written through; [`reencrypt`] makes the file anew under other keys.
//! The reasons are in `docs/adr/0010-encryption-at-rest.md`.

mod cipher;
mod master;
mod rewrite;
#[cfg(test)]
mod tests;
mod vault;

pub use master::MasterKey;
pub use rewrite::{Reencryption, reencrypt};
pub(crate) use vault::{Draft, Vault};

use std::{io, path::Path, sync::Arc};

use crate::{Error, Result};

/// Random bytes; `path` is the file they are for.
fn fill_random(bytes: &mut [u8], path: &Path) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::Io {
        path: path.to_owned(),
        source: Arc::new(io::Error::other(format!("no randomness: {error}"))),
    })
}
