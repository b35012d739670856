//! The file made anew under other keys.

use std::{
    fs::{self, File},
    path::Path,
};

use redb::{
    Database, Key, Range, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableHandle, Value,
};

use super::{MasterKey, Vault, vault::is_content};
use crate::{
    Options, Result,
    leftovers::{self, reencrypted},
    room, schema,
    store::{self, file, run_blocking},
    tables::{self, ENCRYPTION, Visitor},
};

/// Memory for each of the two files, in bytes.
const CACHE: usize = 32 << 20;
/// The most rows of one transaction.
const MOST_ROWS: usize = 10_000;
/// The most bytes of values in one transaction, give or take one value.
const MOST_BYTES: usize = 8 << 20;

/// What came of a [`reencrypt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reencryption {
    /// The file was made anew.
    Done {
        /// Rows of all tables.
        rows: u64,
    },
    /// It was already as it should be, which an interrupted attempt may have left.
    AlreadyDone,
}

/// Makes the file anew with every value as it is under the master key `to`, or not encrypted, with a new data key; what
/// it is encrypted under now is `from`. The new file takes the place of the old one at once and when it is whole, so that
/// whoever is interrupted finds one of the two and begins again. [`crate::Error::InUse`] while a gateway runs on it.
pub async fn reencrypt(
    path: &Path,
    from: Option<MasterKey>,
    to: Option<MasterKey>,
) -> Result<Reencryption> {
    // What a link leads to is what is encrypted.
    let path = path.canonicalize().map_err(|error| file::in_words(path, error))?;
    run_blocking(move || rewrite(&path, from.as_ref(), to.as_ref(), MOST_ROWS, &mut || ())).await
}

/// [`reencrypt`] with so many rows in a transaction at most; `step` is called after everything that changes a file.
pub(super) fn rewrite(
    path: &Path,
    from: Option<&MasterKey>,
    to: Option<&MasterKey>,
    most_rows: usize,
    step: &mut dyn FnMut(),
) -> Result<Reencryption> {
    // Held until the end: no gateway starts meanwhile.
    let options = Options { cache_bytes: CACHE, ..Options::default() };
    let old = file::open_as_it_is(path, &options)?;
    leftovers::clear(path);
    let from = match (Vault::unlock(&old, path, from), from) {
        (Ok(vault), _) => vault,
        (Err(error), from) => match Vault::unlock(&old, path, to) {
            Ok(_) => return Ok(Reencryption::AlreadyDone),
            // There is no older key that could be the wrong one.
            Err(other) if from.is_none() => return Err(other),
            Err(_) => return Err(error),
        },
    };
    schema::bring_up_to_date(&old)?;
    let made = copy(&old, path, from, to, most_rows, step).and_then(|rows| {
        fs::rename(reencrypted(path), path).map_err(|error| file::in_words(path, error))?;
        step();
        Ok(rows)
    });
    if made.is_err() {
        // What failed is worth more than what this may say.
        let _ = fs::remove_file(reencrypted(path));
    }
    let rows = made?;
    file::sync_folder(file::folder(path)).map_err(|error| file::in_words(path, error))?;
    Ok(Reencryption::Done { rows })
}

/// Writes the new file beside the old one; says how many rows it has.
fn copy(
    old: &Database,
    path: &Path,
    from: Vault,
    to: Option<&MasterKey>,
    most_rows: usize,
    step: &mut dyn FnMut(),
) -> Result<u64> {
    let target = reencrypted(path);
    let size = fs::metadata(path).map_err(|error| file::in_words(path, error))?.len();
    room::for_copy(file::folder(path), size, path, 0)?;
    let failed = |error| file::about(&target, error);
    let new = file::make(&target, CACHE)?;
    file::give(&target, path)?;
    step();
    schema::bring_up_to_date(&new).map_err(failed)?;
    step();
    let number = from.number() % u8::MAX + 1;
    let to = Vault::create(&new, path, number, to).map_err(failed)?;
    step();
    let old = old.begin_read()?;
    let mut copier = Copier { old, new, target: &target, from, to, most_rows, step, rows: 0 };
    tables::visit(&mut copier)?;
    let rows = copier.rows;
    drop(copier);
    File::open(&target)
        .and_then(|file| file.sync_all())
        .map_err(|error| file::in_words(&target, error))?;
    Ok(rows)
}

struct Copier<'s> {
    old: ReadTransaction,
    new: Database,
    /// Where that is.
    target: &'s Path,
    from: Vault,
    to: Vault,
    most_rows: usize,
    step: &'s mut dyn FnMut(),
    rows: u64,
}

impl Copier<'_> {
    /// Copies the next rows in one transaction; false when none is left.
    fn copy_some<K: Key + 'static, V: Value + 'static>(
        &mut self,
        name: &'static str,
        definition: TableDefinition<'static, K, V>,
        rows: &mut Range<'_, K, V>,
    ) -> Result<bool> {
        // What is read is the old file, and what is written the new one.
        let target = self.target;
        let txn = store::begin(&self.new)?;
        let mut table = txn.open_table(definition)?;
        let (mut count, mut bytes) = (0, 0);
        while count < self.most_rows && bytes < MOST_BYTES {
            let Some(row) = rows.next() else { break };
            let (key, value) = row?;
            let value = value.value();
            if is_content::<V>() {
                let place = key.value();
                let place = K::as_bytes(&place);
                let stored = V::as_bytes(&value);
                let value = self.to.take_over(&self.from, name, place.as_ref(), stored.as_ref())?;
                bytes += value.len();
                table
                    .insert(key.value(), V::from_bytes(&value))
                    .map_err(|error| file::about(target, error))?;
            } else {
                table.insert(key.value(), value).map_err(|error| file::about(target, error))?;
            }
            count += 1;
            self.rows += 1;
        }
        drop(table);
        txn.commit().map_err(|error| file::about(target, error))?;
        (self.step)();
        Ok(count > 0)
    }
}

impl Visitor for Copier<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        name: &'static str,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<()> {
        // The new file has its own data key.
        if name == ENCRYPTION.name() {
            return Ok(());
        }
        let table = self.old.open_table(definition)?;
        let mut rows = table.iter()?;
        while self.copy_some(name, definition, &mut rows)? {}
        Ok(())
    }
}
