use std::sync::LazyLock;

use wacore::{
    stats::StorageResourceReport,
    store::{CachedNoiseCert, CachedServerCertChain, Device, traits::DeviceStore},
};

use super::{conforms, in_memory, plain, record, step};

static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let cert = CachedNoiseCert { key: [200; 32], not_before: -1, not_after: i64::MAX };
    let mut device = Device::new();
    device.pn = Some("15550001:3@s.whatsapp.net".parse().unwrap());
    device.lid = Some("100000000000001:3@lid".parse().unwrap());
    device.account = Some(std::sync::Arc::default());
    device.push_name = "Käthe's shop".to_owned();
    device.edge_routing_info = Some(vec![0, 255]);
    device.nct_salt = Some(vec![]);
    device.server_cert_chain =
        Some(CachedServerCertChain { intermediate: cert.clone(), leaf: cert });
    device.next_pre_key_id = 813;
    device
});

step!(pub(super) Fill, |b| {
    b.save(&DEVICE).await.unwrap();
    vec![]
});

step!(Change, |b| {
    let mut device = b.load().await.unwrap().unwrap();
    device.push_name.clear();
    device.lid = None;
    b.save(&device).await.unwrap();
    // There is a device already, so none is made.
    vec![plain(b.create().await.unwrap())]
});

step!(pub(super) Ask, |b| {
    b.snapshot_db("before", Some(b"extra")).await.unwrap();
    vec![record(b.load().await.unwrap()), plain(b.exists().await.unwrap())]
});

#[tokio::test]
async fn the_device_is_answered_as_the_library_does() {
    conforms(&[&Ask, &Fill, &Change], &Ask).await;
}

#[tokio::test]
async fn creating_a_device_stores_one_with_fresh_keys_and_keeps_it() {
    let backend = in_memory();
    assert_eq!(backend.create().await.unwrap(), 1);
    let made = record(backend.load().await.unwrap().unwrap());
    assert_eq!(backend.create().await.unwrap(), 1);
    assert_eq!(record(backend.load().await.unwrap().unwrap()), made);
}

#[tokio::test]
async fn a_session_reports_no_memory_of_its_own() {
    let report = in_memory().resource_report().await;
    assert_eq!(
        report,
        StorageResourceReport { memory_bytes: Some(0), ..StorageResourceReport::default() }
    );
}

#[tokio::test]
async fn a_device_that_is_stored_already_is_not_written_again() {
    let backend = in_memory();
    let commits = || backend.store.figures().commits;
    backend.save(&DEVICE).await.unwrap();
    let before = commits();
    backend.save(&DEVICE).await.unwrap();
    let mut loaded = backend.load().await.unwrap().unwrap();
    backend.save(&loaded).await.unwrap();
    assert_eq!(commits(), before);
    loaded.next_pre_key_id += 1;
    backend.save(&loaded).await.unwrap();
    assert_eq!(commits(), before + 1);
}
