//! Linked devices: their credentials, their prekeys, and their connection.

use std::collections::VecDeque;

use buffa::Message;
use serde::{Deserialize, Serialize};
use waproto::whatsapp::{ClientPayload, DeviceProps};

use super::account::AccountId;
use super::links::LinkId;
use super::queue::Queue;
use crate::data::form::{bytes, one_time_keys};
use crate::dirty::Mark;

/// One device of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct DeviceAddr {
    pub(crate) account: AccountId,
    /// 1 and above; 0 is the phone itself.
    pub(crate) device: u16,
}

impl DeviceAddr {
    /// The phone of an account.
    pub(crate) const fn phone(account: AccountId) -> Self {
        Self { account, device: 0 }
    }

    /// Whether it is a phone.
    pub(crate) fn is_phone(self) -> bool {
        self == Self::phone(self.account)
    }
}

/// A one-time prekey, in 35 bytes: there are hundreds per device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OneTimeKey {
    /// As it is on the wire, the highest byte first.
    id: [u8; 3],
    pub(crate) public: [u8; 32],
}

impl OneTimeKey {
    /// A key with an id below 2^24; of a larger one the low three bytes count.
    pub(crate) fn new(id: u32, public: [u8; 32]) -> Self {
        let [_, id @ ..] = id.to_be_bytes();
        Self { id, public }
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        let [high, middle, low] = self.id;
        u32::from_be_bytes([0, high, middle, low])
    }
}

/// A signed prekey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedKey {
    pub(crate) id: u32,
    #[serde(with = "bytes")]
    pub(crate) public: [u8; 32],
    #[serde(with = "bytes")]
    pub(crate) signature: [u8; 64],
}

/// What a device says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Says {
    /// The name that its phone shows, said when it registers and never again.
    pub(crate) name: Option<String>,
    /// The version of its client, said each time.
    pub(crate) version: Option<String>,
}

impl Says {
    /// Reads a registration.
    pub(crate) fn registering(payload: &ClientPayload) -> Self {
        let data = payload.device_pairing_data.as_option();
        let props = data.and_then(|data| data.device_props.as_deref());
        let props = props.and_then(|props| DeviceProps::decode_from_slice(props).ok());
        let mut says = Self { name: props.and_then(|props| props.os), version: None };
        says.logs_in(payload);
        says
    }

    /// Reads a login.
    pub(crate) fn logs_in(&mut self, payload: &ClientPayload) {
        let version = payload.user_agent.app_version.as_option();
        self.version = version.map(|version| {
            let parts = [version.primary, version.secondary, version.tertiary];
            parts.map(|part| part.unwrap_or_default().to_string()).join(".")
        });
    }
}

/// A linked device.
#[derive(Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: u16,
    pub(crate) key_index: u32,
    pub(crate) registration: u32,
    /// Noise static key: the credential of every later login.
    #[serde(with = "bytes")]
    pub(crate) noise: [u8; 32],
    #[serde(with = "bytes")]
    pub(crate) identity: [u8; 32],
    /// The identity signed by account and device, as the device sent it back.
    #[serde(with = "bytes")]
    pub(crate) signed_identity: Vec<u8>,
    pub(crate) signed_key: SignedKey,
    #[serde(with = "one_time_keys")]
    pub(crate) one_time_keys: VecDeque<OneTimeKey>,
    /// True once prekeys were uploaded: the phone then shared its app-state key.
    pub(crate) uploaded: bool,
    /// The number that its account had when it was linked, if it has another one now.
    pub(crate) known_as: Option<String>,
    /// Absent in what older servers kept.
    #[serde(default)]
    pub(crate) says: Says,
    /// What it keeps and has to read anew.
    pub(crate) dirty: Vec<Mark>,
    /// The connection that is logged in as this device.
    #[serde(skip)]
    pub(crate) link: Option<LinkId>,
    /// What it has not acknowledged.
    pub(crate) queue: Queue,
}

impl Device {
    /// A device without prekeys beyond the signed one, and without a connection.
    pub(crate) fn new(id: u16, key_index: u32, registration: u32) -> Self {
        Self {
            id,
            key_index,
            registration,
            noise: [0; 32],
            identity: [0; 32],
            signed_identity: Vec::new(),
            signed_key: SignedKey { id: 0, public: [0; 32], signature: [0; 64] },
            one_time_keys: VecDeque::new(),
            uploaded: false,
            known_as: None,
            says: Says::default(),
            dirty: Vec::new(),
            link: None,
            queue: Queue::default(),
        }
    }

    /// Gives the device a connection that does not listen yet; returns the one it replaces.
    pub(crate) fn log_in(&mut self, link: LinkId) -> Option<LinkId> {
        self.queue.rest();
        self.link.replace(link)
    }

    /// Takes the connection away, if it is this one; says whether it was.
    pub(crate) fn log_out(&mut self, link: LinkId) -> bool {
        let is_it = self.link == Some(link);
        if is_it {
            self.link = None;
            self.queue.rest();
        }
        is_it
    }

    /// The connection, once it has everything that it missed.
    pub(crate) fn listening(&self) -> Option<LinkId> {
        self.link.filter(|_| self.queue.is_live())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_what_it_says_is_read_as_one_that_says_nothing() {
        let mut device = Device::new(1, 1, 7);
        device.says.name = Some("Shop".to_owned());
        let kept = ciborium::Value::serialized(&device).expect("CBOR");
        let mut fields = kept.into_map().expect("named fields");
        fields.retain(|(name, _)| name.as_text() != Some("says"));
        let read: Device = ciborium::Value::Map(fields).deserialized().expect("a device");
        assert_eq!((read.registration, read.says), (7, Says::default()));
    }

    #[test]
    fn an_old_connection_that_ends_does_not_log_out_the_new_one() {
        let mut device = Device::new(1, 1, 7);
        assert_eq!(device.log_in(LinkId(1)), None);
        assert_eq!(device.log_in(LinkId(2)), Some(LinkId(1)));
        assert!(!device.log_out(LinkId(1)));
        assert_eq!(device.link, Some(LinkId(2)));
        assert_eq!(device.listening(), None);
    }
}
