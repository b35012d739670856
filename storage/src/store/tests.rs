mod damage;
mod dice;
pub(crate) mod filled;
mod full;
mod medium;
mod power;

use std::sync::mpsc;

use redb::ReadableTable;

use super::*;
use crate::tables::{COUNTERS, WA_DEVICE, WA_IDENTITIES, WA_SENT_MESSAGES};
pub(crate) use filled::{dumped, fill};

/// Keeps the writer busy until the sender is used or dropped, so that what is queued meanwhile is one batch.
pub(crate) async fn busy(store: &Store) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (started, running) = tokio::sync::oneshot::channel();
    let mut started = Some(started);
    let store = store.clone();
    tokio::spawn(async move {
        store
            .write(move |_| {
                if let Some(started) = started.take() {
                    started.send(()).unwrap();
                }
                let _ = released.recv();
                Ok(())
            })
            .await
    });
    running.await.unwrap();
    release
}

/// A relaxed write of one row.
pub(crate) async fn put_relaxed(store: &Store, key: &[u8], value: &[u8]) {
    put(store, key, Some(value), Durability::Relaxed).await;
}

fn op(key: &[u8], value: Option<&[u8]>) -> Op {
    Op { table: WA_SENT_MESSAGES, key: key.to_vec(), value: value.map(<[u8]>::to_vec) }
}

async fn put(store: &Store, key: &[u8], value: Option<&[u8]>, durability: Durability) {
    store.put_all(vec![op(key, value)], durability).await.unwrap();
}

#[tokio::test]
async fn a_failing_write_leaves_the_batch_and_the_others_are_committed() {
    let store = Store::in_memory().unwrap();
    let release = busy(&store).await;
    let count = |name: &'static str, fails: bool| {
        let store = store.clone();
        async move {
            store
                .write(move |txn| {
                    let mut counters = txn.open_table(COUNTERS)?;
                    let total = counters.get("total")?.map_or(0, |total| total.value()) + 1;
                    counters.insert("total", total)?;
                    counters.insert(name, total)?;
                    if fails {
                        Err(Error::Corrupt { table: "none", reason: name.into() })
                    } else {
                        Ok(total)
                    }
                })
                .await
        }
    };
    let all = async {
        tokio::join!(count("a", false), count("b", true), count("c", false), count("d", true))
    };
    let ((a, b, c, d), ()) = tokio::join!(all, async {
        tokio::task::yield_now().await;
        release.send(()).unwrap();
    });
    assert_eq!((a.unwrap(), c.unwrap()), (1, 2));
    assert!(matches!(b, Err(Error::Corrupt { reason, .. }) if reason == "b"));
    assert!(matches!(d, Err(Error::Corrupt { reason, .. }) if reason == "d"));
    let stored = |name| {
        store
            .read(|txn| Ok(txn.open_table(COUNTERS)?.get(name)?.map(|value| value.value())))
            .unwrap()
    };
    assert_eq!(
        [stored("total"), stored("a"), stored("b"), stored("c"), stored("d")],
        [Some(2), Some(1), None, Some(2), None]
    );
}

#[tokio::test]
async fn a_relaxed_write_is_read_back_before_and_after_its_commit() {
    let store = Store::in_memory().unwrap();
    put(&store, b"s1", Some(b"old"), Durability::Strict).await;
    put(&store, b"s2", Some(b"old"), Durability::Strict).await;
    put(&store, b"t", Some(b"other"), Durability::Strict).await;
    let release = busy(&store).await;
    put(&store, b"s1", Some(b"new"), Durability::Relaxed).await;
    put(&store, b"s2", None, Durability::Relaxed).await;
    put(&store, b"s3", Some(b"x"), Durability::Relaxed).await;
    put(&store, b"s3", Some(b"y"), Durability::Relaxed).await;

    let check = || {
        assert_eq!(store.get(WA_SENT_MESSAGES, b"s1").unwrap().unwrap(), b"new");
        assert_eq!(store.get(WA_SENT_MESSAGES, b"s2").unwrap(), None);
        assert_eq!(store.get(WA_IDENTITIES, b"s1").unwrap(), None);
        let rows = store.scan(WA_SENT_MESSAGES, b"s").unwrap();
        assert_eq!(rows, [(b"s1".to_vec(), b"new".to_vec()), (b"s3".to_vec(), b"y".to_vec())]);
    };
    check();
    release.send(()).unwrap();
    store.write(|_| Ok(())).await.unwrap();
    assert_eq!(store.inner.queue.queued_value(WA_SENT_MESSAGES, b"s1"), None);
    check();
}

#[tokio::test]
async fn strict_and_relaxed_writes_of_one_row_keep_their_order() {
    let store = Store::in_memory().unwrap();
    let release = busy(&store).await;
    put(&store, b"k", Some(b"1"), Durability::Relaxed).await;
    let strict = put(&store, b"k", Some(b"2"), Durability::Strict);
    let ((), ()) = tokio::join!(strict, async { release.send(()).unwrap() });
    assert_eq!(store.get(WA_SENT_MESSAGES, b"k").unwrap().unwrap(), b"2");

    put(&store, b"k", Some(b"3"), Durability::Relaxed).await;
    let seen = store.write(|txn| WA_SENT_MESSAGES.get(txn, b"k")).await.unwrap();
    assert_eq!(seen.unwrap(), b"3");
}

#[tokio::test]
async fn more_writes_than_the_queue_holds_wait_and_all_arrive() {
    let store = Store::in_memory().unwrap();
    let release = busy(&store).await;
    let writers: Vec<_> = (0..3_000_u32)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                put(&store, &number.to_be_bytes(), Some(b"x"), Durability::Relaxed).await;
            })
        })
        .collect();
    release.send(()).unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    store.write(|_| Ok(())).await.unwrap();
    assert_eq!(store.scan(WA_SENT_MESSAGES, &[]).unwrap().len(), 3_000);
}

#[tokio::test]
async fn closing_commits_what_is_queued_and_a_reopened_file_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let store = Store::open(&path, &Options::default()).unwrap();
    put(&store, b"strict", Some(b"1"), Durability::Strict).await;
    put(&store, b"relaxed", Some(b"2"), Durability::Relaxed).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.write(|_| Ok(())).await, Err(Error::Closed)));
    assert!(matches!(store.get(WA_DEVICE, b"k"), Err(Error::Closed)));

    let reopened = Store::open(&path, &Options::default()).unwrap();
    assert_eq!(reopened.get(WA_SENT_MESSAGES, b"strict").unwrap().unwrap(), b"1");
    assert_eq!(reopened.get(WA_SENT_MESSAGES, b"relaxed").unwrap().unwrap(), b"2");
}

#[tokio::test]
async fn dropping_the_last_clone_commits_and_frees_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let store = Store::open(&path, &Options::default()).unwrap();
    put(&store, b"k", Some(b"v"), Durability::Relaxed).await;
    drop(store);
    let reopened = Store::open(&path, &Options::default()).unwrap();
    assert_eq!(reopened.get(WA_SENT_MESSAGES, b"k").unwrap().unwrap(), b"v");
}

#[tokio::test]
async fn a_file_in_use_is_refused_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let _store = Store::open(&path, &Options::default()).unwrap();
    let error = Store::open(&path, &Options::default()).unwrap_err();
    assert!(matches!(&error, Error::InUse { path: named } if *named == path), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let error =
        Store::open(Path::new("/nonexistent/folder/wharf.redb"), &Options::default()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/folder/wharf.redb"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_is_its_owners_alone_also_one_that_was_open_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(Store::open(&path, &Options::default()).unwrap());
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&path, &Options::default()).unwrap());
    assert_eq!(mode(), 0o600);
}
