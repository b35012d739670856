//! What goes wrong on its way to a device, as a real client meets it.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};
use wharf_sandbox::{Fault, ReceivedMessage, Sandbox};
use whatsapp_rust::Jid;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::types::presence::ReceiptType;

use crate::client::{Device, disconnected, until};
use crate::control::Control;
use crate::groups::{crew, links, subject};

const SILENCE: Duration = Duration::from_millis(300);

/// `shop` with a device that has read a message of `boss` before, so that it has a session.
async fn acquainted() -> (Sandbox, Jid, Device) {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    says(&sandbox, "hello").await;
    assert_eq!(shop.reads().await.text, "hello");
    (sandbox, gid, shop)
}

async fn says(sandbox: &Sandbox, text: &str) -> String {
    sandbox.phone("boss").sends("shop", text).await.unwrap()
}

/// Nothing waits for the device, and the phone of `boss` was asked for nothing once more.
async fn settled(sandbox: &Sandbox) {
    until(async || sandbox.phone("shop").unacknowledged(1) == 0).await;
    let receipts = sandbox.phone("boss").receipts();
    assert!(receipts.iter().all(|receipt| receipt.kind != "retry"), "{receipts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_twice_is_read_once() {
    let (sandbox, _, shop) = acquainted().await;
    sandbox.phone("shop").fails_next("deliver.message", 1, Fault::duplicate());
    says(&sandbox, "once").await;
    says(&sandbox, "next").await;
    assert_eq!(shop.reads().await.text, "once");
    assert_eq!(shop.reads().await.text, "next");
    settled(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_change_places_are_both_read() {
    let (sandbox, _, shop) = acquainted().await;
    sandbox.phone("shop").fails_next("deliver.message", 1, Fault::wrong_order());
    says(&sandbox, "first").await;
    says(&sandbox, "second").await;
    assert_eq!(shop.reads().await.text, "second");
    assert_eq!(shop.reads().await.text, "first");
    settled(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nothing_overtakes_comes_all_the_same() {
    let (sandbox, _, shop) = acquainted().await;
    sandbox.fails_next("deliver.message", 1, Fault::wrong_order());
    says(&sandbox, "alone").await;
    assert_eq!(shop.reads().await.text, "alone");
    settled(&sandbox).await;
}

/// This client drops the frame and goes on (whatsapp-rust 0.7 `client/node_io.rs`), so what was in it waits.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_a_damaged_frame_comes_at_the_next_login() {
    let (sandbox, _, shop) = acquainted().await;
    sandbox.phone("shop").fails_next("deliver.message", 1, Fault::corrupted());
    says(&sandbox, "damaged").await;
    says(&sandbox, "whole").await;
    assert_eq!(shop.reads().await.text, "whole");
    until(async || sandbox.phone("shop").unacknowledged(1) == 1).await;
    sandbox.phone("shop").drops_connections().await;
    assert_eq!(shop.reads().await.text, "damaged");
    settled(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_message_is_overtaken_and_holds_up_nothing() {
    let (sandbox, _, shop) = acquainted().await;
    let delay = 2 * SILENCE;
    let began = Instant::now();
    sandbox.fails_next("deliver.message", 1, Fault::delay(delay));
    says(&sandbox, "late").await;
    says(&sandbox, "in time").await;
    assert_eq!(shop.reads().await.text, "in time");
    assert_eq!(shop.reads().await.text, "late");
    assert!(began.elapsed() >= delay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_lost_or_waits_for_the_next_login() {
    let (sandbox, _, shop) = acquainted().await;
    sandbox.fails_next("deliver.message", 1, Fault::silence_before());
    sandbox.fails_next("deliver.message", 1, Fault::silence_after());
    says(&sandbox, "lost").await;
    says(&sandbox, "kept").await;
    assert!(timeout(SILENCE, shop.reads()).await.is_err());
    assert_eq!(sandbox.phone("shop").unacknowledged(1), 1);
    sandbox.phone("shop").drops_connections().await;
    assert_eq!(shop.reads().await.text, "kept");
    settled(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_breaks_or_goes_silent_in_the_place_of_a_message() {
    let (sandbox, gid, shop) = acquainted().await;
    sandbox.fails_next("deliver.message", 1, Fault::drop_after());
    says(&sandbox, "one").await;
    shop.sees(disconnected).await;
    assert_eq!(shop.reads().await.text, "one");

    sandbox.fails_next("deliver.message", 1, Fault::half_open_after());
    says(&sandbox, "two").await;
    assert!(timeout(SILENCE, shop.reads()).await.is_err());
    let groups = shop.client.groups();
    assert!(timeout(SILENCE, groups.get_metadata(&gid)).await.is_err());
    assert_eq!(sandbox.connections(), 1);
    sandbox.phone("shop").drops_connections().await;
    assert_eq!(shop.reads().await.text, "two");
    settled(&sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_lost_for_those_whom_the_rule_names() {
    let (sandbox, gid, shop) = acquainted().await;
    let mia = links(&sandbox, "mia").await;
    let updated = |event: &Event| matches!(event, Event::GroupUpdate(_)).then_some(());
    sandbox.phone("shop").fails_next("deliver.notification", 1, Fault::silence_before());
    let group = sandbox.group(&gid.to_string());
    group.sets_announce(true);
    mia.sees(updated).await;
    assert!(timeout(SILENCE, shop.sees(updated)).await.is_err());
    group.sets_announce(false);
    shop.sees(updated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_receipts_are_lost_by_their_names() {
    let (sandbox, _, shop) = acquainted().await;
    let calling = |event: &Event| match event {
        Event::IncomingCall(call) => Some(call.action.call_id().to_owned()),
        _ => None,
    };
    sandbox.fails_next("deliver.call", 1, Fault::silence_before());
    sandbox.phone("boss").calls("shop", false).unwrap();
    let heard = sandbox.phone("boss").calls("shop", false).unwrap();
    assert_eq!(shop.sees(calling).await, heard);

    // The phones of both answer with a receipt.
    sandbox.phone("shop").fails_next("deliver.receipt", 2, Fault::silence_before());
    let boss = Jid::lid("100000000000001");
    shop.client.send_text(boss.clone(), "one").await.unwrap();
    let one = |message: &ReceivedMessage| message.text.as_deref() == Some("one");
    for phone in ["boss", "shop"] {
        sandbox.phone(phone).receives(one).await.unwrap();
    }
    let sent = shop.client.send_text(boss, "two").await.unwrap().message_id;
    let delivered = |event: &Event| match event {
        Event::Receipt(receipt) if receipt.r#type == ReceiptType::Delivered => {
            Some(receipt.message_ids.clone())
        }
        _ => None,
    };
    assert_eq!(shop.sees(delivered).await, [sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_twice_late_or_damaged() {
    let (sandbox, gid, shop) = acquainted().await;
    let groups = shop.client.groups();
    sandbox.fails_next("group.subject", 1, Fault::duplicate());
    groups.set_subject(&gid, subject("Twice")).await.unwrap();
    // The second answer is nobody's, and does no harm.
    groups.get_metadata(&gid).await.unwrap();

    sandbox.fails_next("group.subject", 1, Fault::wrong_order());
    let renamed = groups.set_subject(&gid, subject("Overtaken"));
    tokio::pin!(renamed);
    assert!(timeout(SILENCE, &mut renamed).await.is_err());
    assert_eq!(groups.get_metadata(&gid).await.unwrap().subject, "Overtaken");
    renamed.await.unwrap();
    sandbox.fails_next("group.subject", 1, Fault::wrong_order());
    groups.set_subject(&gid, subject("Alone")).await.unwrap();

    sandbox.fails_next("group.subject", 1, Fault::half_open_before());
    assert!(timeout(SILENCE, groups.set_subject(&gid, subject("Silent"))).await.is_err());
    assert_eq!(sandbox.group(&gid.to_string()).subject(), "Alone");
    sandbox.drops_connections().await;
    shop.connects().await;

    sandbox.fails_next("group.subject", 1, Fault::corrupted());
    assert!(timeout(SILENCE, groups.set_subject(&gid, subject("Damaged"))).await.is_err());
    assert_eq!(sandbox.group(&gid.to_string()).subject(), "Damaged");
    groups.get_metadata(&gid).await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "a fault of `deliver.message`: what the server delivers is not refused")]
async fn nobody_refuses_a_delivery() {
    let (sandbox, _) = crew().await;
    sandbox.fails_next("deliver.message", 1, Fault::code(500));
}

#[tokio::test]
#[should_panic(expected = "a request over HTTP is answered once")]
async fn media_do_not_come_twice() {
    let (sandbox, _) = crew().await;
    sandbox.fails_next("media.download", 1, Fault::duplicate());
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_go_wrong_over_http_too() {
    let control = Control::start().await;
    control.crew().await;
    let shop = links(&control.sandbox, "shop").await;
    // What the phone tells a new device comes before.
    says(&control.sandbox, "hello").await;
    assert_eq!(shop.reads().await.text, "hello");
    let order = json!({ "operation": "deliver.message", "phone": "shop", "kind": "wrong_order" });
    assert_eq!(control.post("/admin/faults", order).await.0, 201);
    says(&control.sandbox, "first").await;
    says(&control.sandbox, "second").await;
    assert_eq!(shop.reads().await.text, "second");
    assert_eq!(shop.reads().await.text, "first");
}
