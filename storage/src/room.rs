//! Whether there is room for a copy, before it is begun.

use std::path::Path;

use crate::Result;

/// Refuses a copy of so many bytes in a folder that has no room for it with [`crate::Error::NoRoom`]. On the disk of the file
/// at `data` so many bytes as the `reserve` shall stay free besides.
#[cfg(unix)]
pub(crate) fn for_copy(folder: &Path, size: u64, data: &Path, reserve: u64) -> Result<()> {
    use std::{fs, os::unix::fs::MetadataExt};

    use crate::{Error, store::file};

    let failed = |error| file::in_words(folder, error);
    let target = fs::metadata(folder).map_err(failed)?.dev();
    let shared = fs::metadata(data).is_ok_and(|data| data.dev() == target);
    let reserve = if shared { reserve } else { 0 };
    let disk = rustix::fs::statvfs(folder).map_err(|error| failed(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < size.saturating_add(reserve) {
        return Err(Error::NoRoom { path: folder.to_owned(), size, reserve, free });
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn for_copy(_folder: &Path, _size: u64, _data: &Path, _reserve: u64) -> Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use super::*;
    use crate::Error;

    #[test]
    fn a_copy_needs_its_size_and_on_the_datas_own_disk_what_shall_stay_free_too() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::write(&data, "x").unwrap();
        for_copy(folder.path(), 1, &data, 1).unwrap();
        for (size, reserve) in [(u64::MAX, 0), (1, u64::MAX), (u64::MAX, u64::MAX)] {
            let refused = for_copy(folder.path(), size, &data, reserve).unwrap_err();
            assert!(
                matches!(refused, Error::NoRoom { size: s, reserve: r, free, .. } if s == size && r == reserve && free > 1),
                "{refused}"
            );
            let words = refused.to_string();
            assert!(words.contains(folder.path().to_str().unwrap()), "{words}");
            assert!(words.contains(&size.to_string()), "{words}");
        }
        // Another disk, where there is one, has nothing to keep free.
        let other = Path::new("/dev/shm");
        let here = fs::metadata(folder.path()).unwrap().dev();
        if fs::metadata(other).is_ok_and(|found| found.dev() != here) {
            for_copy(other, 1, &data, u64::MAX).unwrap();
            for_copy(other, u64::MAX, &data, 0).unwrap_err();
        }
    }
}
