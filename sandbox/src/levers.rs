//! The levers of a test: phones to add, codes to scan, connections to drop.

use crate::faults::Operation;
use crate::state::{self, AccountId, DeviceAddr, LinkId, Shared};
use crate::{Entry, Error, Fault, Result, Sandbox, connection, pairing};

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
        drop_connections(self.state(), |_| true).await;
    }

    /// The next `count` requests of this kind, whoever makes them, meet the fault. A request meets one fault: the one
    /// that was ordered first.
    ///
    /// Operations are `group.subject`, `group.description`, `group.announce`, `group.locked`, `group.query`,
    /// `group.participating`, `group.invite`, `group.revoke_invite`, `group.promote`, `group.demote`, `group.add`,
    /// `group.remove`, `group.leave`, `ping`, `logout`, and `any` for every request of a linked device.
    ///
    /// # Panics
    /// If there is no such operation.
    pub fn fails_next(&self, operation: &str, count: usize, fault: Fault) {
        let operation = Operation::named(operation).unwrap_or_else(|| {
            panic!("there is no operation `{operation}`: it is one of {:?}", Operation::NAMES)
        });
        state::lock(self.state()).faults.order(operation, count, fault);
    }

    /// Sets whether new clients are turned away at once; the others stay.
    pub fn refuses_connections(&self, on: bool) {
        state::lock(self.state()).network.refusing = on;
    }

    /// Sets whether the server hangs: connections stay and new ones are taken, but nothing is read, answered or sent.
    /// Afterwards it goes on with what waits.
    pub fn hangs(&self, on: bool) {
        state::lock(self.state()).network.hang(on);
    }

    /// Forgets every fault that nothing met yet, and takes, reads and answers again.
    pub fn heals(&self) {
        heal(self.state());
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

    /// Breaks the connections of the account's devices, without a closing word; returns when all of them are gone.
    pub async fn drops_connections(&self) {
        let account = state::lock(&self.shared).accounts.by_name(&self.name).map(|found| found.id);
        if let Some(account) = account {
            drop_connections(&self.shared, of_account(account)).await;
        }
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

/// Forgets every fault, refusal and freeze; says how many requests would still have met a fault.
pub(crate) fn heal(shared: &Shared) -> usize {
    let mut state = state::lock(shared);
    state.network.refusing = false;
    state.network.hang(false);
    state.faults.clear()
}

/// The connections of an account's devices.
pub(crate) fn of_account(account: AccountId) -> impl Fn(Option<DeviceAddr>) -> bool {
    move |addr| addr.is_some_and(|addr| addr.account == account)
}

/// Breaks connections, by who is logged in, and waits until they are gone; says how many were open.
pub(crate) async fn drop_connections(
    shared: &Shared,
    which: impl Fn(Option<DeviceAddr>) -> bool,
) -> usize {
    let (mut going, dropped, mut ended) = {
        let mut state = state::lock(shared);
        let going: Vec<LinkId> = state.links.running(which).collect();
        let dropped = going.iter().filter(|link| state.links.cut(**link)).count();
        (going, dropped, state.links.ended())
    };
    while let Some(link) = going.last() {
        if !state::lock(shared).links.runs(*link) {
            going.pop();
        } else if ended.changed().await.is_err() {
            break;
        }
    }
    dropped
}
