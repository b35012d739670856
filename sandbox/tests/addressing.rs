//! Phone numbers and LIDs: each finds the account, and what clients ask about it.

use reqwest::Method;
use serde_json::{Value, json};
use wharf_sandbox::{Dirty, Sandbox};
use whatsapp_rust::request::InfoQuery;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::usync::{
    UsyncContext, UsyncDeviceSyncHint, UsyncDevicesResult, UsyncMode, UsyncOutcome, UsyncProtocol,
    UsyncProtocolKind, UsyncProtocolResult, UsyncQuery, UsyncResponse, UsyncUser,
};
use whatsapp_rust::wacore::iq::abprops::web::LID_ONE_ON_ONE_MIGRATION_ENABLED;
use whatsapp_rust::wacore::iq::dirty::DirtyType;
use whatsapp_rust::wacore::iq::props::PropsSpec;
use whatsapp_rust::wacore_binary::NodeContent;
use whatsapp_rust::{Jid, NodeBuilder, NodeFilter, Server};

use crate::client::{Device, refusal, until};
use crate::control::{Control, error};
use crate::groups::{crew, links};

/// The phone number and the LID of `mia`, and those of nobody.
fn people() -> [Jid; 4] {
    let of_mia = [Jid::pn("15550000003"), Jid::lid("100000000000003")];
    let [pn, lid] = of_mia;
    [pn, lid, Jid::pn("15559999999"), Jid::lid("999999999999999")]
}

async fn shop() -> (Sandbox, Jid, Device) {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    (sandbox, gid, shop)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_found_by_number_and_by_lid_and_nobody_by_neither() {
    let (_sandbox, _, shop) = shop().await;
    let [pn, lid, no_pn, no_lid] = people();
    let contacts = shop.client.contacts();
    let found = contacts.is_on_whatsapp(&[pn.clone(), no_pn.clone()]).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| (&one.jid, one.is_registered, &one.lid)).collect();
    assert_eq!(told, [(&pn, true, &Some(lid.clone())), (&no_pn, false, &None)]);
    assert!(found.iter().all(|one| !one.is_business));

    let found = contacts.is_on_whatsapp(&[lid.clone(), no_lid]).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| (&one.jid, one.is_registered, &one.pn_jid)).collect();
    assert_eq!(told, [(&lid, true, &Some(pn))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_somebody_is_the_same_by_number_and_by_lid() {
    let (sandbox, _, shop) = shop().await;
    let mia = links(&sandbox, "mia").await;
    let [pn, lid, no_pn, _] = people();
    let asked = [pn.clone(), lid.clone(), no_pn.clone()];
    let info = shop.client.contacts().get_user_info(&asked).await.unwrap();
    assert_eq!(info.len(), 2);
    for jid in [&pn, &lid] {
        let known = &info[jid];
        assert_eq!((&known.lid, &known.devices), (&Some(lid.clone()), &vec![0, 1]));
        assert_eq!((&known.status, &known.picture_id, known.is_business), (&None, &None, false));
        let errors = [&known.status_error, &known.picture_error, &known.devices_error];
        assert!(errors.iter().all(|error| error.is_none()));
    }
    drop(mia);
}

/// Asks for devices and the usual timer, with the list that is known already if there is one.
async fn query(shop: &Device, jid: &Jid, hash: Option<&str>) -> UsyncResponse {
    let mut user = UsyncUser::from_jid(jid.clone());
    let mut protocols = vec![UsyncProtocol::DevicesV2];
    match hash {
        Some(hash) => {
            user = user.with_device_sync(UsyncDeviceSyncHint::new().with_device_hash(hash));
        }
        None => protocols.push(UsyncProtocol::DisappearingMode),
    }
    let query =
        UsyncQuery::new(UsyncMode::Query, UsyncContext::Background, protocols, vec![user]).unwrap();
    shop.client.query_usync(query).await.unwrap()
}

fn devices(response: &UsyncResponse) -> &UsyncDevicesResult {
    match response.users[0].protocol(UsyncProtocolKind::Devices) {
        Some(UsyncProtocolResult::Devices(UsyncOutcome::Value(devices))) => devices,
        other => panic!("no devices: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_devices_that_is_known_is_not_sent_again_until_it_changes() {
    let (sandbox, _, shop) = shop().await;
    let [pn, lid, ..] = people();
    let first = query(&shop, &pn, None).await;
    let list = devices(&first).device_list.as_ref().unwrap();
    assert_eq!(list.devices.len(), 1);
    assert!(devices(&first).key_index.as_ref().unwrap().signed_key_index_bytes.is_some());
    assert!(matches!(
        first.users[0].protocol(UsyncProtocolKind::DisappearingMode),
        Some(UsyncProtocolResult::DisappearingMode(UsyncOutcome::Value(mode)))
            if mode.duration_seconds == 0
    ));
    let hash = list.hash.as_ref().unwrap().as_str();
    for jid in [&pn, &lid] {
        assert!(query(&shop, jid, Some(hash)).await.users.is_empty());
        assert_eq!(query(&shop, jid, Some("2:AAAAAAAA")).await.users.len(), 1);
    }
    let _mia = links(&sandbox, "mia").await;
    let changed = query(&shop, &pn, Some(hash)).await;
    assert_eq!(devices(&changed).device_list.as_ref().unwrap().devices.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_asks_nothing_is_refused() {
    let (_sandbox, _, shop) = shop().await;
    let empty = |tag: &'static str| NodeBuilder::new(tag).build();
    for children in [vec![], vec![empty("query")], vec![empty("query"), empty("list")]] {
        let usync = NodeBuilder::new("usync").attr("sid", "1").children(children).build();
        let server = Jid::new("", Server::Pn);
        let query = InfoQuery::get("usync", server, Some(NodeContent::Nodes(vec![usync])));
        assert_eq!(refusal(&shop.client.send_iq(query).await.unwrap_err()), Some(400));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_takes_members_by_number_and_by_lid() {
    let (sandbox, gid, shop) = shop().await;
    let groups = shop.client.groups();
    let [pn, lid, ..] = people();
    for jid in [pn, lid] {
        assert!(groups.remove_participants(&gid, std::slice::from_ref(&jid)).await.is_ok());
        assert_eq!(groups.get_metadata(&gid).await.unwrap().participants.len(), 2);
        assert!(groups.add_participants(&gid, &[jid]).await.is_ok());
        assert_eq!(groups.get_metadata(&gid).await.unwrap().participants.len(), 3);
    }
    drop(sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_learns_that_its_account_is_addressed_by_lid() {
    let (sandbox, _) = crew().await;
    let mia = links(&sandbox, "mia").await;
    assert!(!mia.client.is_lid_migrated().await);
    sandbox.phone("shop").migrates_to_lid();
    let shop = links(&sandbox, "shop").await;
    assert!(shop.client.is_lid_migrated().await);
    // One that is linked already hears by a switch.
    sandbox.phone("mia").sets_prop(LID_ONE_ON_ONE_MIGRATION_ENABLED.code, "1");
    assert!(!mia.client.is_lid_migrated().await);
    mia.client.fetch_props().await.unwrap();
    assert!(mia.client.is_lid_migrated().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migrated_account_writes_to_lids_and_another_to_numbers() {
    let (sandbox, _) = crew().await;
    sandbox.phone("shop").migrates_to_lid();
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let to = || {
        let sent = sandbox.journal().into_iter().rfind(|entry| entry.operation == "message");
        sent.unwrap().object
    };
    let number = |device: &Device| device.client.pn().unwrap().to_non_ad();
    for (from, other, server) in [(&shop, &mia, "lid"), (&mia, &shop, "s.whatsapp.net")] {
        // The answer tells the client the LID of the number.
        from.client.contacts().is_on_whatsapp(&[number(other)]).await.unwrap();
        from.client.send_text(number(other), server).await.unwrap();
        assert_eq!(other.reads().await.text, server);
        assert!(to().ends_with(&format!("@{server}")), "{}", to());
    }
}

/// What every account's clients are told: to send privacy tokens.
const USUAL: (u32, &str) = (10_518, "1");

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_switches_reach_its_clients_once() {
    let (sandbox, _, shop) = shop().await;
    let mia = links(&sandbox, "mia").await;
    sandbox.phone("shop").sets_prop(7, "on");
    sandbox.phone("shop").sets_prop(9, "3600");
    let told = shop.client.execute(PropsSpec::new()).await.unwrap();
    let values: Vec<_> =
        told.experiment_props.iter().map(|(code, value)| (*code, value.as_str())).collect();
    assert_eq!((values, told.delta_update), (vec![USUAL, (7, "on"), (9, "3600")], false));

    let hash = told.hash.unwrap();
    let again = shop.client.execute(PropsSpec::with_hash(&hash)).await.unwrap();
    assert!(again.delta_update && again.experiment_props.is_empty());
    sandbox.phone("shop").sets_prop(7, "off");
    let changed = shop.client.execute(PropsSpec::with_hash(&hash)).await.unwrap();
    assert!(!changed.delta_update && changed.experiment_props.len() == 3);
    let others = mia.client.execute(PropsSpec::new()).await.unwrap();
    assert_eq!(others.experiment_props.len(), 1);
}

fn dirty(event: &Event) -> Option<DirtyType> {
    let Event::DirtyState(dirty) = event else { return None };
    Some(dirty.dirty_type.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_what_is_out_of_date_until_it_has_read_it_anew() {
    let (sandbox, _, shop) = shop().await;
    let phone = sandbox.phone("shop");
    let clean = || NodeFilter::tag("iq").attr("xmlns", "urn:xmpp:whatsapp:dirty");
    let cleans = shop.client.wait_for_sent_node(clean());
    assert_eq!(phone.marks_dirty(Dirty::Groups), 1);
    assert_eq!(shop.sees(dirty).await, DirtyType::Groups);
    cleans.await.unwrap();
    until(async || phone.dirty().is_empty()).await;

    shop.client.disconnect().await;
    phone.marks_dirty(Dirty::AccountSync);
    assert_eq!(phone.dirty(), [(1, Dirty::AccountSync)]);
    let shop = Device::stored_in(shop.saved().await, &sandbox.ws_url()).await;
    let cleans = shop.client.wait_for_sent_node(clean());
    assert_eq!(shop.sees(dirty).await, DirtyType::AccountSync);
    cleans.await.unwrap();
    until(async || phone.dirty().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_bits_and_migration_are_set_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let path = "/admin/phones/shop/props";
    let body = json!({ "props": { "7": "on" } });
    let (status, props) = control.send(Method::PUT, path, body.clone()).await;
    assert_eq!((status.as_u16(), &props), (200, &body));
    assert_eq!(control.get(path).await.1, body);

    let migrated = control.post("/admin/phones/shop/migrate-to-lid", Value::Null).await;
    assert_eq!(migrated.1, json!({ "migrated": true }));
    let shop = links(&control.sandbox, "shop").await;
    assert!(shop.client.is_lid_migrated().await);
    let told = shop.client.execute(PropsSpec::new()).await.unwrap();
    assert_eq!(told.experiment_props.len(), 2);

    shop.client.disconnect().await;
    let path = "/admin/phones/shop/dirty";
    let (status, bits) = control.post(path, json!({ "what": "groups" })).await;
    assert_eq!(status, 200);
    assert_eq!(bits, json!({ "dirty": [{ "device": 1, "what": "groups" }] }));
    assert_eq!(control.get(path).await.1, bits);

    for (method, path, body, status, field) in [
        (Method::PUT, "/admin/phones/shop/props", json!({ "props": { "0": "on" } }), 400, "props"),
        (Method::PUT, "/admin/phones/shop/props", json!({ "props": { "x": "on" } }), 400, "props"),
        (Method::PUT, "/admin/phones/nobody/props", body, 404, "name"),
        (Method::POST, "/admin/phones/shop/dirty", json!({ "what": "hands" }), 400, "what"),
        (Method::POST, "/admin/phones/shop/dirty", json!({}), 400, "what"),
        (Method::POST, "/admin/phones/nobody/dirty", json!({ "what": "groups" }), 404, "name"),
        (Method::POST, "/admin/phones/nobody/migrate-to-lid", Value::Null, 404, "name"),
    ] {
        let (got, refused) = control.send(method, path, body).await;
        assert_eq!(got, status, "{path}: {refused}");
        assert!(error(&refused).contains(field), "{path}: {refused}");
    }
}
