use wacore::store::traits::{
    AppSyncStore, DeviceStore, MsgSecretStore, ProtocolStore, SignalStore,
};
use wharf_storage::{SessionId, Store};

use super::{plain, record, sorted};

/// Every row of the protocol library in the file of schema 1 is answered for.
pub(crate) async fn holds_what_schema_1_wrote(store: &Store, session: SessionId) {
    let b = store.whatsapp(session);
    assert_eq!(b.load_identity("1@s").await.unwrap(), Some([1; 32]));
    assert_eq!(b.get_session("1@s").await.unwrap().unwrap(), b"session"[..]);
    assert_eq!(b.load_prekey(7).await.unwrap().unwrap(), b"prekey"[..]);
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 7);
    assert_eq!(b.load_all_signed_prekeys().await.unwrap(), [(1, b"signed".to_vec())]);
    assert_eq!(b.get_sender_key("g::1").await.unwrap().unwrap(), b"sender");

    let key = b.get_sync_key(b"id").await.unwrap().unwrap();
    assert_eq!((key.key_data, key.fingerprint, key.timestamp), (vec![1], vec![2], 3));
    assert_eq!(b.get_latest_sync_key_id().await.unwrap().unwrap(), b"id");
    let version = b.get_version("regular").await.unwrap();
    assert_eq!((version.version, version.hash, version.mac_mismatch_fatal), (7, [200; 128], true));
    assert_eq!(version.index_value_map["index"], [1, 2]);
    assert_eq!(b.get_mutation_mac("regular", &[1; 32]).await.unwrap().unwrap(), [2; 32]);

    let devices = sorted(b.get_sender_key_devices("1@g.us").await.unwrap());
    assert_eq!(devices, [("a:1@lid".to_owned(), true), ("b@lid".to_owned(), false)]);
    let mapping = b.get_pn_mapping("p").await.unwrap().unwrap();
    assert_eq!((&*mapping.lid, mapping.updated_at, &*mapping.learning_source), ("l", 2, "usync"));
    assert_eq!(b.get_lid_mapping("l").await.unwrap().unwrap().phone_number, "p");
    assert!(b.has_same_base_key("1@s", "m", b"base").await.unwrap());
    let list = serde_json::json!({
        "user": "u",
        "devices": [{"device_id": 3, "key_index": 2, "is_hosted": true}],
        "timestamp": 5,
        "phash": "2:hash",
        "raw_id": 6,
    });
    assert_eq!(record(b.get_devices("u").await.unwrap()), list.to_string());
    assert_eq!(b.get_group_metadata("1@g.us").await.unwrap().unwrap(), b"metadata");
    let token = b.get_tc_token("c").await.unwrap().unwrap();
    assert_eq!(
        plain(token),
        "TcTokenEntry { token: [116, 111, 107, 101, 110], token_timestamp: 4, sender_timestamp: Some(5) }"
    );
    assert_eq!(b.get_pending_inbound("c", "s", "m").await.unwrap().unwrap(), b"pending");
    let secret = b.get_msg_secret_with_ts("c", "s", "m").await.unwrap();
    assert_eq!(secret, Some((vec![9; 32], 40)));

    let device = b.load().await.unwrap().unwrap();
    assert_eq!(
        plain(device.pn.map(|jid| jid.to_string())),
        r#"Some("4915200000001:3@s.whatsapp.net")"#
    );
    assert_eq!((&*device.push_name, device.next_pre_key_id), ("Käthe's shop", 813));
}

/// Taking a sent message removes it, so this comes last.
pub(crate) async fn gives_out_what_was_sent(store: &Store, session: SessionId) {
    let b = store.whatsapp(session);
    assert_eq!(b.take_sent_message("c", "m").await.unwrap().unwrap(), b"sent");
    assert_eq!(b.take_sent_message("c", "m").await.unwrap(), None);
}
