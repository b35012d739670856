//! Commands on the encryption of what is stored.

use std::path::Path;

use wharf_storage::{Error as StorageError, MasterKey, Reencryption};

use crate::{
    config::{Encryption, EncryptionCommand},
    server::{Error, Result},
    upkeep,
};

/// Carries a command out; says what came of it.
///
/// # Errors
/// A key is missing or wrong, there are no data, or a gateway runs on them.
pub async fn execute(command: EncryptionCommand, encryption: &Encryption) -> Result<String> {
    let given = encryption.master_key()?;
    let needed = given.ok_or_else(|| {
        Error::Config(
            "the master key is missing: name its file with `--master-key-file`, or set `WHARF_MASTER_KEY`"
                .to_owned(),
        )
    });
    match command {
        EncryptionCommand::Enable(wanted) => change(&wanted.folder, None, Some(needed?)).await,
        EncryptionCommand::Rotate(wanted) => {
            let new = wanted.new_master_key()?;
            change(&wanted.data.folder, Some(needed?), Some(new)).await
        }
        EncryptionCommand::Disable(wanted) => change(&wanted.folder, Some(needed?), None).await,
    }
}

async fn change(data: &Path, from: Option<MasterKey>, to: Option<MasterKey>) -> Result<String> {
    // Before anything else: a gateway that recovers from a full disk lets go of its file for a moment.
    upkeep::stopped(data).await?;
    let path = upkeep::existing(data)?;
    let now = if to.is_some() { "encrypted under the new master key" } else { "not encrypted" };
    // A key of before is as good here as one that never fitted: nothing is left to tell the two apart by.
    let unused = if from.is_some() {
        "; the master key that was given as the present one opens nothing: it is the one of before, or a wrong one"
    } else {
        ""
    };
    let two = from.is_some() && to.is_some();
    match wharf_storage::reencrypt(&path, from, to).await {
        Ok(Reencryption::Done { rows }) => Ok(format!("{rows} rows are {now} now\n")),
        Ok(Reencryption::AlreadyDone) => {
            Ok(format!("nothing to do: what is stored is {now} already{unused}\n"))
        }
        Err(StorageError::WrongMasterKey { path }) if two => Err(Error::Config(format!(
            "`{}` is encrypted under another master key than either of the two: neither the present one that was given \
             opens it nor the new one",
            path.display()
        ))),
        Err(error) => Err(error.into()),
    }
}
