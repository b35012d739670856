//! The schema of the file: its number, and how an older file becomes a current one.

use redb::{Database, ReadableDatabase, ReadableTable, TableError, WriteTransaction};

use crate::{
    Error, Result, store,
    tables::{
        AUDIT, COUNTERS, ENCRYPTION, EVENTS, EVENTS_BY_ORGANIZATION, EVENTS_REMOVED, GROUPS, KEYS,
        KEYS_BY_DIGEST, KEYS_BY_ORGANIZATION, MEMBERS, SCHEMA, SESSIONS, SESSIONS_BY_ORGANIZATION,
        WA_ALL,
    },
};

type Migration = fn(&WriteTransaction) -> Result<()>;

/// The migration at index n brings a file of schema n to schema n + 1.
const MIGRATIONS: &[Migration] = &[
    migration_001_creation,
    migration_002_retention,
    migration_003_audit,
    migration_004_encryption,
];

/// The key of the number.
pub(crate) const VERSION: &str = "version";

/// Runs the migrations the file has not seen, each in its own transaction with its number.
pub(crate) fn bring_up_to_date(database: &Database) -> Result<()> {
    let found = version(database)?;
    for (migration, number) in MIGRATIONS.iter().zip(1..).filter(|(_, number)| *number > found) {
        let txn = store::begin(database)?;
        migration(&txn)?;
        txn.open_table(SCHEMA)?.insert(VERSION, number)?;
        txn.commit()?;
    }
    let supported = current();
    if found > supported {
        return Err(Error::NewerSchema { found, supported });
    }
    Ok(())
}

/// The schema that this release writes.
pub(crate) fn current() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("migrations are few")
}

/// Writes the number that is there once more: to find out whether anything can be written.
pub(crate) fn rewrite(txn: &WriteTransaction) -> Result<()> {
    let mut schema = txn.open_table(SCHEMA)?;
    let number = schema.get(VERSION)?.map_or_else(current, |number| number.value());
    schema.insert(VERSION, number)?;
    Ok(())
}

/// The schema number in the file, 0 for a new file.
pub(crate) fn version(database: &Database) -> Result<u32> {
    match database.begin_read()?.open_table(SCHEMA) {
        Ok(table) => Ok(table.get(VERSION)?.map_or(0, |version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Every table, so that no later read finds one missing.
fn migration_001_creation(txn: &WriteTransaction) -> Result<()> {
    txn.open_table(COUNTERS)?;
    txn.open_table(SESSIONS)?;
    txn.open_table(SESSIONS_BY_ORGANIZATION)?;
    txn.open_table(GROUPS)?;
    txn.open_table(MEMBERS)?;
    txn.open_table(KEYS)?;
    txn.open_table(KEYS_BY_DIGEST)?;
    txn.open_table(KEYS_BY_ORGANIZATION)?;
    txn.open_table(EVENTS)?;
    txn.open_table(EVENTS_BY_ORGANIZATION)?;
    WA_ALL.iter().try_for_each(|table| table.create(txn))?;
    Ok(())
}

/// Events are no longer kept for ever.
fn migration_002_retention(txn: &WriteTransaction) -> Result<()> {
    txn.open_table(EVENTS_REMOVED)?;
    Ok(())
}

/// What callers do is noted.
fn migration_003_audit(txn: &WriteTransaction) -> Result<()> {
    txn.open_table(AUDIT)?;
    Ok(())
}

/// Values may be encrypted.
fn migration_004_encryption(txn: &WriteTransaction) -> Result<()> {
    txn.open_table(ENCRYPTION)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use redb::{TableHandle, backends::InMemoryBackend};

    use super::*;

    fn new_file() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    #[test]
    fn a_new_file_gets_every_table_and_the_current_number() {
        let database = new_file();
        bring_up_to_date(&database).unwrap();
        assert_eq!(version(&database).unwrap() as usize, MIGRATIONS.len());
        let txn = database.begin_read().unwrap();
        let names: Vec<_> =
            txn.list_tables().unwrap().map(|table| table.name().to_owned()).collect();
        assert_eq!(names.len(), 14 + WA_ALL.len(), "{names:?}");
    }

    #[test]
    fn a_current_file_is_left_as_it_is() {
        let database = new_file();
        bring_up_to_date(&database).unwrap();
        let txn = store::begin(&database).unwrap();
        assert!(txn.delete_table(AUDIT).unwrap());
        txn.commit().unwrap();

        bring_up_to_date(&database).unwrap();
        assert_eq!(version(&database).unwrap() as usize, MIGRATIONS.len());
        // The migration that made it did not run again.
        let made = database.begin_read().unwrap().open_table(AUDIT);
        assert!(matches!(made, Err(TableError::TableDoesNotExist(_))));
    }

    #[test]
    fn a_file_of_a_newer_release_is_refused_with_both_numbers() {
        let database = new_file();
        bring_up_to_date(&database).unwrap();
        let txn = store::begin(&database).unwrap();
        txn.open_table(SCHEMA).unwrap().insert(VERSION, 99).unwrap();
        txn.commit().unwrap();

        let error = bring_up_to_date(&database).unwrap_err();
        assert!(matches!(error, Error::NewerSchema { found: 99, supported: 4 }), "{error}");
        assert!(error.to_string().contains("99") && error.to_string().contains(" 4;"), "{error}");
    }
}
