//! The message by which a phone gives a device the key of the shared settings.
//!
//! A client that does not get it within ten seconds of its first login asks for it and goes on without.

use buffa::MessageField;
use waproto::whatsapp::Message;
use waproto::whatsapp::message::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
    AppStateSyncKeyShare, ProtocolMessage, protocol_message,
};

use super::Keys;
use crate::clock;

/// The one generation of the key that a sandbox phone has: device 0, epoch 1.
const KEY_ID: [u8; 6] = [0, 0, 0, 0, 0, 1];

/// The message with the key; or with what was asked for, of which the phone may not have the data: such a key is shared
/// without it.
pub(super) fn message(keys: &Keys, key_index: u32, wanted: Option<Vec<Vec<u8>>>) -> Message {
    let wanted = wanted.unwrap_or_else(|| vec![KEY_ID.to_vec()]);
    let shared = wanted.into_iter().map(|id| AppStateSyncKey {
        key_data: if id == KEY_ID { data(keys, key_index) } else { MessageField::none() },
        key_id: MessageField::some(AppStateSyncKeyId { key_id: Some(id) }),
    });
    let share = AppStateSyncKeyShare { keys: shared.collect() };
    let protocol = ProtocolMessage {
        r#type: Some(protocol_message::Type::APP_STATE_SYNC_KEY_SHARE),
        app_state_sync_key_share: MessageField::some(share),
        ..Default::default()
    };
    Message { protocol_message: MessageField::some(protocol), ..Default::default() }
}

fn data(keys: &Keys, key_index: u32) -> MessageField<AppStateSyncKeyData> {
    let fingerprint = AppStateSyncKeyFingerprint {
        raw_id: Some(keys.raw_id),
        current_index: Some(key_index),
        device_indexes: (0..=key_index).collect(),
    };
    MessageField::some(AppStateSyncKeyData {
        key_data: Some(keys.app_state_key.to_vec()),
        fingerprint: MessageField::some(fingerprint),
        timestamp: Some(clock::now_ms()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(wanted: Option<Vec<Vec<u8>>>) -> Vec<(Vec<u8>, bool)> {
        let message = message(&Keys::generate(), 2, wanted);
        let protocol = message.protocol_message.as_option().expect("a protocol message");
        let share = protocol.app_state_sync_key_share.as_option().expect("a share");
        let keys = share.keys.iter().map(|key| {
            let id = key.key_id.as_option().and_then(|id| id.key_id.clone());
            (id.expect("an id"), key.key_data.is_set())
        });
        keys.collect()
    }

    #[test]
    fn a_key_that_the_phone_does_not_have_is_shared_without_data() {
        assert_eq!(shared(None), [(KEY_ID.to_vec(), true)]);
        let other = vec![0, 0, 0, 0, 0, 9];
        let both = shared(Some(vec![other.clone(), KEY_ID.to_vec()]));
        assert_eq!(both, [(other, false), (KEY_ID.to_vec(), true)]);
    }
}
