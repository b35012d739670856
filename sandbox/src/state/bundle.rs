//! The public keys with which somebody begins a Signal session with a device.

use super::State;
use super::device::{DeviceAddr, OneTimeKey, SignedKey};
use crate::stock;

/// What a device shows of itself, and at most one of its one-time prekeys.
pub(crate) struct Bundle {
    pub(crate) registration: u32,
    pub(crate) identity: [u8; 32],
    pub(crate) signed_key: SignedKey,
    /// Used up: nobody else gets it.
    pub(crate) one_time_key: Option<OneTimeKey>,
}

impl State {
    /// Takes the keys of a device for one session; `None` if it is unknown or has not uploaded any. The phone (device 0)
    /// has no one-time prekeys here.
    pub(crate) fn take_bundle(&mut self, addr: DeviceAddr) -> Option<Bundle> {
        if addr.is_phone() {
            let keys = &self.accounts.get(addr.account)?.keys;
            return Some(Bundle {
                registration: keys.registration,
                identity: keys.public(),
                signed_key: keys.signed_key,
                one_time_key: None,
            });
        }
        self.accounts.device(addr).filter(|device| device.uploaded)?;
        let one_time_key = stock::take(self, addr);
        let device = self.accounts.device(addr)?;
        Some(Bundle {
            registration: device.registration,
            identity: device.identity,
            signed_key: device.signed_key,
            one_time_key,
        })
    }

    /// The devices of an account that can be written to, each with its identity: the phone first.
    pub(crate) fn readers(&self, account: super::AccountId) -> Vec<(DeviceAddr, [u8; 32])> {
        let Some(found) = self.accounts.get(account) else { return Vec::new() };
        let phone = (DeviceAddr::phone(account), found.keys.public());
        let linked = found.devices.iter().filter(|device| device.uploaded);
        let linked =
            linked.map(|device| (DeviceAddr { account, device: device.id }, device.identity));
        std::iter::once(phone).chain(linked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Device;
    use super::*;

    #[test]
    fn a_one_time_key_is_taken_once_and_a_phone_has_none() {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        let addr = |device| DeviceAddr { account, device };
        assert!(state.take_bundle(addr(1)).is_none());
        let mut device = Device::new(1, 1, 7);
        device.one_time_keys.push_back(OneTimeKey::new(3, [0; 32]));
        state.accounts.get_mut(account).expect("just made").devices.push(device);
        assert!(state.take_bundle(addr(1)).is_none(), "it has uploaded nothing yet");
        assert_eq!(state.readers(account).len(), 1);

        state.accounts.device_mut(addr(1)).expect("just made").uploaded = true;
        assert_eq!(state.readers(account).len(), 2);
        let mut taken =
            || state.take_bundle(addr(1)).expect("keys").one_time_key.map(|key| key.id());
        assert_eq!((taken(), taken()), (Some(3), None));
        let phone = state.take_bundle(addr(0)).expect("a phone always has keys");
        assert!(phone.one_time_key.is_none());
    }
}
