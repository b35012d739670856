//! Media between Baileys and `whatsapp-rust`: each fetches and opens what the other has uploaded.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use whatsapp_rust::UploadOptions;
use whatsapp_rust::download::MediaType;
use whatsapp_rust::prelude::{MessageField, wa};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::upload::UploadResponse;

use super::groups::pn;
use super::{Baileys, Version, for_both, sandbox};
use crate::client::Device;
use crate::media::some_bytes;

for_both!(documents_go_both_ways);

fn document(sent: UploadResponse) -> wa::Message {
    let document = wa::message::DocumentMessage {
        url: Some(sent.url),
        direct_path: Some(sent.direct_path),
        media_key: Some(sent.media_key.to_vec()),
        file_sha256: Some(sent.file_sha256.to_vec()),
        file_enc_sha256: Some(sent.file_enc_sha256.to_vec()),
        file_length: Some(sent.file_length),
        mimetype: Some("application/pdf".into()),
        file_name: Some("answer.pdf".into()),
        ..Default::default()
    };
    wa::Message { document_message: MessageField::some(document), ..Default::default() }
}

async fn documents_go_both_ways(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let boss = Device::of(&sandbox, "boss").await;
    let shop = Baileys::links(version, &sandbox, "shop").await;

    // Longer than what either library works on at once.
    let content = some_bytes(300_000);
    let buffer = json!({"type": "Buffer", "data": BASE64_STANDARD.encode(&content)});
    let letter =
        json!({"document": buffer, "mimetype": "application/pdf", "fileName": "offer.pdf"});
    shop.call("sendMessage", json!([pn("boss"), letter])).await;
    let (received, chat) = boss
        .sees(|event| {
            let Event::Messages(batch) = event else { return None };
            batch.iter().find_map(|one| {
                let document = one.message.document_message.as_option()?.clone();
                Some((document, one.info.source.chat.clone()))
            })
        })
        .await;
    assert_eq!(received.file_name.as_deref(), Some("offer.pdf"));
    assert!(boss.client.download(&received).await.unwrap() == content);

    let content = some_bytes(200_001);
    let sent = boss.client.upload(content.clone(), MediaType::Document, UploadOptions::new()).await;
    boss.client.send_message(chat, document(sent.unwrap())).await.unwrap();
    let id = shop
        .sees("messages.upsert", |upsert| {
            let name = &upsert["message"]["message"]["documentMessage"]["fileName"];
            (name == "answer.pdf").then(|| upsert["message"]["key"]["id"].clone())
        })
        .await;
    let opened = shop.call("downloadMedia", json!([id])).await;
    assert!(BASE64_STANDARD.decode(opened["data"].as_str().unwrap()).unwrap() == content);
    shop.is_at_home(&sandbox);
}
