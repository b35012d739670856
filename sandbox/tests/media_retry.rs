//! Files that a device cannot fetch any more: it asks its phone, which uploads them again.

use wharf_sandbox::{Config, MessageKind, Sandbox};
use whatsapp_rust::download::MediaType;
use whatsapp_rust::upload::UploadResponse;
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::waproto::whatsapp::message::ImageMessage;
use whatsapp_rust::{MediaRetryResult, MediaReuploadRequest, UploadOptions};

use crate::client::Device;
use crate::media::{start, status, wanted};
use crate::phones::jid;

const SHOP: &str = "100000000000001@lid";
const MIA: &str = "100000000000002@lid";

/// A message with this file as its image.
fn image(sent: &UploadResponse) -> Message {
    let mut message = Message::default();
    *message.image_message.get_or_insert_default() = ImageMessage {
        direct_path: Some(sent.direct_path.clone()),
        media_key: Some(sent.media_key.to_vec()),
        file_sha256: Some(sent.file_sha256.to_vec()),
        file_enc_sha256: Some(sent.file_enc_sha256.to_vec()),
        file_length: Some(sent.file_length),
        mimetype: Some("image/jpeg".to_owned()),
        ..ImageMessage::default()
    };
    message
}

/// A file of shop's client, and the id of the message with which mia's devices got it.
async fn sent(sandbox: &Sandbox, shop: &Device) -> (UploadResponse, String) {
    let uploaded = shop.client.upload(b"face".to_vec(), MediaType::Image, UploadOptions::new());
    let uploaded = uploaded.await.unwrap();
    let sent = shop.client.send_message(jid(MIA), image(&uploaded)).await.unwrap();
    for phone in ["shop", "mia"] {
        let got = sandbox.phone(phone).receives(|message| message.id == sent.message_id).await;
        assert_eq!(got.unwrap().kind, MessageKind::Image);
    }
    (uploaded, sent.message_id)
}

/// What the phone says to a device that asks for a file with this key, of a message in this chat.
async fn asks(device: &Device, id: &str, chat: (&str, bool), key: &[u8]) -> MediaRetryResult {
    let request = MediaReuploadRequest {
        msg_id: id,
        chat_jid: &jid(chat.0),
        media_key: key,
        is_from_me: chat.1,
        participant: None,
    };
    device.client.media_reupload().request(&request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_uploads_again_what_its_device_cannot_fetch() {
    let sandbox = start(Config::default()).await;
    let (shop, mia) = (Device::of(&sandbox, "shop").await, Device::of(&sandbox, "mia").await);
    let (uploaded, id) = sent(&sandbox, &shop).await;
    // Received on the one side, sent by another device on the other.
    for (device, chat) in [(&mia, (SHOP, false)), (&shop, (MIA, true))] {
        sandbox.expires_media(&uploaded.direct_path);
        let mut wanted = wanted(&uploaded, MediaType::Image);
        let gone = device.client.download(&wanted).await.unwrap_err();
        assert_eq!(status(&gone), Some(410));
        let answer = asks(device, &id, chat, &uploaded.media_key).await;
        let MediaRetryResult::Success { direct_path } = answer else { panic!("{answer:?}") };
        assert_ne!(direct_path, uploaded.direct_path);
        wanted.direct_path = direct_path;
        assert_eq!(device.client.download(&wanted).await.unwrap(), b"face");
    }
    let asked = sandbox.phone("mia").hears(|receipt| receipt.kind == "server-error").await.unwrap();
    assert_eq!((asked.ids, asked.sender_device), (vec![id], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_does_not_upload_what_it_does_not_have() {
    let sandbox = start(Config::default()).await;
    sandbox.add_phone("leo");
    let (shop, mia) = (Device::of(&sandbox, "shop").await, Device::of(&sandbox, "mia").await);
    let leo = Device::of(&sandbox, "leo").await;
    let (uploaded, id) = sent(&sandbox, &shop).await;
    let key = &uploaded.media_key[..];
    for (device, id, chat) in [
        (&mia, "3A00", (SHOP, false)),
        (&mia, id.as_str(), (SHOP, true)),
        (&mia, id.as_str(), (MIA, false)),
        (&leo, id.as_str(), (SHOP, false)),
    ] {
        let answer = asks(device, id, chat, key).await;
        assert!(matches!(answer, MediaRetryResult::NotFound), "{chat:?}: {answer:?}");
    }
    let answer = asks(&mia, &id, (SHOP, false), &[7; 32]).await;
    assert!(matches!(answer, MediaRetryResult::DecryptionError), "{answer:?}");

    // A file whose bytes nobody has is not found either, which the phone says under seal.
    let mut lost = image(&uploaded);
    lost.image_message.get_or_insert_default().direct_path = Some("/v/nowhere".to_owned());
    let sent = sandbox.phone("shop").sends_message("mia", lost).await.unwrap();
    let answer = asks(&shop, &sent, (MIA, true), key).await;
    assert!(matches!(answer, MediaRetryResult::NotFound), "{answer:?}");
}
