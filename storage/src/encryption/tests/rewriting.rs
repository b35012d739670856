//! A file made anew under other keys.

use super::{
    change,
    filled::{filled, master, options, reads},
    is_corrupt, marks,
};
use crate::{
    Error, Store,
    encryption::{Reencryption, reencrypt, rewrite::rewrite},
    tables::SESSIONS,
};

#[tokio::test]
async fn a_file_is_encrypted_and_rotated_and_decrypted_again_with_all_that_it_holds() {
    let (folder, path, expected) = filled(None).await;
    assert!(matches!(
        reencrypt(&path, None, master(1)).await.unwrap(),
        Reencryption::Done { rows } if rows > 20
    ));
    // Also no free page has any of it.
    assert_eq!(marks(&path), 0);
    assert_eq!(reads(&path, master(1)).await, expected);
    assert_eq!(reencrypt(&path, None, master(1)).await.unwrap(), Reencryption::AlreadyDone);
    let refused = reencrypt(&path, None, master(9)).await.unwrap_err();
    assert!(matches!(refused, Error::WrongMasterKey { .. }), "{refused}");

    reencrypt(&path, master(1), master(2)).await.unwrap();
    assert!(matches!(
        Store::open(&path, &options(master(1))).unwrap_err(),
        Error::WrongMasterKey { .. }
    ));
    assert_eq!(reads(&path, master(2)).await, expected);
    let refused = reencrypt(&path, master(1), master(3)).await.unwrap_err();
    assert!(matches!(refused, Error::WrongMasterKey { .. }), "{refused}");

    reencrypt(&path, master(2), None).await.unwrap();
    assert_eq!(reads(&path, None).await, expected);
    assert_eq!(reencrypt(&path, master(2), None).await.unwrap(), Reencryption::AlreadyDone);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[tokio::test]
async fn a_file_in_use_is_not_made_anew() {
    let (_folder, path, _) = filled(None).await;
    let _store = Store::open(&path, &options(None)).unwrap();
    let refused = reencrypt(&path, None, master(1)).await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
}

#[tokio::test]
async fn a_value_that_cannot_be_read_stops_it_and_the_file_stays() {
    let (folder, path, _) = filled(master(1)).await;
    change(&path, SESSIONS, |table| {
        table.insert([9; 16], [1, 1, 0, 0].as_slice()).unwrap();
    });
    is_corrupt(reencrypt(&path, master(1), master(2)).await, "sessions");
    assert!(Store::open(&path, &options(master(1))).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

/// What a process that is killed at a step leaves is what the folder holds at that step.
#[tokio::test]
async fn killed_at_any_step_it_is_done_by_the_next_attempt_and_nothing_is_lost() {
    let (folder, path, expected) = filled(master(1)).await;
    let kept = tempfile::tempdir().unwrap();
    let mut killed = Vec::new();
    let mut step = || {
        let copy = kept.path().join(killed.len().to_string());
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        killed.push(copy.join("wharf.redb"));
    };
    rewrite(&path, master(1).as_ref(), master(2).as_ref(), 3, &mut step).unwrap();
    assert!(killed.len() > 40, "{} steps", killed.len());
    let (mut before, mut after) = (0, 0);
    for path in &killed {
        // A gateway may run in between, with the key that the file still has, and clears up.
        let old = Store::open(path, &options(master(1))).is_ok();
        assert_eq!(Store::open(path, &options(master(2))).is_ok(), !old, "one of the two keys");
        *(if old { &mut before } else { &mut after }) += 1;
        let outcome =
            rewrite(path, master(1).as_ref(), master(2).as_ref(), 1_000, &mut || ()).unwrap();
        assert_eq!(matches!(outcome, Reencryption::AlreadyDone), !old);
        assert_eq!(reads(path, master(2)).await, expected);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
    assert!(before > 1 && after == 1, "{before} before the new file took its place, {after} after");
}
