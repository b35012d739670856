use std::collections::HashMap;

use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::traits::AppStateSyncKey,
};

use super::{conforms, plain, record, sorted, step};

fn key(byte: u8) -> AppStateSyncKey {
    AppStateSyncKey {
        key_data: vec![byte; 32],
        fingerprint: vec![byte, 0, 255],
        timestamp: i64::from(byte),
    }
}

fn mac(byte: u8, value: u8) -> AppStateMutationMAC {
    AppStateMutationMAC { index_mac: vec![byte; 32], value_mac: vec![value; 32] }
}

step!(pub(super) Fill, |b| {
    for id in [9, 1, 5] {
        b.set_sync_key(&[id, 0xff], key(id)).await.unwrap();
    }
    let state = HashState {
        version: 7,
        hash: [200; 128],
        index_value_map: HashMap::from([("index".to_owned(), vec![1, 2])]),
        mac_mismatch_fatal: true,
    };
    b.set_version("regular", state).await.unwrap();
    b.put_mutation_macs("regular", 7, &[mac(1, 10), mac(2, 20), mac(255, 30)]).await.unwrap();
    b.put_mutation_macs("regular_low", 1, &[mac(1, 11)]).await.unwrap();
    b.put_mutation_macs("critical", 1, &[mac(1, 12), mac(3, 13)]).await.unwrap();
    vec![]
});

step!(Change, |b| {
    b.set_sync_key(&[1, 0xff], key(2)).await.unwrap();
    b.set_version("regular", HashState { version: 8, ..HashState::default() }).await.unwrap();
    b.put_mutation_macs("critical", 2, &[mac(1, 77)]).await.unwrap();
    b.delete_mutation_macs("critical", &[vec![3; 32], vec![4; 32]]).await.unwrap();
    b.clear_mutation_macs("regular").await.unwrap();
    vec![]
});

step!(pub(super) Ask, |b| {
    let mut answers = vec![plain(b.get_latest_sync_key_id().await.unwrap())];
    for id in [1, 5, 9, 10] {
        answers.push(record(b.get_sync_key(&[id, 0xff]).await.unwrap()));
    }
    for name in ["regular", "regular_low", "critical", "unknown"] {
        answers.push(record(b.get_version(name).await.unwrap()));
        answers.push(plain(b.get_mutation_mac(name, &[1; 32]).await.unwrap()));
        let macs = b.get_mutation_macs(name, &[[1; 32], [2; 32], [3; 32], [255; 32]]).await.unwrap();
        answers.push(plain(sorted(macs)));
    }
    answers
});

#[tokio::test]
async fn app_state_is_answered_as_the_library_does() {
    conforms(&[&Ask, &Fill, &Change], &Ask).await;
}
