//! Everything the server knows, under one lock that is never held across an await.

mod account;
mod bundle;
mod device;
mod handshakes;
mod kept;
mod links;
mod names;
mod network;
mod parcel;
mod queue;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};

use wacore_binary::Node;

pub(crate) use account::{Account, AccountId, Accounts};
pub(crate) use bundle::Bundle;
pub(crate) use device::{Device, DeviceAddr, OneTimeKey, Says, SignedKey};
pub(crate) use handshakes::Handshakes;
pub(crate) use kept::{Held, Kept};
pub(crate) use links::{LinkId, Links, Opened};
pub(crate) use names::{is_name, visible};
pub(crate) use network::{Latency, Network};
pub(crate) use parcel::{Oddity, Parcel};
pub(crate) use queue::Missed;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::groups::{Group, Groups};
use crate::journal::Journal;
use crate::limits::Limits;
use crate::logins::Refusals;
use crate::media::Store;
use crate::newsletters::Newsletters;
use crate::pairing::Pairings;
use crate::phone;
use crate::pictures::Pictures;
use crate::presence::{self, Board};
use crate::random::{Source, Stream};
use crate::server::Certificate;
use crate::stanza::{Push, Stamp, has_id};
use crate::strictness::{Oddities, Strictness};

/// The state as its users hold it; lock it with [`lock`].
pub(crate) type Shared = Arc<Mutex<State>>;

/// The whole state. What of it outlives the process is decided in `kept`.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) accounts: Accounts,
    pub(crate) bell: phone::Bell,
    pub(crate) board: Board,
    /// What phones call their calls.
    pub(crate) call_ids: Stream,
    pub(crate) clock: Clock,
    /// What the listeners speak TLS with, once they do.
    pub(crate) certificate: Option<Certificate>,
    /// Somebody could have changed it; see [`Locked::has_changed`].
    changed: bool,
    pub(crate) faults: Faults,
    pub(crate) groups: Groups,
    pub(crate) handshakes: Handshakes,
    pub(crate) journal: Journal,
    pub(crate) limits: Limits,
    pub(crate) links: Links,
    pub(crate) media: Store,
    pub(crate) network: Network,
    pub(crate) newsletters: Newsletters,
    pub(crate) pairings: Pairings,
    pub(crate) pictures: Pictures,
    pub(crate) refusals: Refusals,
    /// What clients have sent that is not known.
    pub(crate) oddities: Oddities,
    /// What is refused of what clients send.
    pub(crate) strictness: Strictness,
    /// What privacy tokens and the salts of accounts are made of.
    pub(crate) token_bytes: Stream,
    stanzas: u64,
}

/// The state, locked. Who may change it is taken to have changed it.
pub(crate) struct Locked<'a>(MutexGuard<'a, State>);

/// Locks the state. A panic under the lock ends a test anyway, so poisoning is ignored.
pub(crate) fn lock(shared: &Mutex<State>) -> Locked<'_> {
    Locked(shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

impl Locked<'_> {
    /// It has changed, as far as who asks next is concerned.
    pub(crate) fn touch(&mut self) {
        self.0.changed = true;
    }

    /// The state, for who changes nothing in it that outlives the process.
    pub(crate) fn unmarked(&mut self) -> &mut State {
        &mut self.0
    }

    /// Whether the state may have changed since this was asked before.
    pub(crate) fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.0.changed)
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.0.changed = true;
        &mut self.0
    }
}

impl State {
    /// Nothing yet; keys and codes are of this source.
    pub(crate) fn new(source: Source) -> Self {
        Self {
            accounts: Accounts::new(source),
            call_ids: source.stream("ids of calls", b""),
            token_bytes: source.stream("privacy tokens", b""),
            faults: Faults::new(source),
            groups: Groups::new(source),
            handshakes: Handshakes::new(source),
            media: Store::new(source),
            pairings: Pairings::new(source),
            ..Self::default()
        }
    }

    /// An id for a stanza that the server begins.
    pub(crate) fn next_id(&mut self) -> String {
        self.stanzas += 1;
        format!("{:016X}", self.stanzas)
    }

    /// The same, and the time.
    pub(crate) fn stamp(&mut self) -> Stamp {
        Stamp { id: self.next_id(), at: self.clock.now() }
    }

    /// The accounts in a group.
    pub(crate) fn members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Account> {
        let names = group.members.iter().map(|member| member.person.name.as_str());
        names.filter_map(|name| self.accounts.by_name(name))
    }

    /// Whether an account has blocked another one.
    pub(crate) fn blocks(&self, account: AccountId, other: AccountId) -> bool {
        self.accounts.get(account).is_some_and(|account| account.privacy.blocks(other))
    }

    /// Lets every connection hang that is to, and the others go on.
    pub(crate) fn hush(&self) {
        self.links.hush(|addr| {
            let account = addr.and_then(|addr| self.accounts.get(addr.account));
            self.network.hanging || account.is_some_and(|account| account.hangs)
        });
    }

    /// Hands a stanza to every device of an account: now to those that listen, later to the others.
    pub(crate) fn push(&mut self, push: Push) {
        let Push { account: id, except, node } = push;
        let Some(account) = self.accounts.get(id) else { return };
        let devices: Vec<DeviceAddr> =
            account.linked().filter(|addr| Some(*addr) != except).collect();
        for addr in devices {
            self.deliver(addr, Arc::clone(&node));
        }
    }

    /// Hands out several stanzas, in order.
    pub(crate) fn push_all(&mut self, pushes: Vec<Push>) {
        for push in pushes {
            self.push(push);
        }
    }

    /// Hands a stanza to one device. It is kept until the device has acknowledged it, or told once if it has no id, as no
    /// acknowledgement could name it; a phone (device 0) reads it by itself.
    pub(crate) fn deliver(&mut self, addr: DeviceAddr, node: Arc<Node>) {
        if addr.is_phone() {
            return phone::deliver(self, addr.account, node);
        }
        if !has_id(&node) {
            return self.tell(addr, node);
        }
        let Some(device) = self.accounts.device_mut(addr) else { return };
        if device.queue.keep(Arc::clone(&node))
            && let Some(link) = device.link
        {
            self.hand(addr, link, node);
        }
    }

    /// Hands a stanza to one device if it takes stanzas, though it may lack some that it missed; what is gone by
    /// tomorrow is not kept.
    pub(crate) fn tell(&mut self, addr: DeviceAddr, node: Arc<Node>) {
        let device = self.accounts.device(addr).filter(|device| device.queue.has_begun());
        if let Some(link) = device.and_then(|device| device.link) {
            self.hand(addr, link, node);
        }
    }

    /// The device takes stanzas from now on: first what it missed.
    pub(crate) fn replay(&mut self, addr: DeviceAddr) {
        if let Some(device) = self.accounts.device_mut(addr) {
            device.queue.start();
        }
        self.catch_up(addr);
    }

    /// The device asks for more of what it missed.
    pub(crate) fn more(&mut self, addr: DeviceAddr, count: usize) {
        if let Some(device) = self.accounts.device_mut(addr) {
            device.queue.ask(count);
        }
        self.catch_up(addr);
    }

    /// The device has what this `ack` or `receipt` names.
    pub(crate) fn acknowledge(&mut self, addr: DeviceAddr, word: &Node) {
        if let Some(device) = self.accounts.device_mut(addr) {
            device.queue.acknowledge(word);
        }
        self.catch_up(addr);
    }

    /// Sends what may be sent of what a device missed, and at the end how much that was.
    fn catch_up(&mut self, addr: DeviceAddr) {
        let Some(device) = self.accounts.device_mut(addr) else { return };
        let Some(link) = device.link else { return };
        let released = device.queue.release();
        for node in released.stanzas {
            self.hand(addr, link, node.into());
        }
        if let Some(count) = released.done {
            self.links.send(link, crate::connection::login::offline_done(count));
            presence::catch_up(self, addr);
        }
    }
}
