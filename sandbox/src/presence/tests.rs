//! Who hears of whom, without a client.

use super::*;
use crate::connection;
use crate::state::{Device, Opened};

/// Accounts `shop` and `mia`, each with a device 1 that listens.
fn two() -> (State, [DeviceAddr; 2], [Opened; 2]) {
    let mut state = State::default();
    let addrs = ["shop", "mia"].map(|name| {
        let account = state.accounts.add(name).expect("a free name");
        let devices = &mut state.accounts.get_mut(account).expect("just made").devices;
        devices.push(Device::new(1, 1, 7));
        DeviceAddr { account, device: 1 }
    });
    let opened = addrs.map(|addr| {
        let opened = state.links.open(false);
        log_in(&mut state, addr, &opened);
        opened
    });
    (state, addrs, opened)
}

fn log_in(state: &mut State, addr: DeviceAddr, opened: &Opened) {
    state.links.log_in(opened.link, addr);
    state.accounts.device_mut(addr).expect("linked").log_in(opened.link);
    state.replay(addr);
}

fn said(kind: &'static str) -> Node {
    NodeBuilder::new("presence").attr("type", kind).build()
}

/// Type and `last` of every presence that a connection got.
fn heard(opened: &mut Opened) -> Vec<(String, Option<String>)> {
    std::iter::from_fn(|| Some(opened.queue.try_recv().ok()?.node))
        .filter(|node| node.tag == "presence")
        .map(|node| (attr(&node, "type").expect("a type"), attr(&node, "last")))
        .collect()
}

#[test]
fn who_is_unlinked_is_not_online_any_more_and_leaves_nothing() {
    let (mut state, [shop, mia], [mut shops, _mias]) = two();
    let lid = state.accounts.get(mia.account).expect("known").lid();
    subscribe(&mut state, shop, &lid, Shown::default());
    presence(&mut state, mia, &said("available"));
    state.board.wait(mia, Arc::new(said("paused")), state.clock.now_ms());
    let back = state.accounts.get(shop.account).expect("known").lid();
    subscribe(&mut state, mia, &back, Shown::default());
    heard(&mut shops);

    connection::unlink(&mut state, mia);
    assert!(!state.board.is_online(mia.account));
    assert_eq!(heard(&mut shops)[0].0, "unavailable");
    assert!(state.board.watchers(shop.account).is_empty());
    assert!(
        state.board.waited(mia, state.clock.now_ms()).is_empty(),
        "the next device 1 is another"
    );
}

#[test]
fn who_hides_being_online_along_with_the_last_time_is_not_shown() {
    let (mut state, [shop, mia], [mut shops, _mias]) = two();
    let account = state.accounts.get_mut(mia.account).expect("known");
    assert!(
        account.privacy.set("last", "none") && account.privacy.set("online", "match_last_seen")
    );
    let lid = account.lid();
    presence(&mut state, mia, &said("available"));
    subscribe(&mut state, shop, &lid, Shown::default());
    presence(&mut state, mia, &said("unavailable"));
    presence(&mut state, mia, &said("available"));
    assert_eq!(heard(&mut shops), [("unavailable".to_owned(), Some("deny".to_owned()))]);
}

#[test]
fn who_still_gets_what_it_missed_hears_of_others_all_the_same() {
    let (mut state, [shop, mia], [mut shops, _mias]) = two();
    for number in 0..20 {
        let node = NodeBuilder::new("message").attr("id", number).build();
        state.deliver(shop, node.into());
    }
    log_in(&mut state, shop, &shops);
    assert!(!state.accounts.device(shop).expect("linked").queue.is_live());
    let lid = state.accounts.get(mia.account).expect("known").lid();
    subscribe(&mut state, shop, &lid, Shown::default());
    presence(&mut state, mia, &said("available"));
    let kinds: Vec<String> = heard(&mut shops).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["unavailable", "available"]);
}
