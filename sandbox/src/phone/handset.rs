//! What the phone of an account keeps as a peer of other devices, and the way of a stanza to it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use buffa::Message as _;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};
use tracing::warn;
use wacore_binary::Node;
use waproto::whatsapp::Message;

use super::chats::Chats;
use super::inbox;
use super::recipient::Recipient;
use super::sending;
use super::signal::Signal;
use crate::data::form::{bytes, nodes};
use crate::state::{AccountId, DeviceAddr, Shared, State, lock};

/// Sent messages that are kept, for devices that cannot read them.
const SENT: usize = 128;

/// Stanzas that wait for the phone to read them; beyond that the oldest are dropped.
const INBOX: usize = 4096;

/// Messages whose retries are counted; beyond that all counts are forgotten.
const COUNTED: usize = 1000;

/// The phone of an account as a peer: made when it first receives or sends.
#[derive(Serialize, Deserialize)]
pub(crate) struct Handset {
    /// Locked while something is sealed or opened, and taken before the state's lock, never under it.
    #[serde(skip, default = "nobodys")]
    pub(super) signal: Arc<Mutex<Signal>>,
    #[serde(with = "nodes")]
    inbox: VecDeque<Arc<Node>>,
    /// The stanza that is being read, if there is one.
    #[serde(with = "nodes")]
    opened: VecDeque<Arc<Node>>,
    /// A task reads the inbox.
    #[serde(skip)]
    reading: bool,
    /// What was read.
    pub(crate) chats: Chats,
    sent: VecDeque<Sent>,
    retries: HashMap<(DeviceAddr, String), u8>,
    /// How often a device has got a message again.
    resends: HashMap<(DeviceAddr, String), u8>,
    /// A device that is linked does not get the key of the shared settings unasked.
    pub(super) withholding: bool,
}

/// A message that the phone has sent, encoded: decoded it takes several times as much.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) to: Recipient,
    /// When, in epoch seconds.
    pub(super) at: i64,
    #[serde(with = "bytes")]
    pub(super) message: Vec<u8>,
}

/// Tells the task that serves all phones whose inbox has got its first stanza.
#[derive(Default)]
pub(crate) struct Bell(Option<mpsc::UnboundedSender<AccountId>>);

impl Handset {
    /// Gives a phone that was kept its sessions, which are kept apart from it. What it was reading it reads again.
    pub(crate) fn restore(&mut self, signal: Signal) {
        self.signal = Arc::new(Mutex::new(signal));
        for node in self.opened.drain(..).rev() {
            self.inbox.push_front(node);
        }
    }

    /// The next stanza; `None` ends the reading.
    pub(super) fn next(&mut self) -> Option<Arc<Node>> {
        let next = self.inbox.pop_front();
        self.reading = next.is_some();
        self.opened.clear();
        self.opened.extend(next.clone());
        next
    }

    /// Keeps a message for a while.
    pub(super) fn keep(&mut self, sent: Sent) {
        if self.sent.len() == SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
    }

    /// A message that was kept.
    pub(super) fn sent(&self, id: &str) -> Option<&Sent> {
        self.sent.iter().rev().find(|sent| sent.id == id)
    }

    /// Every message that was kept, the oldest first.
    pub(super) fn all_sent(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter()
    }

    /// Counts one more time that a message cannot be read, which its sender has sent so many times again.
    pub(super) fn count_retry(&mut self, sender: DeviceAddr, id: &str, resent: u8) -> u8 {
        count(&mut self.retries, (sender, id), resent)
    }

    /// Counts one more time that a device wants a message again.
    pub(super) fn count_resend(&mut self, reader: DeviceAddr, id: &str) -> u8 {
        count(&mut self.resends, (reader, id), 0)
    }
}

/// Counts one more, and from no less than this.
fn count(
    counts: &mut HashMap<(DeviceAddr, String), u8>,
    (device, id): (DeviceAddr, &str),
    least: u8,
) -> u8 {
    if counts.len() == COUNTED {
        counts.clear();
    }
    let count = counts.entry((device, id.to_owned())).or_default();
    *count = (*count).max(least).saturating_add(1);
    *count
}

impl State {
    /// The phone of an account keeps a message that it has sent now.
    pub(super) fn keep_sent(
        &mut self,
        account: AccountId,
        id: &str,
        to: &Recipient,
        message: &Message,
    ) {
        let at = self.clock.now();
        if let Some(handset) = self.handset(account) {
            let message = message.encode_to_vec();
            handset.keep(Sent { id: id.to_owned(), to: to.clone(), at, message });
        }
    }

    /// The sessions of every phone that has any.
    pub(crate) fn signals(&self) -> impl Iterator<Item = (AccountId, &Arc<Mutex<Signal>>)> {
        let phones = self.accounts.iter();
        phones.filter_map(|account| Some((account.id, &account.handset.as_ref()?.signal)))
    }

    /// The phone of an account, made if this is the first that it has to do.
    pub(crate) fn handset(&mut self, account: AccountId) -> Option<&mut Handset> {
        let (account, source) = self.accounts.with_source(account)?;
        let own = DeviceAddr::phone(account.id);
        let keys = &account.keys;
        let handset = account.handset.get_or_insert_with(|| {
            let random = source.stream("conversations of a phone", &keys.public());
            Box::new(Handset {
                signal: Arc::new(Mutex::new(Signal::new(own, keys, random))),
                inbox: VecDeque::new(),
                opened: VecDeque::new(),
                reading: false,
                chats: Chats::default(),
                sent: VecDeque::new(),
                retries: HashMap::new(),
                resends: HashMap::new(),
                withholding: false,
            })
        });
        Some(handset)
    }
}

/// In the place of sessions that are read after the phone.
fn nobodys() -> Arc<Mutex<Signal>> {
    Arc::new(Mutex::new(Signal::blank()))
}

/// Hands a stanza to the phone of an account, which reads it as soon as it has read those before.
pub(crate) fn deliver(state: &mut State, account: AccountId, node: Arc<Node>) {
    let Some(handset) = state.handset(account) else { return };
    if handset.inbox.len() == INBOX {
        warn!("a phone does not keep up with what it is sent");
        handset.inbox.pop_front();
    }
    handset.inbox.push_back(node);
    if std::mem::replace(&mut handset.reading, true) {
        return;
    }
    if let Bell(Some(bell)) = &state.bell {
        // Nobody listens once the server has stopped.
        let _ = bell.send(account);
    }
}

/// Forgets every session and sender key of a phone.
pub(crate) async fn forget_sessions(shared: &Shared, account: AccountId) {
    if let Ok(signal) = sending::signal(shared, account) {
        signal.lock().await.forget_all();
        lock(shared).touch();
    }
}

/// Sets whether a phone keeps the key of the shared settings to itself until it is asked for it.
pub(crate) fn withhold_keys(state: &mut State, account: AccountId, on: bool) {
    if let Some(handset) = state.handset(account) {
        handset.withholding = on;
    }
}

/// Waits until something is there to be found among what a phone has received.
pub(crate) async fn wait<T>(
    shared: &Shared,
    account: AccountId,
    find: impl Fn(&Chats) -> Option<T>,
) -> T {
    loop {
        let changes = {
            let mut state = lock(shared);
            let chats = state.handset(account).map(|handset| &handset.chats);
            if let Some(found) = chats.and_then(&find) {
                return found;
            }
            chats.map(Chats::changes)
        };
        let Some(mut changes) = changes else { return std::future::pending().await };
        // The sender lives as long as the account.
        let _ = changes.changed().await;
    }
}

/// Lets the phones read what they are sent, as long as the state is there: one task for each that has something to read.
pub(crate) fn serve(shared: &Shared) {
    let (bell, mut rung) = mpsc::unbounded_channel();
    {
        let mut state = lock(shared);
        state.bell = Bell(Some(bell));
        wake(&mut state);
    }
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        while let Some(account) = rung.recv().await {
            let Some(shared) = shared.upgrade() else { break };
            tokio::spawn(inbox::read(shared, account));
        }
    });
}

/// Lets the phones read that have something to read and do not.
fn wake(state: &mut State) {
    let Bell(Some(bell)) = &state.bell else { return };
    for account in state.accounts.iter_mut() {
        if let Some(handset) = &mut account.handset
            && !handset.inbox.is_empty()
            && !std::mem::replace(&mut handset.reading, true)
        {
            // The one who listens was made with the bell.
            let _ = bell.send(account.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    #[test]
    fn an_account_has_no_handset_until_it_is_needed() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        assert!(state.accounts.get(shop).is_some_and(|account| account.handset.is_none()));
        deliver(&mut state, shop, NodeBuilder::new("receipt").build().into());
        let handset = state.handset(shop).expect("a handset");
        assert_eq!(handset.next().map(|node| node.tag.to_string()).as_deref(), Some("receipt"));
        assert!(handset.reading);
        assert!(handset.next().is_none() && !handset.reading);
    }

    #[test]
    fn a_phone_that_is_read_anew_reads_what_it_was_at_once_more() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        for id in ["1", "2", "3"] {
            deliver(&mut state, shop, NodeBuilder::new("receipt").attr("id", id).build().into());
        }
        let handset = state.handset(shop).expect("a handset");
        let next = |handset: &mut Handset| Some(handset.next()?.attrs.get("id")?.to_string());
        assert_eq!([next(handset), next(handset)], [Some("1".into()), Some("2".into())]);
        handset.reading = false;
        handset.restore(Signal::blank());
        let (bell, mut rung) = mpsc::unbounded_channel();
        state.bell = Bell(Some(bell));
        wake(&mut state);
        wake(&mut state);
        assert_eq!((rung.try_recv().ok(), rung.try_recv().ok()), (Some(shop), None));
        let handset = state.handset(shop).expect("a handset");
        let rest: Vec<String> = std::iter::from_fn(|| next(handset)).collect();
        assert_eq!(rest, ["2", "3"]);
    }

    #[test]
    fn an_inbox_is_bounded_and_drops_the_oldest() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        for number in 0..=INBOX {
            let node = NodeBuilder::new("receipt").attr("id", number).build();
            deliver(&mut state, shop, node.into());
        }
        let handset = state.handset(shop).expect("a handset");
        assert_eq!(handset.inbox.len(), INBOX);
        let first = handset.next().expect("a stanza");
        assert_eq!(crate::stanza::attr(&first, "id").as_deref(), Some("1"));
    }

    #[test]
    fn retries_are_counted_from_what_the_sender_says() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        let sender = DeviceAddr { account: shop, device: 1 };
        let handset = state.handset(shop).expect("a handset");
        assert_eq!(handset.count_retry(sender, "M", 0), 1);
        assert_eq!(handset.count_retry(sender, "M", 1), 2);
        assert_eq!(handset.count_retry(sender, "M", 4), 5);
        assert_eq!(handset.count_retry(sender, "N", 0), 1);
    }
}
