use wacore::store::traits::{
    DeviceInfo, DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow,
    ProtocolStore,
};

use super::{conforms, in_memory, open, plain, record, session, sorted, step};

fn mapping(lid: &str, phone_number: &str, at: i64) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.to_owned(),
        phone_number: phone_number.to_owned(),
        created_at: at,
        updated_at: at,
        learning_source: "usync".to_owned(),
    }
}

fn devices(user: &str, device: u32) -> DeviceListRecord {
    DeviceListRecord {
        user: user.to_owned(),
        devices: vec![
            DeviceInfo::new(0, None),
            DeviceInfo::new(device, Some(2)).with_hosting(true),
        ],
        timestamp: 5,
        phash: Some("2:hash".to_owned()),
        raw_id: None,
    }
}

step!(pub(super) Fill, |b| {
    b.set_sender_key_status("1@g.us", &[("a:1@lid", true), ("b@lid", false)]).await.unwrap();
    b.set_sender_key_status("2@g.us", &[("a:1@lid", true), ("xa:1@lid", true)]).await.unwrap();
    b.set_sender_key_status("3@g.us", &[("a:1@lid", true)]).await.unwrap();
    b.put_lid_mapping(&mapping("l1", "p1", 1)).await.unwrap();
    b.put_lid_mappings(&[mapping("l2", "p2", 2), mapping("l2", "p3", 3), mapping("l4", "p1", 4)]).await.unwrap();
    b.save_base_key("1@s", "m1", b"base").await.unwrap();
    b.save_base_key("1@s", "m2", b"base").await.unwrap();
    b.update_device_list(devices("u1", 1)).await.unwrap();
    b.update_device_lists(vec![devices("u2", 2), devices("u1", 3), devices("u2", 4)]).await.unwrap();
    b.put_group_metadata("1@g.us", b"one").await.unwrap();
    b.put_group_metadata("2@g.us", b"two").await.unwrap();
    b.store_sent_message("c", "kept", b"sent").await.unwrap();
    b.store_sent_message("c", "taken", b"sent").await.unwrap();
    b.store_pending_inbound("c", "s", "1", b"pending").await.unwrap();
    b.store_pending_inbound_batch(&[
        PendingInboundRow { chat: "c", sender: "s", id: "2", message: b"two" },
        PendingInboundRow { chat: "c", sender: "s", id: "3", message: b"" },
        PendingInboundRow { chat: "c", sender: "s", id: "4", message: b"four" },
    ])
    .await
    .unwrap();
    vec![]
});

step!(Change, |b| {
    b.delete_sender_key_device_rows(&[]).await.unwrap();
    b.delete_sender_key_device_rows(&["a:1@lid", "nobody@lid"]).await.unwrap();
    b.set_sender_key_status("1@g.us", &[("b@lid", true), ("c@lid", false)]).await.unwrap();
    b.clear_sender_key_devices("2@g.us").await.unwrap();
    b.put_lid_mapping(&mapping("l2", "p5", 6)).await.unwrap();
    b.delete_base_key("1@s", "m2").await.unwrap();
    b.delete_devices("u2").await.unwrap();
    b.put_group_metadata("1@g.us", b"uno").await.unwrap();
    b.delete_group_metadata("2@g.us").await.unwrap();
    b.delete_pending_inbound("c", "s", "1").await.unwrap();
    b.delete_pending_inbound_batch(&[
        PendingInboundKey { chat: "c", sender: "s", id: "2" },
        PendingInboundKey { chat: "c", sender: "s", id: "9" },
    ])
    .await
    .unwrap();
    vec![
        plain(b.take_sent_message("c", "taken").await.unwrap()),
        plain(b.take_sent_message("c", "taken").await.unwrap()),
        plain(b.delete_expired_sent_messages(0).await.unwrap()),
        plain(b.delete_expired_pending_inbound(0).await.unwrap()),
    ]
});

step!(Expire, |b| {
    b.clear_all_sender_key_devices().await.unwrap();
    vec![
        plain(b.delete_expired_sent_messages(i64::MAX).await.unwrap()),
        plain(b.take_sent_message("c", "kept").await.unwrap()),
        plain(b.delete_expired_pending_inbound(i64::MAX).await.unwrap()),
    ]
});

step!(pub(super) Ask, |b| {
    let mut answers = vec![];
    for group in ["1@g.us", "2@g.us", "3@g.us", "4@g.us"] {
        answers.push(plain(sorted(b.get_sender_key_devices(group).await.unwrap())));
        answers.push(plain(b.get_group_metadata(group).await.unwrap()));
    }
    for name in ["1", "2", "3", "4", "5"] {
        answers.push(record(b.get_lid_mapping(&format!("l{name}")).await.unwrap()));
        answers.push(record(b.get_pn_mapping(&format!("p{name}")).await.unwrap()));
        answers.push(record(b.get_devices(&format!("u{name}")).await.unwrap()));
        answers.push(plain(b.get_pending_inbound("c", "s", name).await.unwrap()));
    }
    answers.push(plain(sorted(b.get_all_lid_mappings().await.unwrap().into_iter().map(record))));
    for (message, base_key) in [("m1", "base"), ("m1", "other"), ("m2", "base"), ("m3", "base")] {
        answers.push(plain(b.has_same_base_key("1@s", message, base_key.as_bytes()).await.unwrap()));
    }
    answers
});

#[tokio::test]
async fn protocol_state_is_answered_as_the_library_does() {
    conforms(&[&Ask, &Fill, &Change, &Expire], &Ask).await;
}

#[tokio::test]
async fn a_phone_number_keeps_its_newer_lid_when_the_older_lid_moves_on() {
    let backend = in_memory();
    backend
        .put_lid_mappings(&[mapping("old", "p", 1), mapping("new", "p", 2), mapping("old", "q", 3)])
        .await
        .unwrap();
    assert_eq!(backend.get_pn_mapping("p").await.unwrap().unwrap().lid, "new");
    assert_eq!(backend.get_pn_mapping("q").await.unwrap().unwrap().lid, "old");
}

#[tokio::test]
async fn a_sent_message_is_taken_by_one_of_many_who_ask_at_once() {
    let backend = in_memory();
    backend.store_sent_message("c", "m", b"sent").await.unwrap();
    let takers: Vec<_> = (0..16)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.take_sent_message("c", "m").await.unwrap() })
        })
        .collect();
    let mut taken = vec![];
    for taker in takers {
        taken.extend(taker.await.unwrap());
    }
    assert_eq!(taken, [b"sent"]);
}

#[tokio::test]
async fn a_pending_message_waits_across_a_restart_until_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (path, session) = (folder.path().join("store"), session());
    let (store, backend) = open(&path, session);
    backend.store_pending_inbound("c", "s", "m", b"message").await.unwrap();
    // The same id from another sender is another message.
    assert_eq!(backend.get_pending_inbound("c", "t", "m").await.unwrap(), None);
    assert_eq!(backend.delete_expired_pending_inbound(1).await.unwrap(), 0);
    store.close().await.unwrap();

    let (store, backend) = open(&path, session);
    assert_eq!(backend.get_pending_inbound("c", "s", "m").await.unwrap().unwrap(), b"message");
    backend.delete_pending_inbound("c", "s", "m").await.unwrap();
    store.close().await.unwrap();

    let (_store, backend) = open(&path, session);
    assert_eq!(backend.get_pending_inbound("c", "s", "m").await.unwrap(), None);
}
