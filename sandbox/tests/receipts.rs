//! Receipts: who hears that a message arrived, was read, or could not be read.

use whatsapp_rust::Jid;
use whatsapp_rust::types::events::{Event, Receipt};
use whatsapp_rust::types::presence::ReceiptType;

use crate::client::{Device, Letter};
use crate::groups::{crew, links};

async fn hears(device: &Device, id: &str, kind: ReceiptType) -> Receipt {
    device
        .sees(|event| match event {
            Event::Receipt(receipt)
                if receipt.r#type == kind && receipt.message_ids.iter().any(|one| one == id) =>
            {
                Some(receipt.clone())
            }
            _ => None,
        })
        .await
}

/// Whether this is the client's account: a client that knows both of its addresses writes to the number.
fn is(jid: &Jid, of: &Device) -> bool {
    [of.lid(), of.client.pn().unwrap().to_non_ad()].contains(&jid.to_non_ad())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_hears_that_a_message_arrived_and_was_read() {
    let (sandbox, _) = crew().await;
    let (second, shop) = (links(&sandbox, "shop").await, links(&sandbox, "shop").await);
    let (mia, tablet) = (links(&sandbox, "mia").await, links(&sandbox, "mia").await);
    mia.client.presence().set_available().await.unwrap();

    let sent = shop.client.send_text(mia.lid(), "hello").await.unwrap().message_id;
    let letter = mia.reads().await;
    let delivered = hears(&shop, &sent, ReceiptType::Delivered).await;
    assert!(is(&delivered.source.sender, &mia));
    hears(&second, &sent, ReceiptType::Delivered).await;

    mia.client.mark_as_read(&letter.info.source.chat, None, &[&sent]).await.unwrap();
    assert!(is(&hears(&shop, &sent, ReceiptType::Read).await.source.chat, &mia));
    // The reader's other device learns it, too.
    assert!(is(&hears(&tablet, &sent, ReceiptType::Read).await.source.sender, &mia));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_in_a_group_goes_to_the_author_and_names_the_reader() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    mia.client.presence().set_available().await.unwrap();
    let sent = shop.client.send_text(gid.clone(), "hello").await.unwrap().message_id;
    let letter = mia.reads().await;
    // The phones of the members answer as well.
    let reader = mia.lid().with_device(1);
    let mut delivered = hears(&shop, &sent, ReceiptType::Delivered).await;
    while delivered.source.sender != reader {
        delivered = hears(&shop, &sent, ReceiptType::Delivered).await;
    }
    assert_eq!(delivered.source.chat, gid);
    let sender = letter.info.source.sender.clone();
    mia.client.mark_as_read(&gid, Some(&sender), &[&sent]).await.unwrap();
    assert_eq!(hears(&shop, &sent, ReceiptType::Read).await.source.sender, reader);
}

/// The next message that its author has sent: the phone sends what its device cannot read, too.
async fn from_author(device: &Device) -> Letter {
    loop {
        let letter = device.reads().await;
        if letter.info.unavailable_request_id.is_none() {
            return letter;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_asked_for_and_sent_once_more() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    for to in [mia.lid(), gid] {
        shop.client.send_text(to.clone(), "first").await.unwrap();
        assert_eq!(mia.reads().await.text, "first");
        // The reader loses what it needs to read what comes from there.
        let author = shop.lid().with_device(1);
        mia.client.signal().delete_sessions(std::slice::from_ref(&author)).await.unwrap();
        if to.server == wacore_binary::Server::Group {
            mia.client.signal().delete_sender_key(&to, &author).await.unwrap();
        }
        let sent = shop.client.send_text(to.clone(), "again").await.unwrap().message_id;
        let letter = from_author(&mia).await;
        assert_eq!((letter.text.as_str(), &letter.info.id), ("again", &sent), "{to}");
        shop.client.send_text(to.clone(), "and on").await.unwrap();
        assert_eq!(from_author(&mia).await.text, "and on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_could_not_be_sent_on_is_none() {
    let (sandbox, _) = crew().await;
    let (first, second) = (links(&sandbox, "shop").await, links(&sandbox, "shop").await);
    let receipt = wacore_binary::builder::NodeBuilder::new("receipt")
        .attr("id", "R1")
        .attr("to", first.lid())
        .attr("recipient", "100000000000001:999#lid")
        .build();
    // The client's encoder would write an address with a smaller number, and writes this as a text.
    let mut bytes = wacore_binary::marshal::marshal(&receipt).unwrap();
    let at = bytes.iter().position(|byte| *byte == b'#').unwrap();
    bytes[at] = b'@';
    first.client.send_raw_bytes(bytes).await.unwrap();
    first.client.fetch_privacy_settings().await.unwrap();
    // What had come of it ended the connection of the account's other device, and each one after that.
    second.client.fetch_privacy_settings().await.unwrap();
}
