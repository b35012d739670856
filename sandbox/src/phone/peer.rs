//! What the account's devices ask of their phone, and what it tells them unasked: the key of the shared settings.

use buffa::Message as _;
use serde::Serialize;
use tracing::warn;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::Message;
use waproto::whatsapp::message::ProtocolMessage;
use waproto::whatsapp::message::protocol_message::Type;

use super::chats::PeerRequest;
use super::envelope::Envelope;
use super::key_share;
use super::sending::{self, Failure};
use super::signal::Signal;
use crate::clock;
use crate::state::{DeviceAddr, Shared, lock};

/// Gives a device the key of the shared settings, unless the phone keeps it to itself.
pub(crate) async fn share_keys(shared: &Shared, device: DeviceAddr) {
    let signal = {
        let mut state = lock(shared);
        let handset = state.handset(device.account).filter(|handset| !handset.withholding);
        handset.map(|handset| handset.signal.clone())
    };
    let Some(signal) = signal else { return };
    let mut signal = signal.lock().await;
    answer(shared, &mut signal, device, None).await;
}

/// Takes what a device has sent to its phone alone: answers it, and records it.
pub(super) async fn take(
    shared: &Shared,
    signal: &mut Signal,
    envelope: &Envelope,
    message: Message,
) {
    let protocol = message.protocol_message.as_option();
    let wanted = protocol.and_then(|protocol| protocol.app_state_sync_key_request.as_option());
    let answered = match wanted {
        Some(request) => {
            let ids = request.key_ids.iter().filter_map(|id| id.key_id.clone()).collect();
            answer(shared, signal, envelope.sender, Some(ids)).await
        }
        None => false,
    };
    let request = protocol.map_or_else(|| "message".to_owned(), name);
    let mut state = lock(shared);
    let Some(handset) = state.handset(envelope.sender.account) else { return };
    handset.chats.requests.add(|sequence| PeerRequest {
        sequence,
        id: envelope.id.clone(),
        device: envelope.sender.device,
        request,
        answered,
        bytes: message.encode_to_vec(),
    });
    handset.chats.tell();
}

/// Begins a new session with a device whose request does not open, and shares the key on it: a client sends no request
/// again (whatsapp-rust `retry.rs` drops the retry receipt of a peer that names no recipient), and asks for this most.
pub(super) async fn rebuild(shared: &Shared, signal: &mut Signal, device: DeviceAddr) {
    signal.forget(device);
    answer(shared, signal, device, None).await;
}

async fn answer(
    shared: &Shared,
    signal: &mut Signal,
    device: DeviceAddr,
    wanted: Option<Vec<Vec<u8>>>,
) -> bool {
    match share(shared, signal, device, wanted).await {
        Ok(shared) => shared,
        Err(failure) => {
            warn!(%failure, "a phone could not share its keys with device {}", device.device);
            false
        }
    }
}

/// Sends a key share; says whether the device was there to get it.
async fn share(
    shared: &Shared,
    signal: &mut Signal,
    device: DeviceAddr,
    wanted: Option<Vec<Vec<u8>>>,
) -> Result<bool, Failure> {
    let known = {
        let state = lock(shared);
        let account = state.accounts.get(device.account);
        let index = state.accounts.device(device).map(|device| device.key_index);
        account.zip(index).map(|(account, index)| {
            let message = key_share::message(&account.keys, index, wanted);
            let mut readers = state.readers(account.id);
            readers.retain(|(reader, _)| *reader == device);
            (message, readers)
        })
    };
    let Some((message, readers)) = known else { return Ok(false) };
    let Some(device) = sending::acquainted(shared, signal, device.account, readers).await?.pop()
    else {
        return Ok(false);
    };
    let sealed = signal.seal(device, &sending::padded(&message)).await?;
    let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", sealed.kind).bytes(sealed.bytes);
    let mut state = lock(shared);
    let id = state.next_id();
    let Some(account) = state.accounts.get(device.account) else { return Ok(false) };
    let node = NodeBuilder::new("message")
        .attr("from", account.pn())
        .attr("id", id)
        .attr("type", "text")
        .attr("category", "peer")
        .attr("push_priority", "high_force")
        .attr("t", clock::now())
        .children([enc.build()])
        .build();
    state.deliver(device, node.into());
    Ok(true)
}

/// What a protocol message asks for.
fn name(protocol: &ProtocolMessage) -> String {
    let operation = protocol
        .peer_data_operation_request_message
        .as_option()
        .and_then(|request| request.peer_data_operation_request_type);
    match (operation, protocol.r#type) {
        (Some(operation), Some(Type::PEER_DATA_OPERATION_REQUEST_MESSAGE)) => spelled(&operation),
        (_, Some(kind)) => spelled(&kind),
        (_, None) => "message".to_owned(),
    }
}

/// The name of a constant, in small letters.
fn spelled(constant: &impl Serialize) -> String {
    let name = serde_json::to_value(constant).unwrap_or_default();
    name.as_str().unwrap_or("message").to_lowercase()
}

#[cfg(test)]
mod tests {
    use buffa::MessageField;
    use waproto::whatsapp::message::{
        PeerDataOperationRequestMessage, PeerDataOperationRequestType,
    };

    use super::*;

    #[test]
    fn requests_are_called_by_what_they_are_for() {
        let kind = |kind| ProtocolMessage { r#type: Some(kind), ..Default::default() };
        assert_eq!(name(&kind(Type::APP_STATE_SYNC_KEY_REQUEST)), "app_state_sync_key_request");
        let mut wrapped = kind(Type::PEER_DATA_OPERATION_REQUEST_MESSAGE);
        wrapped.peer_data_operation_request_message =
            MessageField::some(PeerDataOperationRequestMessage {
                peer_data_operation_request_type: Some(
                    PeerDataOperationRequestType::PLACEHOLDER_MESSAGE_RESEND,
                ),
                ..Default::default()
            });
        assert_eq!(name(&wrapped), "placeholder_message_resend");
        assert_eq!(name(&ProtocolMessage::default()), "message");
    }
}
