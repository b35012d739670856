//! The state at one moment, in bytes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use crate::state::{AccountId, Held, Shared, State, lock};

/// Why a state cannot be written.
pub(super) type Unwritten = ciborium::ser::Error<io::Error>;

/// What is to be written.
pub(super) struct Snapshot {
    /// The state without the bytes of files and pictures.
    pub(super) state: Vec<u8>,
    /// Those bytes, by their SHA-256.
    pub(super) blobs: HashMap<[u8; 32], Bytes>,
}

/// Waits until no phone reads or writes, and lets none begin. Their locks come before that of the state, and nobody else
/// holds two of them.
pub(super) async fn hold(shared: &Shared) -> Held {
    let signals: Vec<_> = {
        let state = lock(shared);
        state.signals().map(|(account, signal)| (account, Arc::clone(signal))).collect()
    };
    let mut held = Held::with_capacity(signals.len());
    for (account, signal) in signals {
        held.insert(account, signal.lock_owned().await);
    }
    held
}

/// Takes the state, with the phones that are held. `None` if there is a phone among those that came meanwhile that reads
/// or writes: then they have to be held once more.
/// As many bytes as it had before are made room for.
pub(super) fn take(
    shared: &Shared,
    mut held: Held,
    before: usize,
) -> Result<Option<Snapshot>, Unwritten> {
    let mut bytes = Vec::with_capacity(before + before / 8);
    let state = lock(shared);
    if hold_others(&state, &mut held).is_none() {
        return Ok(None);
    }
    encode(&state, &held, &mut bytes)?;
    Ok(Some(Snapshot { state: bytes, blobs: state.blobs().collect() }))
}

/// Holds the phones that are new, or were set up anew.
fn hold_others(state: &State, held: &mut Held) -> Option<()> {
    let is = |account: AccountId, held: &Held, signal| {
        held.get(&account).is_some_and(|guard| Arc::ptr_eq(OwnedMutexGuard::mutex(guard), signal))
    };
    for (account, signal) in state.signals() {
        if !is(account, held, signal) {
            held.insert(account, Arc::clone(signal).try_lock_owned().ok()?);
        }
    }
    Some(())
}

fn encode(state: &State, held: &Held, bytes: &mut Vec<u8>) -> Result<(), Unwritten> {
    ciborium::into_writer(&state.keeping(held), bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ciborium::Value;

    use super::*;
    use crate::state::{Device, DeviceAddr, Kept, OneTimeKey};
    use crate::{
        BusinessProfile, Config, Dirty, History, HistoryChat, HistoryMessage, NewGroup, Sandbox,
    };

    const JPEG: [u8; 4] = [0xFF, 0xD8, 0xFF, 0xE0];

    /// A server with something of everything.
    async fn eventful() -> Sandbox {
        let sandbox = Sandbox::start(Config::default()).await.expect("a server");
        let [boss, shop] = ["boss", "shop"].map(|name| sandbox.add_phone(name));
        with_a_device(&sandbox);
        let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").member("shop"));
        group.sets_description("at night");
        group.resets_invite();
        group.sets_approval(true);
        sandbox.add_phone("mia").sets_privacy("groupadd", "none");
        group.by("mia").joins();
        for to in ["shop", &group.gid()] {
            let id = boss.sends(to, "hello").await.expect("sent");
            shop.receives(|message| message.id == id).await.expect("received");
            shop.reads(&[&id]).expect("a receipt");
        }
        boss.hears(|receipt| receipt.kind == "read").await.expect("heard");
        let answer = shop.sends("boss", "hi").await.expect("sent");
        boss.receives(|message| message.id == answer).await.expect("received");
        shop.forgets_sessions().await.expect("forgotten");
        boss.sends("shop", "lost").await.expect("sent");
        shop.cannot_read(|_| true).await.expect("unreadable");
        boss.sets_picture(&JPEG);
        boss.sets_about("open");
        boss.sets_disappearing_mode(60);
        boss.is_business(BusinessProfile { name: "Boss".into(), ..BusinessProfile::default() });
        boss.blocks("mia", true);
        boss.sets_prop(7, "on");
        boss.marks_dirty(Dirty::Groups);
        boss.gets_banned(101, Duration::from_mins(1));
        boss.mutes("shop", None).expect("muted");
        boss.folds_settings();
        boss.pins("shop", true).expect("pinned");
        let said = HistoryMessage { id: "M".into(), text: "then".into(), ..Default::default() };
        let chat = HistoryChat { chat: "shop".into(), messages: vec![said], ..Default::default() };
        boss.has_history(&History { chats: vec![chat], ..Default::default() }).expect("a past");
        let paper = sandbox.add_newsletter("boss", "Paper");
        paper.gets_followed("shop");
        let number = paper.posts("news");
        paper.gets_reaction("shop", number, "👍");
        let stored = sandbox.stores_media("image", b"sealed");
        sandbox.expires_media(&stored.direct_path);
        sandbox.stores_media("image", b"sealed");
        sandbox
    }

    fn with_a_device(sandbox: &Sandbox) {
        let mut state = lock(sandbox.state());
        let boss = state.accounts.by_name("boss").expect("known").id;
        let mut device = Device::new(1, 1, 7);
        device.one_time_keys.extend((1..=812).map(|id| OneTimeKey::new(id, [7; 32])));
        state.accounts.get_mut(boss).expect("known").devices.push(device);
        let node = wacore_binary::builder::NodeBuilder::new("message").attr("id", "1").bytes([1]);
        state.deliver(DeviceAddr { account: boss, device: 1 }, node.build().into());
    }

    fn written(state: &State) -> Vec<u8> {
        let mut held = Held::new();
        hold_others(state, &mut held).expect("nobody reads or writes");
        let mut bytes = Vec::new();
        encode(state, &held, &mut bytes).expect("a state");
        bytes
    }

    /// Maps and sets have no order that would be the same twice. Sessions and sender keys go on beyond what they may have
    /// been used for, and what a phone was reading goes back into its inbox, so they are left out: they have tests of their own.
    fn plain(value: Value) -> Value {
        let text = |value: &Value| format!("{value:?}");
        match value {
            Value::Map(pairs) => {
                let advances = |key: &Value| {
                    matches!(key.as_text(), Some("sessions" | "sender_keys" | "inbox" | "opened"))
                };
                let pairs = pairs.into_iter().filter(|(key, _)| !advances(key));
                let mut pairs: Vec<_> =
                    pairs.map(|(key, value)| (plain(key), plain(value))).collect();
                pairs.sort_by_cached_key(|(key, _)| text(key));
                Value::Map(pairs)
            }
            Value::Array(values) => {
                let mut values: Vec<_> = values.into_iter().map(plain).collect();
                values.sort_by_cached_key(text);
                Value::Array(values)
            }
            other => other,
        }
    }

    /// Where two states differ: the whole of them is too much to look at.
    fn difference(one: &Value, other: &Value) -> Option<String> {
        match (one, other) {
            (Value::Map(one), Value::Map(other)) if one.len() == other.len() => {
                one.iter().zip(other).find_map(|((key, one), (same, other))| {
                    let inside = || difference(one, other);
                    let found = if key == same { inside() } else { Some(String::new()) };
                    found.map(|found| format!("{key:?} {found}"))
                })
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                one.iter().zip(other).find_map(|(one, other)| difference(one, other))
            }
            _ => (one != other).then(String::new),
        }
    }

    fn read(bytes: &[u8]) -> Value {
        plain(ciborium::from_reader(bytes).expect("CBOR"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_read_is_what_was_written() {
        let sandbox = eventful().await;
        let held = hold(sandbox.state()).await;
        let Snapshot { state: first, blobs } =
            take(sandbox.state(), held, 0).expect("a state").expect("nobody reads or writes");
        let kept: Kept = ciborium::from_reader(&first[..]).expect("a state");
        let blob = |sha256| blobs.get(&sha256).cloned().ok_or("a blob is missing");
        let state = kept.into_state(blob).expect("a state");
        assert_eq!(state.blobs().collect::<HashMap<_, _>>(), blobs);
        assert_eq!(state.media.held(), lock(sandbox.state()).media.held());
        assert_eq!(difference(&read(&written(&state)), &read(&first)), None);
        // One-time prekeys stay compact: 35 bytes each.
        assert!(first.len() < 812 * 35 + 40_000, "{}", first.len());
    }
}
