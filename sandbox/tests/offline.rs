//! What comes while a device is away: nothing is lost, and the order stays.

use whatsapp_rust::types::events::Event;
use whatsapp_rust::types::presence::ReceiptType;

use crate::client::{Device, until};
use crate::groups::{crew, links};
use crate::phones::text;

/// More than a primer and a batch of the client.
const MANY: usize = 230;

/// What a client that catches up shows.
enum Seen {
    Read(Vec<String>),
    Done(i32),
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_in_order_in_batches_and_is_counted() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let to = mia.lid();
    shop.client.send_text(to.clone(), "hello").await.unwrap();
    assert_eq!(mia.reads().await.text, "hello");
    // Who writes gives a privacy token, too, which is not to be among what is missed. Until the client knows that it has
    // given one, it gives another with its next message.
    let given = async || shop.client.tc_token().get(&to.user).await.unwrap();
    until(async || given().await.is_some_and(|token| token.sender_timestamp.is_some())).await;
    let phone = sandbox.phone("mia");
    until(async || phone.unacknowledged(1) == 0).await;
    let store = mia.saved().await;
    drop(mia);
    phone.drops_connections().await;

    for number in 0..MANY {
        shop.client.send_text(to.clone(), number.to_string()).await.unwrap();
    }
    sandbox.group(&gid.to_string()).sets_subject("Night shift");
    let last = shop.client.send_text(gid.clone(), "in the group").await.unwrap();
    assert_eq!(shop.answered(&last.message_id).await, None);

    let mia = Device::stored_in(store, &sandbox.ws_url()).await;
    let preview = mia
        .sees(|event| match event {
            Event::OfflineSyncPreview(preview) => Some(preview.clone()),
            _ => None,
        })
        .await;
    assert!(usize::try_from(preview.messages).unwrap() > MANY, "{preview:?}");
    assert_eq!(preview.notifications, 1);
    // A client reads each chat in order, and the chats side by side.
    let (mut read, mut count) = (Vec::with_capacity(MANY + 1), None);
    while read.len() <= MANY || count.is_none() {
        let seen = mia
            .sees(|event| match event {
                Event::OfflineSyncCompleted(done) => Some(Seen::Done(done.count)),
                Event::Messages(batch) => {
                    assert!(batch.iter().all(|one| one.info.is_offline));
                    let texts = batch.iter().filter_map(|one| text(&one.message));
                    Some(Seen::Read(texts.map(str::to_owned).collect()))
                }
                _ => None,
            })
            .await;
        match seen {
            Seen::Done(of) => count = Some(of),
            Seen::Read(texts) => read.extend(texts),
        }
    }
    let in_group = read.iter().position(|text| text == "in the group");
    read.remove(in_group.unwrap());
    assert_eq!(read, (0..MANY).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(count, Some(preview.total));
    // From then on it is told at once.
    shop.client.send_text(to, "live").await.unwrap();
    let letter = mia.reads().await;
    assert_eq!((letter.text.as_str(), letter.info.is_offline), ("live", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_does_not_come_again() {
    let (sandbox, _) = crew().await;
    let second = links(&sandbox, "shop").await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let sent = shop.client.send_text(mia.lid(), "hello").await.unwrap().message_id;
    assert_eq!(mia.reads().await.text, "hello");
    assert_eq!(second.reads().await.text, "hello");
    // The receipts of both have passed the server when they are here; those of the phones do not count.
    let mut missing = vec![ReceiptType::Inactive, ReceiptType::Sender];
    while !missing.is_empty() {
        let kind = shop
            .sees(|event| match event {
                Event::Receipt(receipt)
                    if receipt.message_ids.contains(&sent) && receipt.source.sender.device != 0 =>
                {
                    Some(receipt.r#type.clone())
                }
                _ => None,
            })
            .await;
        missing.retain(|other| *other != kind);
    }
    for (device, phone) in [(&mia, "mia"), (&second, "shop")] {
        let number = device.client.pn().unwrap().device;
        assert_eq!(sandbox.phone(phone).unacknowledged(number), 0, "{phone}");
    }
}
