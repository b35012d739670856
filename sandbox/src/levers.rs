//! The levers of a test: phones to add, codes to scan, connections to drop.

use crate::state::{self, DeviceAddr, Shared};
use crate::{Entry, Error, Result, Sandbox, connection, pairing};

/// A device that a phone has linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedDevice {
    /// Phone-number JID with the device's number, such as `15550000001:1@s.whatsapp.net`.
    pub jid: String,
    /// LID with the device's number.
    pub lid: String,
}

/// A simulated phone, by the name of its account.
#[derive(Clone)]
pub struct Phone {
    shared: Shared,
    name: String,
}

impl Sandbox {
    /// Makes an account with a phone.
    ///
    /// # Panics
    /// If there is one of this name.
    pub fn add_phone(&self, name: &str) -> Phone {
        add_phone(self.state(), name).unwrap_or_else(|error| panic!("{error}"));
        self.phone(name)
    }

    /// The phone of an account; a name without an account fails where the phone is used.
    pub fn phone(&self, name: &str) -> Phone {
        Phone { shared: self.state().clone(), name: name.to_owned() }
    }

    /// What the server applied, in order.
    pub fn journal(&self) -> Vec<Entry> {
        state::lock(self.state()).journal.all()
    }

    /// How many connections are open, those that are not logged in among them.
    pub fn connections(&self) -> usize {
        state::lock(self.state()).links.len()
    }

    /// Breaks every connection as a network would, without a closing word; returns when all of them are gone.
    pub async fn drops_connections(&self) {
        drop_connections(self.state()).await;
    }

    /// How many connections were begun by a client that knew the server's key: one round trip, pattern IK.
    pub fn resumptions(&self) -> u64 {
        state::lock(self.state()).resumptions
    }

    /// How many IQs the server did not know and answered with 501.
    pub fn unknown_iqs(&self) -> u64 {
        state::lock(self.state()).unknown_iqs
    }
}

impl Phone {
    /// Name of the account.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Scans a linking code; resolves once the client has accepted and the device is linked.
    pub async fn scans(&self, qr: &str) -> Result<LinkedDevice> {
        pairing::scan(&self.shared, &self.name, qr).await
    }

    /// The linked devices, in the order in which they were linked; none if there is no such account.
    pub fn devices(&self) -> Vec<LinkedDevice> {
        let state = state::lock(&self.shared);
        let Some(account) = state.accounts.by_name(&self.name) else { return Vec::new() };
        let linked = |device: &state::Device| LinkedDevice {
            jid: account.pn().with_device(device.id).to_string(),
            lid: account.lid().with_device(device.id).to_string(),
        };
        account.devices.iter().map(linked).collect()
    }

    /// Unlinks every device of the account, as its owner does in the phone's settings; returns how many there were.
    pub fn unlinks(&self) -> usize {
        let mut state = state::lock(&self.shared);
        let Some(account) = state.accounts.by_name(&self.name) else { return 0 };
        let account_id = account.id;
        let devices: Vec<u16> = account.devices.iter().map(|device| device.id).collect();
        for device in &devices {
            connection::unlink(&mut state, DeviceAddr { account: account_id, device: *device });
        }
        devices.len()
    }
}

/// Makes an account with a phone.
pub(crate) fn add_phone(shared: &Shared, name: &str) -> Result<()> {
    let added = state::lock(shared).accounts.add(name);
    added.map(|_| ()).ok_or_else(|| Error::PhoneExists(name.to_owned()))
}

/// Breaks every connection and waits until all of them are gone.
pub(crate) async fn drop_connections(shared: &Shared) {
    let (last, mut ended) = {
        let mut state = state::lock(shared);
        state.links.close_all();
        (state.links.last(), state.links.ended())
    };
    while state::lock(shared).links.any_until(last) {
        if ended.changed().await.is_err() {
            return;
        }
    }
}
