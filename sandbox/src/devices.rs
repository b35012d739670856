//! The devices of an account as others see them: the signed list, and who hears when it changes.
//!
//! The account's other devices get the whole list (`account_sync`), everybody who may encrypt to the account gets the
//! one device that came or went (`devices`), or the word that all keys are new (`encrypt`).

mod list;
mod stanza;

use std::collections::BTreeSet;
use std::sync::Arc;

use wacore_binary::Node;

use crate::app_state::Collections;
use crate::phone::Settings;
use crate::stanza::{Push, Stamp};
use crate::state::{Account, AccountId, DeviceAddr, State};
use crate::tokens;
pub(crate) use list::SignedList;

/// Accounts that an account remembers to have been asked about by; more are not told of its devices, unless they are
/// in a group with it.
const MAX_PEERS: usize = 4096;

/// An account asks about the devices of another, or has exchanged messages with it: it hears when they change.
pub(crate) fn knows(state: &mut State, who: AccountId, whom: AccountId) {
    if who == whom {
        return;
    }
    if let Some(account) = state.accounts.get_mut(whom)
        && account.peers.len() < MAX_PEERS
    {
        account.peers.insert(who);
    }
}

/// A device was linked: the others are told. It is not told itself, for it asks when it logs in.
pub(crate) fn linked(state: &mut State, addr: DeviceAddr) {
    sync(state, addr.account, Some(addr));
    tell_peers(state, addr.account, |account, stamp| stanza::added(account, stamp, addr.device));
}

/// A device is linked no more: those that are left are told.
pub(crate) fn unlinked(state: &mut State, addr: DeviceAddr) {
    sync(state, addr.account, None);
    tell_peers(state, addr.account, |account, stamp| {
        Some(stanza::removed(account, stamp, addr.device))
    });
}

/// The phone is set up anew: the account has another identity, no settings and no past, and its peers are told. Its
/// devices have to be unlinked before.
pub(crate) fn reinstall(state: &mut State, id: AccountId) {
    state.accounts.renew_keys(id);
    let Some(account) = state.accounts.get_mut(id) else { return };
    // Sessions and chats were the old phone's; the numbers of what it has read go on.
    let chats = account.handset.take().map(|old| old.chats.emptied());
    account.app_state = Collections::default();
    account.settings = Settings::default();
    account.history = None;
    account.tokens.forget_salt();
    account.relist();
    if let Some(chats) = chats
        && let Some(handset) = state.handset(id)
    {
        handset.chats = chats;
    }
    tokens::restore(state, id);
    tell_peers(state, id, |account, stamp| Some(stanza::identity(account, stamp)));
}

/// Gives the account's devices the list of all of them.
fn sync(state: &mut State, id: AccountId, except: Option<DeviceAddr>) {
    let stamp = state.stamp();
    let Some(account) = state.accounts.get_mut(id) else { return };
    account.relist();
    if account.devices.iter().all(|device| except.is_some_and(|new| new.device == device.id)) {
        return;
    }
    let node = stanza::account_sync(account, &stamp).into();
    state.push(Push { account: id, except, node });
}

/// Tells everybody who may encrypt to the account.
pub(crate) fn tell_peers(
    state: &mut State,
    id: AccountId,
    make: impl FnOnce(&mut Account, &Stamp) -> Option<Node>,
) {
    let peers = peers(state, id);
    if peers.is_empty() {
        return;
    }
    let stamp = state.stamp();
    let Some(node) = state.accounts.get_mut(id).and_then(|account| make(account, &stamp)) else {
        return;
    };
    let node = Arc::new(node);
    for account in peers {
        state.push(Push { account, except: None, node: Arc::clone(&node) });
    }
}

/// Who is told: those who asked, and the members of the account's groups.
pub(crate) fn peers(state: &State, id: AccountId) -> BTreeSet<AccountId> {
    let Some(account) = state.accounts.get(id) else { return BTreeSet::new() };
    let members = state.groups.of(&account.name).flat_map(|group| state.members(group));
    let mut peers: BTreeSet<AccountId> = members.map(|account| account.id).collect();
    peers.extend(&account.peers);
    peers.remove(&id);
    peers
}

/// Those of them to whom the account shows what this category of its privacy is about; without one, all whom it has not
/// blocked.
pub(crate) fn shown_to(
    state: &State,
    id: AccountId,
    category: Option<&str>,
) -> BTreeSet<AccountId> {
    let Some(account) = state.accounts.get(id) else { return BTreeSet::new() };
    let mut peers = peers(state, id);
    peers.retain(|peer| match category {
        Some(category) => account.privacy.shows(category, *peer),
        None => !account.privacy.blocks(*peer),
    });
    peers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::attr;
    use crate::state::Device;

    /// Accounts `shop` and `mia`, each with a device 1 that listens to nobody yet.
    fn two() -> (State, AccountId, AccountId) {
        let mut state = State::default();
        let mut add = |name| {
            let id = state.accounts.add(name).expect("a free name");
            state.accounts.get_mut(id).expect("just made").devices.push(Device::new(1, 1, 7));
            id
        };
        let (shop, mia) = (add("shop"), add("mia"));
        (state, shop, mia)
    }

    fn missed(state: &mut State, account: AccountId, device: u16) -> Vec<String> {
        let device = state.accounts.device_mut(DeviceAddr { account, device }).expect("linked");
        device.queue.rest();
        device.queue.start();
        device.queue.release().stanzas.iter().filter_map(|node| attr(node, "type")).collect()
    }

    #[test]
    fn those_who_know_an_account_hear_of_its_devices_and_others_do_not() {
        let (mut state, shop, mia) = two();
        linked(&mut state, DeviceAddr { account: shop, device: 1 });
        assert!(missed(&mut state, mia, 1).is_empty());
        knows(&mut state, mia, shop);
        linked(&mut state, DeviceAddr { account: shop, device: 1 });
        unlinked(&mut state, DeviceAddr { account: shop, device: 2 });
        reinstall(&mut state, shop);
        assert_eq!(missed(&mut state, mia, 1), ["devices", "devices", "encrypt"]);
    }

    #[test]
    fn the_other_devices_of_the_account_hear_and_the_new_one_does_not() {
        let (mut state, shop, _) = two();
        let account = state.accounts.get_mut(shop).expect("known");
        account.devices.push(Device::new(2, 2, 7));
        linked(&mut state, DeviceAddr { account: shop, device: 2 });
        assert_eq!(missed(&mut state, shop, 1), ["account_sync"]);
        assert!(missed(&mut state, shop, 2).is_empty());
    }

    #[test]
    fn an_account_remembers_a_bounded_number_of_others_and_not_itself() {
        let mut state = State::default();
        let ids: Vec<AccountId> = (0..=MAX_PEERS)
            .map(|number| state.accounts.add(&number.to_string()).expect("a free name"))
            .collect();
        for id in ids.iter().chain(&ids) {
            knows(&mut state, *id, ids[0]);
        }
        let peers = &state.accounts.get(ids[0]).expect("known").peers;
        assert!(peers.len() == MAX_PEERS && !peers.contains(&ids[0]));
    }
}
