//! The levers of an account's devices, its identity, and what the server tells its clients about itself.

use crate::Phone;
use crate::connection;
use crate::devices;
use crate::dirty::{self, Dirty};
use crate::state::{self, AccountId, DeviceAddr, State};

impl Phone {
    /// Unlinks one device of the account, by its number, as its owner does in the phone's settings; says whether there
    /// was one. The account's other devices and everybody who knows them hear of it.
    pub fn unlinks_device(&self, device: u16) -> bool {
        let mut state = state::lock(&self.shared);
        let account = state.accounts.by_name(&self.name).map(|account| account.id);
        account.is_some_and(|account| unlink(&mut state, DeviceAddr { account, device }))
    }

    /// Sets the phone up anew: all devices are unlinked, and the account has another identity, of which everybody hears
    /// who knows it. Groups and names stay. Says how many devices there were.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn reinstalls(&self) -> usize {
        let (mut state, account) = self.known();
        reinstall(&mut state, account)
    }

    /// From now on the account's chats are addressed by LID, and devices that are linked later are told so. One that is
    /// linked already learns it by a switch: see [`Phone::sets_prop`].
    ///
    /// # Panics
    /// If there is no such account.
    pub fn migrates_to_lid(&self) {
        let (mut state, account) = self.known();
        migrate(&mut state, account);
    }

    /// Sets a switch (AB prop) of the account by its number, from 1. Its clients ask for them when they log in.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn sets_prop(&self, code: u32, value: &str) {
        let (mut state, account) = self.known();
        if let Some(account) = state.accounts.get_mut(account) {
            account.props.set(code, value);
        }
    }

    /// Tells the account's devices that something which they keep is out of date, now and at each login until they have
    /// read it anew; says how many devices there are.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn marks_dirty(&self, what: Dirty) -> usize {
        let (mut state, account) = self.known();
        dirty::mark(&mut state, account, what)
    }

    /// What the account's devices still have to read anew, each with the number of the device.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn dirty(&self) -> Vec<(u16, Dirty)> {
        let (state, account) = self.known();
        bits(&state, account)
    }
}

/// Unlinks a device; says whether it was there.
pub(crate) fn unlink(state: &mut State, addr: DeviceAddr) -> bool {
    let known = state.accounts.device(addr).is_some();
    connection::unlink(state, addr);
    known
}

/// Unlinks every device and makes a new identity; says how many devices there were.
pub(crate) fn reinstall(state: &mut State, id: AccountId) -> usize {
    let devices = unlink_all(state, id);
    devices::reinstall(state, id);
    devices
}

/// Unlinks every device; says how many there were.
pub(crate) fn unlink_all(state: &mut State, id: AccountId) -> usize {
    let Some(account) = state.accounts.get(id) else { return 0 };
    let devices: Vec<DeviceAddr> = account.linked().collect();
    for device in &devices {
        connection::unlink(state, *device);
    }
    devices.len()
}

/// Has the account's chats addressed by LID.
pub(crate) fn migrate(state: &mut State, id: AccountId) {
    if let Some(account) = state.accounts.get_mut(id) {
        account.lid_migrated = true;
    }
}

/// The dirty bits of an account's devices.
pub(crate) fn bits(state: &State, id: AccountId) -> Vec<(u16, Dirty)> {
    let devices = state.accounts.get(id).into_iter().flat_map(|account| &account.devices);
    devices.flat_map(|device| device.dirty.iter().map(|mark| (device.id, mark.what))).collect()
}
