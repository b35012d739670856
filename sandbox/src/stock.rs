//! One-time prekeys: each is given out once, and the device is told when few are left.

use wacore_binary::SERVER_JID;
use wacore_binary::builder::NodeBuilder;

use crate::stanza;
use crate::state::{DeviceAddr, OneTimeKey, State};

/// A device with fewer keys than this is told at each further one that goes. whatsapp-rust `notification/device.rs`
/// says that the real server speaks up before its own mark of 5 is reached, and uploads at once; Baileys looks at the
/// number that it is told, and uploads when that is below 5.
const LOW: usize = 10;

/// Takes one of a device's one-time prekeys, if there is one left.
pub(crate) fn take(state: &mut State, addr: DeviceAddr) -> Option<OneTimeKey> {
    let device = state.accounts.device_mut(addr)?;
    let key = device.one_time_keys.pop_front()?;
    let left = device.one_time_keys.len();
    if left < LOW {
        let stamp = state.stamp();
        let count = NodeBuilder::new("count").attr("value", left).build();
        let node = stanza::notification(SERVER_JID, "encrypt", &stamp).children([count]).build();
        state.deliver(addr, node.into());
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Device;

    #[test]
    fn a_device_is_told_of_each_key_once_few_are_left() {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        let addr = DeviceAddr { account, device: 1 };
        let mut device = Device::new(1, 1, 7);
        let keys = (1..=12).map(|id| OneTimeKey::new(id, [0; 32]));
        device.one_time_keys.extend(keys);
        state.accounts.get_mut(account).expect("just made").devices.push(device);
        let taken: Vec<u32> =
            std::iter::from_fn(|| take(&mut state, addr)).map(|key| key.id()).collect();
        assert_eq!(taken, (1..=12).collect::<Vec<_>>());
        let queue = &mut state.accounts.device_mut(addr).expect("linked").queue;
        queue.ask(10);
        queue.start();
        let missed = queue.release().stanzas;
        let counts: Vec<String> = missed
            .iter()
            .filter_map(|node| stanza::attr(stanza::first_child(node)?, "value"))
            .collect();
        assert_eq!(counts, ["9", "8", "7", "6", "5", "4", "3", "2", "1", "0"]);
    }
}
