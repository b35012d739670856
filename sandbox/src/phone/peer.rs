//! What the account's devices ask of their phone, and what it tells them unasked: the key of the shared settings.

use buffa::Message as _;
use serde::Serialize;
use tracing::warn;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::Message;
use waproto::whatsapp::message::ProtocolMessage;
use waproto::whatsapp::message::protocol_message::Type;

use super::Keys;
use super::chats::PeerRequest;
use super::envelope::Envelope;
use super::history;
use super::key_share;
use super::peer_data;
use super::sending::{self, Failure};
use super::signal::Signal;
use crate::state::{AccountId, DeviceAddr, Shared, lock};

/// What a phone sends to a device that it has just linked: the keys of the shared settings, unless the phone keeps them
/// to itself, and the history, if there is one.
pub(crate) async fn welcome(shared: &Shared, device: DeviceAddr) {
    share_keys(shared, device).await;
    for part in history::parts(shared, device.account) {
        let Ok(signal) = sending::signal(shared, device.account) else { return };
        let mut signal = signal.lock().await;
        if let Err(failure) = tell(shared, &mut signal, device, |_, _| part).await {
            warn!(%failure, "a phone could not send its history to device {}", device.device);
        }
    }
}

/// Makes a new key for the shared settings and gives it to every device; says how many there are.
pub(crate) async fn rotate_settings_key(shared: &Shared, account: AccountId) -> usize {
    let devices = {
        let mut state = lock(shared);
        let now_ms = state.clock.now_ms();
        let Some(found) = state.accounts.get_mut(account) else { return 0 };
        found.keys.rotate_settings(now_ms);
        found.linked().collect::<Vec<_>>()
    };
    for device in &devices {
        share_keys(shared, *device).await;
    }
    devices.len()
}

/// Gives a device the keys of the shared settings, unless the phone keeps them to itself.
async fn share_keys(shared: &Shared, device: DeviceAddr) {
    let withheld = lock(shared).handset(device.account).is_none_or(|handset| handset.withholding);
    if withheld {
        return;
    }
    if let Ok(signal) = sending::signal(shared, device.account) {
        let mut signal = signal.lock().await;
        answer(shared, &mut signal, device, None).await;
    }
}

/// Takes what a device has sent to its phone alone: answers it, and records it.
pub(super) async fn take(
    shared: &Shared,
    signal: &mut Signal,
    envelope: &Envelope,
    message: Message,
) {
    let protocol = message.protocol_message.as_option();
    let keys = protocol.and_then(|protocol| protocol.app_state_sync_key_request.as_option());
    let data = protocol.and_then(|it| it.peer_data_operation_request_message.as_option());
    let device = envelope.sender;
    let data =
        data.and_then(|asked| peer_data::answer(shared, device.account, &envelope.id, asked));
    let answered = match (keys, data) {
        (Some(request), _) => {
            let ids = request.key_ids.iter().filter_map(|id| id.key_id.clone()).collect();
            answer(shared, signal, device, Some(ids)).await
        }
        (None, Some(data)) => told(tell(shared, signal, device, |_, _| data).await, device),
        (None, None) => false,
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
    let share = |keys: &Keys, index| key_share::message(keys, index, wanted);
    told(tell(shared, signal, device, share).await, device)
}

/// Whether a device was told.
fn told(told: Result<bool, Failure>, device: DeviceAddr) -> bool {
    told.unwrap_or_else(|failure| {
        warn!(%failure, "a phone could not answer device {}", device.device);
        false
    })
}

/// Sends a device a message that is for it alone, made with the account's keys and the device's key index; says whether
/// the device was there to get it.
async fn tell(
    shared: &Shared,
    signal: &mut Signal,
    device: DeviceAddr,
    make: impl FnOnce(&Keys, u32) -> Message,
) -> Result<bool, Failure> {
    let known = {
        let state = lock(shared);
        let account = state.accounts.get(device.account);
        let index = state.accounts.device(device).map(|device| device.key_index);
        account.zip(index).map(|(account, index)| {
            let message = make(&account.keys, index);
            let mut readers = state.readers(account.id);
            readers.retain(|(reader, _)| *reader == device);
            (message, readers)
        })
    };
    let Some((message, readers)) = known else { return Ok(false) };
    let mut known = sending::acquainted(shared, signal, device.account, readers).await;
    let Some((device, _)) = known.pop() else { return Ok(false) };
    let sealed = signal.seal(device, &sending::padded(&message)).await?;
    let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", sealed.kind).bytes(sealed.bytes);
    let mut state = lock(shared);
    let stamp = state.stamp();
    let Some(account) = state.accounts.get(device.account) else { return Ok(false) };
    let node = NodeBuilder::new("message")
        .attr("from", account.pn())
        .attr("id", stamp.id)
        .attr("type", "text")
        .attr("category", "peer")
        .attr("push_priority", "high_force")
        .attr("t", stamp.at)
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
