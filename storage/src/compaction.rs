//! Giving free pages of the file back to the file system.

use std::path::Path;

use crate::{Options, Result, leftovers, store::file};

/// The size of a file before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

/// Moves what is stored together and cuts the file off behind it. Nobody else may have it open:
/// [`InUse`](crate::Error::InUse).
pub async fn compact(path: &Path, options: &Options) -> Result<Compaction> {
    let (path, options) = (path.to_owned(), options.clone());
    crate::store::run_blocking(move || {
        let size = || match std::fs::metadata(&path) {
            Ok(found) => Ok(found.len()),
            Err(error) => Err(file::in_words(&path, error)),
        };
        let before = size()?;
        let mut database = file::open_as_it_is(&path, &options)?;
        leftovers::clear(&path);
        file::guarded(&path, move || {
            while database.compact()? {}
            Ok(database.close()?)
        })?;
        Ok(Compaction { before, after: size()? })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Error, Store,
        store::tests::{dumped, fill},
    };

    #[tokio::test]
    async fn a_file_shrinks_once_its_sessions_are_gone_and_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let options = Options::default();
        let store = Store::open(&path, &options).unwrap();
        let sessions = fill(&store, 60).await;
        let refused = compact(&path, &options).await.unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        for session in &sessions[1..] {
            store.remove_session(*session).await.unwrap();
        }
        let kept = dumped(&store);
        store.close().await.unwrap();
        let sizes = compact(&path, &options).await.unwrap();
        assert!(sizes.after < sizes.before, "{sizes:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), sizes.after);
        assert_eq!(dumped(&Store::open(&path, &options).unwrap()), kept);
    }
}
