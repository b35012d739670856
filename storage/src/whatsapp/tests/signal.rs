use bytes::Bytes;
use wacore::store::traits::SignalStore;

use super::{conforms, in_memory, plain, sorted, step};
use crate::tables::WA_PREKEYS;

step!(pub(super) Fill, |b| {
    b.put_identity("1@s", [1; 32]).await.unwrap();
    b.put_identities_batch(&[("2:3@s".into(), [2; 32]), ("1@s".into(), [3; 32])]).await.unwrap();
    b.put_session("1@s", b"one").await.unwrap();
    b.put_sessions_batch(&[("1@s".into(), Bytes::from_static(b"uno")), ("12:1@s".into(), Bytes::from_static(b"two"))])
        .await
        .unwrap();
    b.store_prekey(7, b"seven", false).await.unwrap();
    b.store_prekeys_batch(&[(300, Bytes::from_static(b"")), (9, Bytes::from_static(b"nine"))], true).await.unwrap();
    b.store_signed_prekey(1, b"signed").await.unwrap();
    b.store_signed_prekey(2, b"signed too").await.unwrap();
    b.put_sender_key("g::1", b"sender").await.unwrap();
    b.put_sender_keys_batch(&[("g::2".into(), Bytes::from_static(b"sender 2"))]).await.unwrap();
    vec![]
});

step!(Change, |b| {
    b.mark_prekeys_uploaded(&[7, 8]).await.unwrap();
    b.delete_identity("1@s").await.unwrap();
    b.delete_session("1@s").await.unwrap();
    b.delete_session("nobody@s").await.unwrap();
    b.remove_prekey(300).await.unwrap();
    b.remove_signed_prekey(1).await.unwrap();
    b.delete_sender_key("g::1").await.unwrap();
    vec![]
});

step!(pub(super) Ask, |b| {
    let mut answers = vec![];
    for address in ["1@s", "2:3@s", "12:1@s", "nobody@s"] {
        answers.push(plain(b.load_identity(address).await.unwrap()));
        answers.push(plain(b.get_session(address).await.unwrap()));
        answers.push(plain(b.has_session(address).await.unwrap()));
    }
    for user in ["1", "2", "12", "3", ""] {
        answers.push(plain(b.has_signal_state_for_user(user).await.unwrap()));
    }
    for id in [7, 8, 9, 300] {
        answers.push(plain(b.load_prekey(id).await.unwrap()));
    }
    answers.push(plain(b.load_prekeys_batch(&[300, 8, 7]).await.unwrap()));
    answers.push(plain(b.get_max_prekey_id().await.unwrap()));
    answers.push(plain(b.load_signed_prekey(1).await.unwrap()));
    answers.push(plain(b.load_signed_prekey(3).await.unwrap()));
    answers.push(plain(sorted(b.load_all_signed_prekeys().await.unwrap())));
    answers.push(plain(b.get_sender_key("g::1").await.unwrap()));
    answers.push(plain(b.get_sender_key("g::2").await.unwrap()));
    answers
});

#[tokio::test]
async fn signal_state_is_answered_as_the_library_does() {
    conforms(&[&Ask, &Fill, &Change], &Ask).await;
}

#[tokio::test]
async fn marking_prekeys_uploaded_changes_the_mark_and_never_brings_a_used_prekey_back() {
    let backend = in_memory();
    backend.store_prekey(1, b"one", false).await.unwrap();
    backend.store_prekey(2, b"two", false).await.unwrap();
    backend.remove_prekey(2).await.unwrap();

    backend.mark_prekeys_uploaded(&[1, 2, 3]).await.unwrap();

    let stored = backend.store.scan(WA_PREKEYS, &backend.key([])).unwrap();
    assert_eq!(stored, [(backend.key(1_u32.to_be_bytes()), b"\x01one".to_vec())]);
    assert_eq!(backend.load_prekey(1).await.unwrap().unwrap(), b"one"[..]);
    assert_eq!(backend.load_prekey(2).await.unwrap(), None);
}
