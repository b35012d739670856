//! The disk is full, or fails, and recovers or does not.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use super::{medium::Medium, *};

/// A recovery that takes no time of anybody.
const QUICK: Patience = Patience {
    first: Duration::from_millis(5),
    longest: Duration::from_millis(20),
    limit: Duration::from_mins(5),
};
const DEADLINE: Duration = Duration::from_secs(20);

/// Writes until the disk takes no more; how many that were.
async fn written_until_refused(store: &Store) -> (u32, Error) {
    for number in 0_u32.. {
        let row = op(&number.to_be_bytes(), Some(&[7; 4_000]));
        if let Err(error) = store.put_all(vec![row], Durability::Strict).await {
            return (number, error);
        }
    }
    unreachable!("no disk takes as much")
}

async fn takes_writes_again(store: &Store) {
    let waiting = async {
        while store.put_all(vec![op(b"again", Some(b"1"))], Durability::Strict).await.is_err() {
            tokio::time::sleep(QUICK.first).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
}

async fn reads(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    let waiting = async {
        loop {
            // Refused for the moment in which the file is opened anew.
            match store.read(|snapshot| WA_SENT_MESSAGES.get_in(snapshot, key)) {
                Ok(value) => return value,
                Err(Error::Unavailable { .. }) => tokio::time::sleep(QUICK.first).await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_not_reads_and_all_is_well_when_it_has_room_again() {
    let medium = Medium::default();
    let store = medium.store(1 << 20, QUICK).unwrap();
    put(&store, b"before", Some(b"1"), Durability::Strict).await;
    medium.fill_up();
    let (written, error) = written_until_refused(&store).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");

    // What is answered when it is queued is taken and read back meanwhile.
    for number in 0..100_u32 {
        let key = [b"relaxed".as_slice(), &number.to_be_bytes()].concat();
        put(&store, &key, Some(&[9; 4_000]), Durability::Relaxed).await;
        assert_eq!(store.get(WA_SENT_MESSAGES, &key).unwrap().unwrap(), [9; 4_000]);
    }
    assert_eq!(reads(&store, b"before").await.unwrap(), b"1");
    for number in 0..written {
        assert!(reads(&store, &number.to_be_bytes()).await.is_some(), "{number}");
    }
    let (_, error) = written_until_refused(&store).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");

    medium.make_room();
    takes_writes_again(&store).await;
    assert!(store.figures().writable);
    store.close().await.unwrap();

    let store = medium.store(1 << 20, QUICK).unwrap();
    let kept = store.scan(WA_SENT_MESSAGES, b"relaxed").unwrap();
    assert_eq!(kept.len(), 100, "what was answered for is there");
    for number in 0..written {
        let row = store.get(WA_SENT_MESSAGES, &number.to_be_bytes()).unwrap();
        assert!(row.is_some(), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_write_at_all_is_found_again_too() {
    let medium = Medium::default();
    let store = medium.store(1 << 20, QUICK).unwrap();
    put(&store, b"before", Some(b"1"), Durability::Strict).await;
    medium.break_down();
    let refused = store.put_all(vec![op(b"k", Some(b"2"))], Durability::Strict).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
    assert!(refused.to_string().contains("not available"), "{refused}");
    put(&store, b"relaxed", Some(b"3"), Durability::Relaxed).await;
    medium.make_room();
    takes_writes_again(&store).await;
    assert_eq!(reads(&store, b"before").await.unwrap(), b"1");
    assert_eq!(reads(&store, b"relaxed").await.unwrap(), b"3");
    // Not known to anybody, and not done.
    assert_eq!(reads(&store, b"k").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_store_whose_disk_is_full_does_not_wait_for_room() {
    let medium = Medium::default();
    let store = medium.store(1 << 20, QUICK).unwrap();
    medium.break_down();
    put(&store, b"relaxed", Some(b"3"), Durability::Relaxed).await;
    let refused = store.put_all(vec![op(b"k", Some(b"2"))], Durability::Strict).await;
    assert!(refused.is_err());
    tokio::time::timeout(DEADLINE, store.close()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn answered_writes_that_cannot_be_committed_in_time_end_the_process() {
    const CHILD: &str = "WHARF_STORE_THAT_GIVES_UP";
    if std::env::var_os(CHILD).is_some() {
        let medium = Medium::default();
        let patience = Patience { limit: Duration::from_millis(50), ..QUICK };
        let store = medium.store(1 << 20, patience).unwrap();
        medium.break_down();
        put(&store, b"relaxed", Some(b"3"), Durability::Relaxed).await;
        return tokio::time::sleep(DEADLINE).await;
    }
    let name =
        "store::tests::full::answered_writes_that_cannot_be_committed_in_time_end_the_process";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture", "--quiet"]).env(CHILD, "1");
    let ended = child.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(6), "{ended}");
}
