//! The message by which a phone gives a device the key of the shared settings.
//!
//! A client that does not get it within ten seconds of its first login asks for it and goes on without.

use buffa::MessageField;
use waproto::whatsapp::Message;
use waproto::whatsapp::message::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
    AppStateSyncKeyShare, ProtocolMessage, protocol_message,
};

use super::{Keys, SettingsKey};

/// The message with every key, the newest last: clients use the one that they got last (wacore `store/in_memory.rs`,
/// `set_sync_key`). Or with what was asked for, of which the phone may not have the data: such a key is shared without it.
pub(super) fn message(keys: &Keys, key_index: u32, wanted: Option<Vec<Vec<u8>>>) -> Message {
    let all = || keys.settings.all().iter().map(|key| key.id.to_vec()).collect();
    let shared = wanted.unwrap_or_else(all).into_iter().map(|id| AppStateSyncKey {
        key_data: keys.settings.find(&id).map(|key| data(keys, key, key_index)).into(),
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

fn data(keys: &Keys, key: &SettingsKey, key_index: u32) -> AppStateSyncKeyData {
    let fingerprint = AppStateSyncKeyFingerprint {
        raw_id: Some(keys.raw_id),
        current_index: Some(key_index),
        device_indexes: (0..=key_index).collect(),
    };
    AppStateSyncKeyData {
        key_data: Some(key.data.to_vec()),
        fingerprint: MessageField::some(fingerprint),
        timestamp: Some(key.made),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn shared(keys: &Keys, wanted: Option<Vec<Vec<u8>>>) -> Vec<(Vec<u8>, bool)> {
        let message = message(keys, 2, wanted);
        let protocol = message.protocol_message.as_option().expect("a protocol message");
        let share = protocol.app_state_sync_key_share.as_option().expect("a share");
        let keys = share.keys.iter().map(|key| {
            let id = key.key_id.as_option().and_then(|id| id.key_id.clone());
            (id.expect("an id"), key.key_data.is_set())
        });
        keys.collect()
    }

    #[test]
    fn every_key_is_shared_and_one_that_the_phone_does_not_have_without_data() {
        let id = |epoch| vec![0, 0, 0, 0, 0, epoch];
        let mut keys = Keys::generate(&mut Stream::default());
        keys.rotate_settings(7);
        assert_eq!(shared(&keys, None), [(id(1), true), (id(2), true)]);
        let asked = shared(&keys, Some(vec![id(9), id(1)]));
        assert_eq!(asked, [(id(9), false), (id(1), true)]);
    }
}
