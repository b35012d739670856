//! Whether what is stored fits together.

mod records;
mod report;

pub use report::Report;

use std::path::Path;

use crate::{Error, Options, Result, Store, schema, store::file};

impl Store {
    /// Walks all records of this moment. Writers do not wait for it.
    pub async fn check(&self) -> Result<Report> {
        self.read_many(|snapshot| {
            let mut report = Report::default();
            records::walk(snapshot, &mut report);
            Ok(report)
        })
        .await
    }
}

/// Checks a file that nobody has open: its pages by redb itself, which repairs what it can, then all records.
///
/// A file that cannot be opened is a finding; [`Error::InUse`] and [`Error::Io`] are not. A file of an older schema is
/// left at it, and its records are not walked.
pub async fn check_file(path: &Path, options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let (file, verified) = (path.to_owned(), Options { verify: false, ..options.clone() });
    let pages = move || pages(&file, &verified, &mut report).map(|walkable| (walkable, report));
    let (walkable, mut report) = crate::store::run_blocking(pages).await?;
    if walkable {
        let store = Store::open(path, &Options { verify: false, ..options.clone() })?;
        let found = store.check().await;
        store.close().await?;
        report.add(found?);
    }
    Ok(report)
}

/// Checks pages; says whether the records can be walked.
fn pages(path: &Path, options: &Options, report: &mut Report) -> Result<bool> {
    let found = file::open_as_it_is(path, options).and_then(|mut database| {
        file::guarded(path, move || {
            let sound = database.check_integrity()?;
            Ok((sound, schema::version(&database)?))
        })
    });
    match found {
        Ok((sound, version)) => {
            if !sound {
                report.found("the file did not fit together, which was repaired".to_owned());
            }
            let current = schema::current();
            if version > current {
                return Err(Error::NewerSchema { found: version, supported: current });
            }
            if version < current {
                report.unwalked = Some(format!(
                    "the file has schema {version}, older than this release's {current}: the next start brings it up to \
                     date, and its records are not checked before"
                ));
            }
            Ok(version == current)
        }
        Err(Error::Damaged { reason, .. }) => {
            report.found(format!("the file cannot be used: {reason}"));
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests;
