//! The levers of a test: phones to add, connections to drop, requests and logins that fail.

mod clock;
mod devices;
mod media;
mod network;
mod oddities;
mod phone;
mod phone_chat;
mod phone_history;
pub(crate) mod phone_settings;
mod pictures;
mod transport;

use crate::faults::{Operation, Rule};
use crate::journal;
use crate::state::{self, Account, AccountId, Device, DeviceAddr, LinkId, Shared};
use crate::streams::{self, StreamEnd};
use crate::{Entry, Error, Fault, JournalFilter, LoginFailure, Result, Sandbox, pairing};
pub(crate) use devices::{bits, migrate, reinstall, unlink, unlink_all};
pub(crate) use phone::{ban, freeze, hang, pardon};
pub(crate) use pictures::set_picture;

/// A device that a phone has linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedDevice {
    /// Phone-number JID with the device's number, such as `15550000001:1@s.whatsapp.net`.
    pub jid: String,
    /// LID with the device's number.
    pub lid: String,
    /// What it calls itself in the phone's list of linked devices, as it said when it was linked.
    pub name: Option<String>,
    /// The version of its client, as it said when it logged in last or, before that, when it was linked.
    pub version: Option<String>,
}

impl LinkedDevice {
    /// A device of an account.
    pub(crate) fn of(account: &Account, device: &Device) -> Self {
        Self {
            jid: account.pn().with_device(device.id).to_string(),
            lid: account.lid().with_device(device.id).to_string(),
            name: device.says.name.clone(),
            version: device.says.version.clone(),
        }
    }
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

    /// A phone scans a linking code for the account of the push name that the client registered with, made if there is
    /// none; for a client that sent no name, a new account. Resolves once the client has accepted and the device is linked.
    pub async fn scans(&self, qr: &str) -> Result<(Phone, LinkedDevice)> {
        let (name, linked) = pairing::scan_for_its_account(self.state(), qr).await?;
        Ok((self.phone(&name), linked))
    }

    /// What the server applied, in order.
    pub fn journal(&self) -> Vec<Entry> {
        state::lock(self.state()).journal.all()
    }

    /// Those entries of the journal that are wanted, in order.
    pub fn journal_of(&self, wanted: &JournalFilter) -> Vec<Entry> {
        state::lock(self.state()).journal.page(wanted, usize::MAX).0
    }

    /// The first entry of the journal that is wanted, among those that are there and those to come; waits 30 seconds
    /// for it.
    pub async fn records(&self, wanted: &JournalFilter) -> Result<Entry> {
        let first = journal::wait(self.state(), wanted, 1);
        let found = tokio::time::timeout(phone_chat::DEADLINE, first).await.ok();
        let entry = found.and_then(|(entries, _)| entries.into_iter().next());
        entry.ok_or_else(|| Error::NotReceived("journal".to_owned()))
    }

    /// How many connections are open, those that are not logged in among them.
    pub fn connections(&self) -> usize {
        state::lock(self.state()).links.len()
    }

    /// How many connections their client has ended in order, with a close frame: not those that broke, or that the server
    /// ended. It counts before the connection is gone.
    pub fn goodbyes(&self) -> u64 {
        state::lock(self.state()).links.goodbyes
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
    /// `group.remove`, `group.leave`, `ping`, `logout`, `message`, `pairing.code` (a client asks for a code to show),
    /// `pairing.finish` (it has sealed its identity to the phone), `media.connection`, `picture.get`, `picture.set` (to
    /// remove one, too), and `any` for every request but messages. `media.upload` and `media.download` are requests to
    /// the media host: a code is its status, and a connection that drops breaks before the body of the answer.
    /// `deliver.message`, `deliver.receipt`, `deliver.notification`, `deliver.call`, `deliver.presence` and
    /// `deliver.chatstate` are no requests, but stanzas on their way to a device.
    ///
    /// # Panics
    /// If there is no such operation, or the fault makes no sense for it: nobody refuses a delivery with a code.
    pub fn fails_next(&self, operation: &str, count: usize, fault: Fault) {
        let rule = known(operation, None, count, fault);
        state::lock(self.state()).faults.order(rule);
    }

    /// Every request of this kind, whoever makes it, meets the fault with this probability, until [`Sandbox::heals`].
    ///
    /// # Panics
    /// If there is no such operation, the fault makes no sense for it, or the probability is not between 0 and 1.
    pub fn fails_sometimes(&self, operation: &str, probability: f64, fault: Fault) {
        assert!((0.0..=1.0).contains(&probability), "a probability is between 0 and 1");
        let rule = known(operation, None, 1, fault);
        let rule = Rule { left: None, chance: probability, ..rule };
        state::lock(self.state()).faults.order(rule);
    }

    /// Sets whether new clients are turned away at once; the others stay.
    pub fn refuses_connections(&self, on: bool) {
        state::lock(self.state()).network.refusing = on;
    }

    /// Sets whether the server hangs: connections stay and new ones are taken, but nothing is read, answered or sent.
    /// Afterwards it goes on with what waits.
    pub fn hangs(&self, on: bool) {
        let mut state = state::lock(self.state());
        state.network.hanging = on;
        state.hush();
    }

    /// Refuses the next `count` logins, whoever makes them. A client that is to be linked counts, too: it hears this in
    /// the place of its QR codes.
    pub fn fails_logins(&self, count: usize, failure: LoginFailure) {
        state::lock(self.state()).refusals.order(None, count, failure);
    }

    /// Ends every connection with this stanza; says how many were open.
    pub fn ends_streams(&self, end: StreamEnd) -> usize {
        streams::end_all(&mut state::lock(self.state()), |_| true, end)
    }

    /// Breaks every connection and makes a new key for handshakes: a client that knows the old one finds out at its next
    /// connection, and finishes the handshake as `XXfallback`. Returns when all connections are gone.
    pub async fn rotates_key(&self) {
        rotate_key(self.state()).await;
    }

    /// Sets how many QR codes a client gets to show from now on; with none it has used them up at once.
    pub fn gives_qr_refs(&self, count: usize) {
        state::lock(self.state()).pairings.references = count;
    }

    /// Forgets every fault and refused login that nothing met yet, and takes, reads and answers again, frozen connections
    /// included. A ban stays.
    pub fn heals(&self) {
        heal(self.state());
    }

    /// How many connections were begun by a client that knew the server's key: one round trip, pattern IK.
    pub fn resumptions(&self) -> u64 {
        state::lock(self.state()).handshakes.resumptions
    }

    /// How many connections were begun by a client that knew an older key of the server, and finished as `XXfallback`.
    pub fn fallbacks(&self) -> u64 {
        state::lock(self.state()).handshakes.fallbacks
    }
}

/// The rule for the operation of this name; its users have written it down, so a wrong one is theirs to mend.
fn known(name: &str, account: Option<AccountId>, count: usize, fault: Fault) -> Rule {
    let operation = Operation::named(name).unwrap_or_else(|| {
        panic!("there is no operation `{name}`: it is one of {:?}", Operation::NAMES)
    });
    let rule = Rule { account, ..Rule::next(operation, count, fault) };
    if let Some((_, folly)) = rule.folly() {
        panic!("a fault of `{name}`: {folly}");
    }
    rule
}

/// Makes an account with a phone.
pub(crate) fn add_phone(shared: &Shared, name: &str) -> Result<()> {
    let added = state::lock(shared).accounts.add(name);
    added.map(|_| ()).ok_or_else(|| Error::PhoneExists(name.to_owned()))
}

/// Forgets every fault, refusal and freeze; says how many requests and logins would still have met one.
pub(crate) fn heal(shared: &Shared) -> usize {
    let mut state = state::lock(shared);
    state.network.refusing = false;
    state.network.hanging = false;
    state.accounts.iter_mut().for_each(|account| account.hangs = false);
    state.links.thaw();
    state.hush();
    state.faults.clear().saturating_add(state.refusals.clear())
}

/// Makes a new key and breaks the connections of the old one; says how many were open.
pub(crate) async fn rotate_key(shared: &Shared) -> usize {
    // A client that comes in between already gets the new key.
    state::lock(shared).handshakes.rotate();
    drop_connections(shared, |_| true).await
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
