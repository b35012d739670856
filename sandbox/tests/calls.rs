//! Calls, as far as they are signalled.

use reqwest::Method;
use serde_json::json;
use wacore_binary::builder::NodeBuilder;
use whatsapp_rust::Jid;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::types::call::{CallAction, IncomingCall};

use crate::client::Device;
use crate::control::Control;
use crate::groups::{crew, links};

async fn rings(device: &Device) -> IncomingCall {
    device
        .sees(|event| match event {
            Event::IncomingCall(call) => Some(call.clone()),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_on_every_device_and_is_rejected_or_ended() {
    let (sandbox, _) = crew().await;
    let (shop, second) = (links(&sandbox, "shop").await, links(&sandbox, "shop").await);
    let boss = sandbox.phone("boss");
    let id = boss.calls("shop", false).unwrap();
    for device in [&shop, &second] {
        let call = rings(device).await;
        assert!(matches!(&call.action, CallAction::Offer { call_id, .. } if *call_id == id));
        assert_eq!(call.notify.as_deref(), Some("boss"));
    }
    let call_creator = Jid::lid("100000000000001");
    shop.client.voip().reject_call(&id, &call_creator, &call_creator).await.unwrap();
    shop.client.fetch_privacy_settings().await.unwrap();
    let last = sandbox.journal().into_iter().rfind(|entry| entry.operation.starts_with("call."));
    let last = last.unwrap();
    assert_eq!((last.account.as_str(), last.operation.as_str()), ("shop", "call.reject"));
    assert_eq!(last.detail["id"], id.as_str());

    let id = boss.calls("shop", true).unwrap();
    let call = rings(&shop).await;
    assert!(matches!(&call.action, CallAction::Offer { is_video: true, .. }), "{call:?}");
    boss.hangs_up("shop", &id).unwrap();
    shop.sees(|event| match event {
        Event::IncomingCall(call) => {
            matches!(&call.action, CallAction::Terminate { call_id, .. } if *call_id == id)
                .then_some(())
        }
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_device_that_is_away_is_a_missed_one() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let store = shop.saved().await;
    drop(shop);
    sandbox.phone("shop").drops_connections().await;
    sandbox.phone("boss").calls("shop", false).unwrap();
    let shop = Device::stored_in(store, &sandbox.ws_url()).await;
    let missed = |event: &Event| matches!(event, Event::MissedCall(_)).then_some(());
    shop.sees(missed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_an_id_rings_now_or_never() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let nameless = |id: &'static str| {
        let action = NodeBuilder::new("offer").attr("call-id", id).attr("call-creator", mia.lid());
        let audio = NodeBuilder::new("audio").attr("enc", "opus").attr("rate", "16000").build();
        let action = action.children([audio]).build();
        NodeBuilder::new("call").attr("to", shop.lid()).children([action]).build()
    };
    mia.client.send_node(nameless("N1")).await.unwrap();
    assert_eq!(rings(&shop).await.action.call_id(), "N1");
    let receipt = NodeBuilder::new("receipt").attr("to", shop.lid()).build();
    mia.client.send_node(receipt).await.unwrap();
    mia.client.fetch_privacy_settings().await.unwrap();

    // Were it kept it would come once more, before what is new.
    sandbox.phone("shop").drops_connections().await;
    let id = sandbox.phone("boss").calls("shop", false).unwrap();
    let first = shop.sees(|event| match event {
        Event::IncomingCall(call) => Some(call.action.call_id().to_owned()),
        Event::MissedCall(call) => Some(call.call_id.clone()),
        _ => None,
    });
    assert_eq!(first.await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_or_nobody_does_not_ring() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    sandbox.phone("shop").blocks("mia", true);
    let offer = |id: &'static str| {
        let creator = mia.lid();
        NodeBuilder::new("offer").attr("call-id", id).attr("call-creator", creator).build()
    };
    let call = |to: &Jid, id: &'static str| NodeBuilder::new("call").attr("to", to).attr("id", id);
    let stranger = Jid::lid("199999999999999");
    for (id, node, error) in [
        ("C1", call(&shop.lid(), "C1").children([offer("X")]), None),
        ("C2", call(&stranger, "C2").children([offer("X")]), Some("404")),
        ("C3", call(&mia.lid(), "C3").children([offer("X")]), Some("404")),
        ("C4", call(&shop.lid(), "C4"), Some("400")),
    ] {
        mia.client.send_node(node.build()).await.unwrap();
        assert_eq!(mia.answered(id).await.as_deref(), error, "{id}");
    }
    sandbox.phone("shop").blocks("mia", false);
    mia.client.send_node(call(&shop.lid(), "C5").children([offer("Y")]).build()).await.unwrap();
    let call = rings(&shop).await;
    assert_eq!(call.action.call_id(), "Y");
    assert!(sandbox.phone("mia").calls("nobody", false).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_privacy_are_there_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let shop = links(&control.sandbox, "shop").await;
    let at = |path: &str| format!("/admin/phones/boss/{path}");
    let (status, call) = control.post(&at("calls"), json!({"to": "shop"})).await;
    assert_eq!(status, 201);
    assert_eq!(rings(&shop).await.action.call_id(), call["id"].as_str().unwrap());
    let ended = json!({"to": "shop", "id": call["id"]});
    assert_eq!(control.post(&at("hang-up"), ended).await.0, 200);
    let put = async |path: &str, body| control.send(Method::PUT, &at(path), body).await;
    assert_eq!(put("blocked", json!({"phone": "shop", "blocked": true})).await.0, 200);
    assert_eq!(put("privacy", json!({"category": "last", "value": "none"})).await.0, 200);
    for (path, body, status, field) in [
        ("privacy", json!({"category": "hair", "value": "none"}), 400, "category"),
        ("privacy", json!({"category": "online", "value": "none"}), 400, "value"),
        ("blocked", json!({"phone": "eve", "blocked": true}), 404, "phone"),
    ] {
        let (code, error) = put(path, body).await;
        assert_eq!(code, status);
        assert!(error["error"].as_str().unwrap().contains(field), "{error}");
    }
    let (code, error) = control.post(&at("calls"), json!({"to": "eve"})).await;
    assert!(code == 404 && error["error"].as_str().unwrap().contains("`to`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_calls_themselves_or_a_device_that_is_not_there() {
    let control = Control::start().await;
    control.crew().await;
    let (shop, mia) = (links(&control.sandbox, "shop").await, links(&control.sandbox, "mia").await);
    let offer =
        NodeBuilder::new("offer").attr("call-id", "X").attr("call-creator", mia.lid()).build();
    for (id, device, error) in [("D1", 1, None), ("D2", 2, Some("404"))] {
        let call = NodeBuilder::new("call").attr("to", shop.lid().with_device(device));
        let call = call.attr("id", id).children([offer.clone()]);
        mia.client.send_node(call.build()).await.unwrap();
        assert_eq!(mia.answered(id).await.as_deref(), error, "{id}");
    }
    let calls =
        || control.sandbox.journal().iter().filter(|it| it.operation == "call.offer").count();
    assert_eq!(calls(), 1);
    for to in ["boss", "15550000001", "100000000000001@lid"] {
        let (status, error) = control.post("/admin/phones/boss/calls", json!({"to": to})).await;
        assert!(status == 409 && error["error"].as_str().unwrap().contains("`to`"), "{error}");
    }
    let ended = json!({"to": "shop", "id": ""});
    let (status, error) = control.post("/admin/phones/boss/hang-up", ended).await;
    assert!(status == 400 && error["error"].as_str().unwrap().contains("`id`"), "{error}");
    assert!(control.sandbox.phone("boss").calls("boss", false).is_err());
    assert_eq!(calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_device_rings_is_no_receipt_for_a_message() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let boss = sandbox.phone("boss");
    boss.calls("shop", false).unwrap();
    rings(&shop).await;
    let id = boss.sends("shop", "call me back").await.unwrap();
    boss.hears(|receipt| receipt.ids.contains(&id)).await.unwrap();
    assert!(boss.receipts().iter().all(|receipt| receipt.ids.contains(&id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_has_its_parts_in_order() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let part = |tag| NodeBuilder::new(tag).build();
    for (id, parts, error) in [
        ("O1", ["audio", "audio", "net", "enc", "encopt"], None),
        ("O2", ["net", "audio", "enc", "encopt", "device-identity"], Some("439")),
        ("O3", ["audio", "net", "encopt", "enc", "device-identity"], Some("439")),
    ] {
        let offer = NodeBuilder::new("offer").attr("call-id", id).attr("call-creator", mia.lid());
        let call = NodeBuilder::new("call").attr("to", shop.lid()).attr("id", id);
        let call = call.children([offer.children(parts.map(part)).build()]);
        mia.client.send_node(call.build()).await.unwrap();
        assert_eq!(mia.answered(id).await.as_deref(), error, "{id}");
    }
    let offers = sandbox.journal().into_iter().filter(|entry| entry.operation == "call.offer");
    assert_eq!(offers.count(), 1);
}
