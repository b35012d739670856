use super::*;

const IMAGE: &str = "image";

fn store(room: usize) -> Store {
    let mut store = Store::default();
    store.open("localhost:1".into(), Limits { room, largest: room });
    store
}

fn kind(name: &str) -> Kind {
    Kind::named(name).expect("a known type")
}

/// What is at a direct path.
fn fetch(store: &Store, direct_path: &str) -> Result<Bytes, Missing> {
    let (path, query) = direct_path.split_once('?').expect("a signed path");
    let signature = query.rsplit_once('=').expect("a signature").1;
    store.find(path, signature).map(|found| found.bytes)
}

#[test]
fn a_file_is_fetched_by_its_signed_path_alone() {
    let mut store = store(100);
    let stored = store.put(kind(IMAGE), "sealed");
    assert_eq!(stored.url, format!("https://localhost:1{}&mms3=true", stored.direct_path));
    assert_eq!(fetch(&store, &stored.direct_path), Ok("sealed".into()));
    let path = stored.direct_path.split_once('?').expect("a signed path").0;
    assert_eq!(store.find(path, "").err(), Some(Missing::Unsigned));
    assert_eq!(store.find("/v/t62.7118-24/9_n.enc", "").err(), Some(Missing::Unknown));
}

#[test]
fn the_same_bytes_are_kept_once_for_each_type() {
    let mut store = store(100);
    let stored = store.put(kind(IMAGE), "sealed");
    assert_eq!(store.put(kind(IMAGE), "sealed"), stored);
    assert_ne!(store.put(kind("video"), "sealed").direct_path, stored.direct_path);
    assert_eq!((store.len(), store.held()), (2, 12));
}

#[test]
fn an_expired_file_is_gone_until_it_is_restored_at_another_path() {
    let mut store = store(100);
    let stored = store.put(kind(IMAGE), "sealed");
    assert!(store.expire(&stored.direct_path) && !store.expire("/v/nothing"));
    assert_eq!(fetch(&store, &stored.direct_path), Err(Missing::Gone));
    assert_eq!(store.progress(&(kind(IMAGE), stored.sha256)), Progress::Nothing);
    assert_eq!(store.read(&stored.direct_path), Some("sealed".into()));
    let restored = store.restore(&stored.direct_path).expect("the bytes are here");
    assert_ne!(restored.direct_path, stored.direct_path);
    assert_eq!(fetch(&store, &restored.direct_path), Ok("sealed".into()));
    assert_eq!(fetch(&store, &stored.direct_path), Err(Missing::Gone));
    assert_eq!(store.restore("/v/nothing"), None);
    assert!(store.expire(&stored.direct_path));
    assert_eq!(fetch(&store, &restored.direct_path), Ok("sealed".into()));
    assert_eq!(store.len(), 1);
}

#[test]
fn the_oldest_files_go_when_there_is_no_room() {
    let mut store = store(10);
    let first = store.put(kind(IMAGE), "12345678");
    let second = store.put(kind(IMAGE), "abcdefgh");
    assert_eq!(fetch(&store, &first.direct_path), Err(Missing::Gone));
    assert_eq!(store.restore(&first.direct_path), None);
    assert_eq!(fetch(&store, &second.direct_path), Ok("abcdefgh".into()));
    let large = store.put(kind(IMAGE), "a file that has no room at all");
    assert!(fetch(&store, &large.direct_path).is_ok());
    assert_eq!((store.len(), store.held()), (1, 30));
}

#[test]
fn a_broken_upload_goes_on_where_it_broke_off() {
    let mut store = store(10);
    let content = (kind(IMAGE), [7; 32]);
    assert_eq!(store.progress(&content), Progress::Nothing);
    store.interrupt(content, b"1234".to_vec());
    store.interrupt(content, b"123456".to_vec());
    assert_eq!(store.progress(&content), Progress::Part(6));
    assert_eq!(store.resume(&content, 7), None);
    assert_eq!(store.resume(&content, 5).as_deref(), Some(&b"12345"[..]));
    assert_eq!((store.resume(&content, 5), store.held()), (None, 0));
}

#[test]
fn beginnings_go_before_files() {
    let mut store = store(10);
    let content = (kind(IMAGE), [7; 32]);
    store.interrupt(content, b"1234".to_vec());
    let file = store.put(kind(IMAGE), "12345678");
    assert_eq!(store.progress(&content), Progress::Nothing);
    assert!(fetch(&store, &file.direct_path).is_ok());
    store.interrupt(content, b"1".to_vec());
    store.forget(&content);
    assert_eq!((store.progress(&content), store.held()), (Progress::Nothing, 8));
}

#[test]
fn nothing_is_dropped_before_there_are_limits() {
    let mut kept = store(100);
    for file in ["one", "two", "three"] {
        kept.put(kind(IMAGE), file);
    }
    // As it is read at a start, where phones go on before clients can come.
    let mut written = Vec::new();
    ciborium::into_writer(&kept, &mut written).expect("a store");
    let mut store: Store = ciborium::from_reader(&written[..]).expect("a store");
    let blobs: HashMap<_, _> = kept.blobs().collect();
    store.fill(|sha256| blobs.get(&sha256).cloned().ok_or(())).expect("every file");
    store.put(kind(IMAGE), "four");
    assert_eq!((store.len(), store.held()), (4, 15));
    store.open("localhost:1".into(), Limits { room: 9, largest: 9 });
    store.put(kind(IMAGE), "five");
    assert_eq!((store.len(), store.held()), (2, 8));
}
