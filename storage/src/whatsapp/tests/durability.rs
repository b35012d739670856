use std::{
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::{
        Device,
        traits::{
            AppStateSyncKey, AppSyncStore, DeviceInfo, DeviceListRecord, DeviceStore,
            LidPnMappingEntry, MsgSecretStore, ProtocolStore, SignalStore,
        },
    },
};

use super::in_memory;

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Starts each future while the writer is held back, and demands that it waits.
macro_rules! waits_for_the_disk {
    ($($future:expr;)*) => {
        $(assert!(poll_once($future).is_pending(), "answered early: {}", stringify!($future));)*
    };
}

#[tokio::test]
async fn only_what_can_be_learnt_again_is_answered_before_it_is_on_disk() {
    let b = in_memory();
    let (release, held) = mpsc::channel::<()>();
    let stalled = b.store.write(move |_| {
        // Ends when the test drops its side.
        let _ = held.recv();
        Ok(())
    });
    assert!(poll_once(stalled).is_pending());

    let mapping = LidPnMappingEntry {
        lid: "l".to_owned(),
        phone_number: "p".to_owned(),
        created_at: 1,
        updated_at: 1,
        learning_source: "usync".to_owned(),
    };
    let devices = DeviceListRecord {
        user: "u".to_owned(),
        devices: vec![DeviceInfo::new(0, None)],
        timestamp: 1,
        phash: None,
        raw_id: None,
    };
    b.store_sent_message("c", "m", b"sent").await.unwrap();
    b.put_msg_secret("c", "s", "m", &[1; 32]).await.unwrap();
    b.put_lid_mapping(&mapping).await.unwrap();
    b.update_device_list(devices).await.unwrap();
    b.put_group_metadata("g", b"group").await.unwrap();
    b.store_received_tc_token("c", b"token", 1).await.unwrap();
    b.set_sender_key_status("g", &[("d", true)]).await.unwrap();

    // They are read back all the same.
    assert_eq!(b.get_msg_secret("c", "s", "m").await.unwrap().unwrap(), [1; 32]);
    assert_eq!(b.get_pn_mapping("p").await.unwrap().unwrap().lid, "l");
    assert_eq!(b.get_devices("u").await.unwrap().unwrap().devices.len(), 1);
    assert_eq!(b.get_group_metadata("g").await.unwrap().unwrap(), b"group");
    assert_eq!(b.get_all_tc_token_jids().await.unwrap(), ["c"]);
    assert_eq!(b.get_sender_key_devices("g").await.unwrap(), [("d".to_owned(), true)]);

    // Sweeps that find nothing do not wait, so they write nothing.
    assert_eq!(b.delete_expired_sent_messages(0).await.unwrap(), 0);
    assert_eq!(b.delete_expired_pending_inbound(i64::MAX).await.unwrap(), 0);
    assert_eq!(b.delete_expired_msg_secrets(i64::MAX).await.unwrap(), 0);
    assert_eq!(b.delete_expired_tc_tokens(0, 0).await.unwrap(), 0);

    waits_for_the_disk! {
        b.put_session("a", b"session");
        b.put_sessions_batch(&[("a".into(), b"session"[..].into())]);
        b.delete_session("a");
        b.put_identity("a", [1; 32]);
        b.put_identities_batch(&[("a".into(), [1; 32])]);
        b.delete_identity("a");
        b.put_sender_key("a", b"key");
        b.put_sender_keys_batch(&[("a".into(), b"key"[..].into())]);
        b.delete_sender_key("a");
        b.store_prekey(1, b"key", false);
        b.store_prekeys_batch(&[(1, b"key"[..].into())], false);
        b.mark_prekeys_uploaded(&[1]);
        b.remove_prekey(1);
        b.store_signed_prekey(1, b"key");
        b.remove_signed_prekey(1);
        b.save(&Device::new());
        b.create();
        b.set_sync_key(b"id", AppStateSyncKey::default());
        b.set_version("c", HashState::default());
        b.put_mutation_macs("c", 1, &[AppStateMutationMAC { index_mac: vec![1], value_mac: vec![2] }]);
        b.delete_mutation_macs("c", &[vec![1]]);
        b.clear_mutation_macs("c");
        b.store_pending_inbound("c", "s", "m", b"message");
        b.delete_pending_inbound("c", "s", "m");
        b.set_sender_key_status("g", &[("d", true), ("e", false)]);
        b.clear_sender_key_devices("g");
        b.clear_all_sender_key_devices();
    }
    drop(release);
}
