//! Prekeys, as real clients store, fetch and use them up.

use std::collections::BTreeSet;

use wharf_sandbox::Sandbox;
use whatsapp_rust::request::InfoQuery;
use whatsapp_rust::wacore::iq::prekeys::{
    DigestKeyBundleResponse, DigestKeyBundleSpec, PreKeyBundle, PreKeyCountSpec, PreKeyFetchReason,
    PreKeyFetchSpec, PreKeyUploadSpec, PublicKey, RotateSignedPreKeySpec,
};
use whatsapp_rust::wacore::prekeys::{
    PreKeyFetchOutcome, compute_key_bundle_digest, extract_prekey_public_key,
};
use whatsapp_rust::wacore_binary::{Node, NodeContent};
use whatsapp_rust::{Jid, NodeBuilder, NodeFilter, Server};

use crate::client::{Device, refusal, until};
use crate::groups::{crew, links};

/// `shop` and `mia`, each with a linked device that has uploaded its keys.
async fn two() -> (Sandbox, Device, Device) {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (settles(&sandbox, "shop").await, settles(&sandbox, "mia").await);
    (sandbox, shop, mia)
}

/// Links a device that uploads no more by itself: right after a login it may do so once or twice, and this is one more,
/// after which it knows that the server has its keys.
async fn settles(sandbox: &Sandbox, phone: &str) -> Device {
    let device = links(sandbox, phone).await;
    device.client.refresh_pre_keys().await.unwrap();
    device
}

async fn count(device: &Device) -> usize {
    device.client.execute(PreKeyCountSpec::new()).await.unwrap().count
}

fn address(device: &Device) -> Jid {
    device.client.pn().unwrap()
}

async fn fetch(by: &Device, jids: &[&Jid]) -> PreKeyFetchOutcome {
    let jids = jids.iter().map(|jid| (*jid).clone()).collect();
    by.client.execute(PreKeyFetchSpec::new(jids)).await.unwrap()
}

/// The keys of one device, which has to be there: the client has checked its signed identity.
async fn bundle(by: &Device, of: &Jid) -> PreKeyBundle {
    fetch(by, &[of]).await.bundles.remove(of).unwrap()
}

async fn one_time_key(by: &Device, of: &Jid) -> Option<u32> {
    bundle(by, of).await.pre_key_id().unwrap().map(u32::from)
}

async fn digest(device: &Device) -> DigestKeyBundleResponse {
    device.client.execute(DigestKeyBundleSpec::new()).await.unwrap()
}

/// The hash of what the device itself keeps under the numbers that the server has.
async fn own_hash(device: &Device, digest: &DigestKeyBundleResponse) -> Vec<u8> {
    let kept = device.client.persistence_manager().get_device_snapshot();
    let mut keys = Vec::new();
    for id in &digest.prekey_ids {
        let record = kept.backend.load_prekey(*id).await.unwrap().unwrap();
        keys.push(extract_prekey_public_key(&record).unwrap().to_vec());
    }
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    compute_key_bundle_digest(
        kept.identity_key.public_key.public_key_bytes(),
        kept.signed_pre_key.public_key.public_key_bytes(),
        &kept.signed_pre_key_signature,
        &keys,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_key_is_given_out_once() {
    let (_sandbox, shop, mia) = two().await;
    let of = address(&mia);
    let (stock, others) = (count(&mia).await, count(&shop).await);
    let (first, second) = (one_time_key(&shop, &of).await, one_time_key(&shop, &of).await);
    assert!(first.is_some() && second.is_some() && first != second, "{first:?} {second:?}");
    assert_eq!(count(&mia).await, stock - 2);
    // Asking by LID takes from the same stock.
    let lid = mia.client.lid().unwrap();
    assert!(![first, second].contains(&one_time_key(&shop, &lid).await));
    assert_eq!((count(&mia).await, count(&shop).await), (stock - 3, others));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_runs_low_is_told_and_uploads() {
    let (_sandbox, shop, mia) = two().await;
    let mut told = mia.client.wait_for_node(low());
    let of = address(&mia);
    while count(&mia).await > 10 {
        one_time_key(&shop, &of).await;
    }
    // What the server said before the last answer has arrived before it.
    assert!(told.try_recv().unwrap().is_none());
    one_time_key(&shop, &of).await;
    let node = told.await.unwrap().to_owned_node();
    let left = node.get_optional_child("count").unwrap().attrs.get("value").unwrap();
    assert_eq!(left.as_str(), "9");
    until(async || count(&mia).await > 20).await;
}

fn low() -> NodeFilter {
    NodeFilter::tag("notification").attr("type", "encrypt").attr("from", "s.whatsapp.net")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_time_keys_the_rest_is_still_served_and_the_device_hears_when_it_is_back() {
    let (sandbox, shop, mia) = two().await;
    let of = address(&mia);
    let stock = count(&mia).await;
    mia.client.disconnect().await;
    let mut given = BTreeSet::new();
    while let Some(id) = one_time_key(&shop, &of).await {
        assert!(given.insert(id), "key {id} twice");
    }
    assert_eq!(given.len(), stock);
    assert_eq!(one_time_key(&shop, &of).await, None);
    let mia = Device::stored_in(mia.saved().await, &sandbox.ws_url()).await;
    mia.connects().await;
    until(async || count(&mia).await >= 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_follows_what_is_used_up_and_what_is_rotated() {
    let (_sandbox, shop, mia) = two().await;
    let before = digest(&mia).await;
    assert_eq!(before.hash, own_hash(&mia, &before).await);
    let gone = one_time_key(&shop, &address(&mia)).await.unwrap();
    let after = digest(&mia).await;
    assert_eq!(after.hash, own_hash(&mia, &after).await);
    assert!(before.prekey_ids.contains(&gone) && !after.prekey_ids.contains(&gone));
    assert_eq!(after.prekey_ids.len(), before.prekey_ids.len() - 1);

    mia.client.rotate_signed_pre_key().await.unwrap();
    let rotated = digest(&mia).await;
    assert_eq!(rotated.hash, own_hash(&mia, &rotated).await);
    assert_eq!(rotated.skey_id, after.skey_id + 1);
    let served = bundle(&shop, &address(&mia)).await;
    assert_eq!(u32::from(served.signed_pre_key_id().unwrap()), rotated.skey_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_device_has_not_signed_is_refused() {
    let (_sandbox, shop, mia) = two().await;
    let kept = mia.client.persistence_manager().get_device_snapshot();
    let (public, signature) = (kept.signed_pre_key.public_key, kept.signed_pre_key_signature);
    let before = digest(&mia).await;
    let rotate = async |key: PublicKey, signature: &[u8]| {
        let spec = RotateSignedPreKeySpec::new(77, key, signature.to_vec());
        mia.client.execute(spec).await
    };
    let mut forged = signature;
    forged[0] ^= 1;
    for signature in [&forged[..], &[0; 64], &signature[..63]] {
        assert_eq!(refusal(&rotate(public, signature).await.unwrap_err()), Some(406));
    }
    // A signature of another's identity is none.
    let other = shop.client.persistence_manager().get_device_snapshot().signed_pre_key.public_key;
    assert_eq!(refusal(&rotate(other, &signature).await.unwrap_err()), Some(406));
    assert_eq!(digest(&mia).await.hash, before.hash);
    rotate(public, &signature).await.unwrap();
    assert_eq!(digest(&mia).await.skey_id, 77);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_refused_unless_it_is_the_devices_own() {
    let (_sandbox, shop, mia) = two().await;
    let kept = |device: &Device| device.client.persistence_manager().get_device_snapshot();
    let (own, other, stock) = (kept(&mia), kept(&shop), count(&mia).await);
    let upload = |identity: PublicKey, signature: [u8; 64]| {
        PreKeyUploadSpec::new(
            own.registration_id,
            identity,
            own.signed_pre_key_id,
            own.signed_pre_key.public_key,
            signature.to_vec(),
            vec![(900, own.signed_pre_key.public_key)],
        )
    };
    let (identity, signature) = (own.identity_key.public_key, own.signed_pre_key_signature);
    let foreign = upload(other.identity_key.public_key, signature);
    assert_eq!(refusal(&mia.client.execute(foreign).await.unwrap_err()), Some(406));
    let unsigned = upload(identity, [0; 64]);
    assert_eq!(refusal(&mia.client.execute(unsigned).await.unwrap_err()), Some(406));
    assert_eq!(count(&mia).await, stock);
    mia.client.execute(upload(identity, signature)).await.unwrap();
    assert_eq!(count(&mia).await, stock + 1);
    // The same key again is the same key.
    mia.client.execute(upload(identity, signature)).await.unwrap();
    assert_eq!(count(&mia).await, stock + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_another_shape_is_refused() {
    let (_sandbox, _shop, mia) = two().await;
    let kept = mia.client.persistence_manager().get_device_snapshot();
    let stock = count(&mia).await;
    let leaf = |tag: &'static str, bytes: &[u8]| NodeBuilder::new(tag).bytes(bytes).build();
    let upload = |registration: &[u8], kind: &[u8], id: &[u8], value: &[u8]| {
        let key = NodeBuilder::new("key").children([leaf("id", id), leaf("value", value)]);
        let signed = [
            leaf("id", &kept.signed_pre_key_id.to_be_bytes()[1..]),
            leaf("value", kept.signed_pre_key.public_key.public_key_bytes()),
            leaf("signature", &kept.signed_pre_key_signature),
        ];
        vec![
            leaf("registration", registration),
            leaf("type", kind),
            leaf("identity", kept.identity_key.public_key.public_key_bytes()),
            NodeBuilder::new("list").children([key.build()]).build(),
            NodeBuilder::new("skey").children(signed).build(),
        ]
    };
    let good: (&[u8], &[u8], &[u8], &[u8]) = (&[0, 0, 0, 9], &[5], &[0, 3, 0], &[9; 32]);
    for (registration, kind, id, value) in [
        (&[0, 0, 9][..], good.1, good.2, good.3),
        (good.0, &[4], good.2, good.3),
        (good.0, good.1, &[0, 0, 3, 0], good.3),
        (good.0, good.1, &[3], good.3),
        (good.0, good.1, good.2, &[9; 33]),
        (good.0, good.1, good.2, &[]),
    ] {
        let refused = set(&mia, upload(registration, kind, id, value)).await;
        assert_eq!(refused, Some(406), "{registration:?} {kind:?} {id:?} {value:?}");
    }
    assert_eq!(count(&mia).await, stock);
    assert_eq!(set(&mia, upload(good.0, good.1, good.2, good.3)).await, None);
    assert_eq!(count(&mia).await, stock + 1);
    // An id that is there twice is one key.
    let mut twice = upload(good.0, good.1, &[0, 3, 1], good.3);
    if let Some(NodeContent::Nodes(keys)) = &mut twice[3].content {
        keys.push(keys[0].clone());
    }
    assert_eq!(set(&mia, twice).await, None);
    assert_eq!(count(&mia).await, stock + 2);
}

/// Sends a request in the namespace of keys; returns the number with which it was refused.
async fn set(device: &Device, children: Vec<Node>) -> Option<u16> {
    let server = Jid::new("", Server::Pn);
    let query = InfoQuery::set("encrypt", server, Some(NodeContent::Nodes(children)));
    device.client.send_iq(query).await.err().map(|error| refusal(&error).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_query_fetches_phones_and_devices_and_names_those_that_are_gone() {
    let (_sandbox, shop, mia) = two().await;
    let device = address(&mia);
    let lid = mia.client.lid().unwrap();
    let (phone, phone_lid) = (device.to_non_ad(), lid.to_non_ad());
    let gone = [phone.with_device(9), Jid::pn("15559999999"), Jid::lid("999999999999999")];
    let known = [&device, &lid, &phone, &phone_lid];
    let asked = known.into_iter().chain(&gone).cloned().collect();
    let spec = PreKeyFetchSpec::with_reason(asked, PreKeyFetchReason::Identity);
    let outcome = shop.client.execute(spec).await.unwrap();

    assert_eq!(outcome.bundles.len(), 4);
    let identity = |jid: &Jid| *outcome.bundles[jid].identity_key().unwrap();
    assert_eq!(identity(&device), identity(&lid));
    assert_eq!(identity(&phone), identity(&phone_lid));
    assert_ne!(identity(&device), identity(&phone));
    assert!(outcome.bundles[&device].pre_key_id().unwrap().is_some());
    let rejected: Vec<(&Jid, u16)> =
        outcome.rejected.iter().map(|device| (&device.jid, device.code)).collect();
    assert_eq!(rejected, gone.iter().map(|jid| (jid, 406)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_for_nobody_is_refused() {
    let (_sandbox, shop, _mia) = two().await;
    for users in [vec![], vec![NodeBuilder::new("user").build()]] {
        let key = NodeBuilder::new("key").children(users).build();
        let server = Jid::new("", Server::Pn);
        let query = InfoQuery::get("encrypt", server, Some(NodeContent::Nodes(vec![key])));
        assert_eq!(refusal(&shop.client.send_iq(query).await.unwrap_err()), Some(406));
    }
}
