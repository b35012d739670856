//! The file made anew under other keys.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use redb::{
    Database, Key, Range, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableHandle, Value,
};

use super::{MasterKey, Vault, vault::is_content};
use crate::{
    Options, Result, schema,
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

/// Removes what an interrupted attempt left beside the file. Only while the file is held open.
pub(crate) fn remove_rest(path: &Path) -> Result<()> {
    match fs::remove_file(beside(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(file::in_words(path, error)),
        _ => Ok(()),
    }
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
    remove_rest(path)?;
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
        fs::rename(beside(path), path).map_err(|error| file::in_words(path, error))?;
        step();
        Ok(rows)
    });
    if made.is_err() {
        // What failed is worth more than what this may say.
        let _ = remove_rest(path);
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
    let target = beside(path);
    let new = file::make(&target, CACHE)?;
    file::give(&target, path)?;
    step();
    schema::bring_up_to_date(&new)?;
    step();
    let number = from.number() % u8::MAX + 1;
    let to = Vault::create(&new, path, number, to)?;
    step();
    let mut copier = Copier { old: old.begin_read()?, new, from, to, most_rows, step, rows: 0 };
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
                table.insert(key.value(), V::from_bytes(&value))?;
            } else {
                table.insert(key.value(), value)?;
            }
            count += 1;
            self.rows += 1;
        }
        drop(table);
        txn.commit()?;
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

/// Where the new file is until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".reencrypted");
    path.with_file_name(name)
}
