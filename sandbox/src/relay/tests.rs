//! Who gets messages and receipts, without a client.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::*;
use crate::groups::{NewGroup, add};
use crate::state::{AccountId, Device, DeviceAddr, State};

/// Accounts `shop`, `mia` and `bob`, each with a device 1 that is away.
pub(crate) fn three() -> (State, [DeviceAddr; 3]) {
    let mut state = State::default();
    let addrs = ["shop", "mia", "bob"].map(|name| {
        let account = state.accounts.add(name).expect("a free name");
        let devices = &mut state.accounts.get_mut(account).expect("just made").devices;
        devices.push(Device::new(1, 1, 7));
        DeviceAddr { account, device: 1 }
    });
    (state, addrs)
}

fn lid(state: &State, addr: DeviceAddr) -> Jid {
    state.accounts.get(addr.account).expect("known").lid().with_device(addr.device)
}

fn block(state: &mut State, account: AccountId, whom: AccountId) {
    crate::iq::privacy::block(state, account, whom, true);
}

/// How many messages and receipts wait for a device.
fn waiting(state: &State, addr: DeviceAddr) -> (usize, usize) {
    let missed = state.accounts.device(addr).expect("linked").queue.missed();
    (missed.messages, missed.receipts)
}

fn enc() -> Node {
    NodeBuilder::new("enc").attr("v", "2").attr("type", "msg").bytes(*b"sealed").build()
}

fn message_to(to: &Jid, children: Vec<Node>) -> Node {
    let node = NodeBuilder::new("message").attr("id", "M").attr("type", "text").attr("to", to);
    node.children(children).build()
}

#[test]
fn who_is_blocked_gets_through_in_no_way() {
    let (mut state, [shop, mia, _]) = three();
    let to = lid(&state, shop);
    let listed = NodeBuilder::new("to").attr("jid", &to).children([enc()]).build();
    let list = || NodeBuilder::new("participants").children([listed.clone()]).build();
    let ways = [
        message_to(&to.to_non_ad(), vec![list()]),
        message_to(&to, vec![enc()]),
        message_to(&to.to_non_ad(), vec![enc()]),
        message_to(&Jid::status_broadcast(), vec![list()]),
    ];
    let got = |state: &mut State| {
        for node in &ways {
            let ack = message(state, mia, node);
            assert!(!ack.attrs.contains_key("error"), "{ack:?}");
        }
        waiting(state, shop).0
    };
    assert_eq!(got(&mut state), 3, "the phone gets the one without a list");
    block(&mut state, shop.account, mia.account);
    assert_eq!(got(&mut state), 3);
}

#[test]
fn receipts_of_an_accounts_own_affairs_reach_nobody_else() {
    let (mut state, [shop, mia, _]) = three();
    let account = state.accounts.get_mut(mia.account).expect("known");
    account.devices.push(Device::new(2, 2, 8));
    let other = DeviceAddr { device: 2, ..mia };
    for kind in ["sender", "peer_msg", "hist_sync", "server-error"] {
        let word = |to: &Jid| {
            NodeBuilder::new("receipt").attr("id", kind).attr("type", kind).attr("to", to).build()
        };
        let (strange, own) = (word(&lid(&state, shop)), word(&lid(&state, other)));
        receipt(&mut state, mia, &strange);
        receipt(&mut state, mia, &own);
    }
    // The last is for the phone, whichever device it names.
    assert_eq!((waiting(&state, shop).1, waiting(&state, other).1), (0, 3));
    let got = |state: &State, addr: DeviceAddr| {
        state.accounts.get(addr.account).expect("known").handset.is_some()
    };
    assert!(got(&state, mia) && !got(&state, shop));
}

#[test]
fn receipts_of_strangers_to_a_group_and_of_the_blocked_are_not_passed_on() {
    let (mut state, [shop, mia, bob]) = three();
    let shared = std::sync::Arc::new(std::sync::Mutex::new(state));
    let gid = add(&shared, NewGroup::new("Crew").owner("shop").member("mia")).expect("a group");
    state = std::mem::take(&mut *crate::state::lock(&shared));
    let author = lid(&state, shop);
    let retry = |to: &Jid, participant: Option<&Jid>| {
        let node = NodeBuilder::new("receipt").attr("id", "M").attr("type", "retry").attr("to", to);
        match participant {
            Some(participant) => node.attr("participant", participant).build(),
            None => node.build(),
        }
    };
    receipt(&mut state, bob, &retry(&gid, Some(&author)));
    receipt(&mut state, bob, &retry(&Jid::group("1"), Some(&author)));
    assert_eq!(waiting(&state, shop).1, 0);
    receipt(&mut state, mia, &retry(&gid, Some(&author)));
    receipt(&mut state, bob, &retry(&author, None));
    assert_eq!(waiting(&state, shop).1, 2);
    block(&mut state, shop.account, bob.account);
    receipt(&mut state, bob, &retry(&author, None));
    assert_eq!(waiting(&state, shop).1, 2);
}

#[test]
fn nobody_speaks_as_a_device_of_another_account() {
    let (mut state, [shop, mia, _]) = three();
    let peer = |to: &Jid, children| {
        let mut node = message_to(to, children);
        node.attrs.insert("category", "peer");
        node
    };
    let to = lid(&state, shop);
    let listed = NodeBuilder::new("to").attr("jid", &to).children([enc()]).build();
    let list = || NodeBuilder::new("participants").children([listed.clone()]).build();
    for node in [
        peer(&to.to_non_ad(), vec![list()]),
        peer(&to, vec![enc()]),
        peer(&Jid::status_broadcast(), vec![list()]),
    ] {
        let ack = message(&mut state, mia, &node);
        assert_eq!(crate::stanza::attr(&ack, "error").as_deref(), Some("400"));
    }
    assert_eq!(waiting(&state, shop).0, 0);
    let own = lid(&state, mia).to_non_ad();
    let ack = message(&mut state, mia, &peer(&own, vec![enc()]));
    assert!(!ack.attrs.contains_key("error"), "to its own phone");
}

#[test]
fn what_no_acknowledgement_could_name_does_not_wait() {
    let (mut state, [shop, mia, _]) = three();
    let to = lid(&state, shop).to_non_ad();
    let call = |id: Option<&str>| {
        let offer = NodeBuilder::new("transport").attr("call-id", "X").build();
        let node = NodeBuilder::new("call").attr("to", &to).children([offer]);
        match id {
            Some(id) => node.attr("id", id).build(),
            None => node.build(),
        }
    };
    let calls = |state: &State| state.accounts.device(shop).expect("linked").queue.missed().calls;
    for (id, waiting) in [(None, 0), (Some(""), 0), (Some("C"), 1)] {
        let ack = crate::calls::call(&mut state, mia, &call(id));
        assert!(!ack.attrs.contains_key("error"), "{ack:?}");
        assert_eq!(calls(&state), waiting, "{id:?}");
    }
    receipt(&mut state, mia, &NodeBuilder::new("receipt").attr("to", &to).build());
    assert_eq!(waiting(&state, shop).1, 0);
}
