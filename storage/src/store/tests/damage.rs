//! Files that are cut off or changed.

use std::path::PathBuf;

use super::{
    dice::{Dice, rounds},
    filled::tried,
    medium::Medium,
    *,
};
use crate::check_file;

/// What redb keeps ahead of the pages, in bytes: which commit is the last one.
const HEADER: usize = 4_096;

/// A closed file with something in it, and its bytes.
async fn sound(folder: &Path) -> (PathBuf, Vec<u8>, filled::Rows) {
    let path = folder.join("store");
    let store = Store::open(&path, &Options::default()).unwrap();
    fill(&store, 5).await;
    let rows = dumped(&store);
    store.close().await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes, rows)
}

fn refused(path: &Path, what: &str) -> String {
    let refused = Store::open(path, &Options::default()).err();
    let refused = refused.unwrap_or_else(|| panic!("{what} was opened"));
    assert!(matches!(refused, Error::Damaged { .. }), "{what}: {refused}");
    refused.to_string()
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_refused_wherever_the_cut_is() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes, rows) = sound(folder.path()).await;
    let mut dice = Dice::new();
    let mut lengths = vec![0, 1, 8, 64, 319, 511, 512, HEADER - 1, HEADER, bytes.len() - 1];
    lengths.extend((0..rounds(100)).map(|_| dice.below(bytes.len())));
    for length in lengths {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let told = refused(&path, &format!("a file of {length} bytes"));
        assert!(told.contains("wharf restore") && told.contains("wharf check"), "{told}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), length as u64, "it is left as it is");
    }
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(dumped(&Store::open(&path, &Options::default()).unwrap()), rows);
}

#[tokio::test]
async fn a_changed_byte_is_refused_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes, rows) = sound(folder.path()).await;
    let mut dice = Dice::new();
    let mut refusals = 0;
    for round in 0..rounds(150) {
        // Every other one near the start, where it matters most.
        let place = dice.below(if round % 2 == 0 { HEADER / 8 } else { bytes.len() });
        let bit = 1 << dice.below(8);
        let mut changed = bytes.clone();
        changed[place] ^= bit;
        std::fs::write(&path, &changed).unwrap();
        match Store::open(&path, &Options::default()) {
            Ok(store) => assert_eq!(dumped(&store), rows, "bit {bit:#x} of byte {place}"),
            Err(Error::Damaged { .. }) => {
                refusals += 1;
                let report = check_file(&path, &Options::default()).await.unwrap();
                assert!(report.count() > 0, "bit {bit:#x} of byte {place}");
            }
            Err(other) => panic!("bit {bit:#x} of byte {place}: {other}"),
        }
    }
    assert!(refusals > 10, "{refusals}");
}

#[tokio::test]
async fn a_byte_that_changes_under_a_running_store_is_an_error_that_names_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes, rows) = sound(folder.path()).await;
    let mut dice = Dice::new();
    let mut named = std::collections::BTreeSet::new();
    for _ in 0..rounds(150) {
        let medium = Medium::holding(bytes.clone());
        let store = medium.store(0, Patience::default()).unwrap();
        for _ in 0..20 {
            let place = HEADER + dice.below(bytes.len() - HEADER);
            medium.change(|bytes| bytes[place] ^= 1 << dice.below(8));
        }
        match tried(&store) {
            Ok(read) => assert_eq!(read.len(), rows.len()),
            Err(Error::Corrupt { table, .. }) => {
                named.insert(table);
            }
            Err(other) => panic!("{other}"),
        }
        // It still answers, whatever it answers.
        drop(store.session(crate::SessionId::generate(1)));
        // Closing writes, and redb that panics there, in a destructor, ends the process: this is about reading.
        medium.change(|changed| {
            for (changed, sound) in changed.iter_mut().zip(&bytes) {
                *changed = *sound;
            }
        });
    }
    assert!(!named.contains("?") && !named.contains(""), "{named:?}");
}
