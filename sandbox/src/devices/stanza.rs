//! What is said about an account's devices.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::stanza::{Stamp, notification};
use crate::state::Account;

/// The whole list, for the account's own devices (whatsapp-rust `notification/device.rs`: with phone numbers, the phone
/// among them, and from the account itself; anybody else's is refused there).
pub(super) fn account_sync(account: &mut Account, stamp: &Stamp) -> Node {
    let pn = account.pn();
    let mut devices = vec![NodeBuilder::new("device").attr("jid", &pn).build()];
    devices.extend(
        account.devices.iter().map(|linked| device(pn.with_device(linked.id), linked.key_index)),
    );
    let list = account.device_list(stamp.at);
    devices.push(key_indexes(list.at, Some(&list.signed)));
    let all = NodeBuilder::new("devices").attr("dhash", list.hash.as_str()).children(devices);
    notification(pn, "account_sync", stamp).children([all.build()]).build()
}

/// One device more, for everybody else; `None` if there is no such device (wacore `stanza/devices.rs`: one device to a
/// notification, and the signed list with it).
pub(super) fn added(account: &mut Account, stamp: &Stamp, number: u16) -> Option<Node> {
    let added = one(account, number).attr("key-index", account.device(number)?.key_index).build();
    let list = account.device_list(stamp.at);
    let children = [added, key_indexes(list.at, Some(&list.signed))];
    Some(devices(account, stamp, NodeBuilder::new("add").children(children).build()))
}

/// One device less (wacore `stanza/devices.rs`: the list's time has to be there, its bytes are not).
pub(super) fn removed(account: &Account, stamp: &Stamp, number: u16) -> Node {
    let children = [one(account, number).build(), key_indexes(stamp.at, None)];
    devices(account, stamp, NodeBuilder::new("remove").children(children).build())
}

/// All keys are new (whatsapp-rust `notification/device.rs`: from the phone number, the LID beside it).
pub(super) fn identity(account: &Account, stamp: &Stamp) -> Node {
    notification(account.pn(), "encrypt", stamp)
        .attr("lid", account.lid())
        .children([NodeBuilder::new("identity").build()])
        .build()
}

/// From the phone number, with the LID beside it: whatsapp-rust `notification/device.rs` learns from this that both are one
/// account. From the LID alone it finds nothing if it has asked by phone number, and stays with the list that it has.
fn devices(account: &Account, stamp: &Stamp, operation: Node) -> Node {
    notification(account.pn(), "devices", stamp)
        .attr("lid", account.lid())
        .children([operation])
        .build()
}

fn one(account: &Account, number: u16) -> NodeBuilder {
    NodeBuilder::new("device")
        .attr("jid", account.pn().with_device(number))
        .attr("lid", account.lid().with_device(number))
}

fn device(jid: Jid, key_index: u32) -> Node {
    NodeBuilder::new("device").attr("jid", jid).attr("key-index", key_index).build()
}

fn key_indexes(at: i64, signed: Option<&[u8]>) -> Node {
    let list = NodeBuilder::new("key-index-list").attr("ts", at);
    match signed {
        Some(signed) => list.bytes(signed.to_vec()).build(),
        None => list.build(),
    }
}

#[cfg(test)]
mod tests {
    use wacore::stanza::devices::{DeviceNotification, DeviceNotificationType};

    use super::*;
    use crate::state::{Device, State};

    fn stamp() -> Stamp {
        Stamp { id: "7".to_owned(), at: 7 }
    }

    /// What a client reads of a notification about `shop`, whose one device has the number 3.
    fn read(make: impl FnOnce(&mut Account) -> Option<Node>) -> Option<DeviceNotification> {
        let mut state = State::default();
        let id = state.accounts.add("shop").expect("a free name");
        let account = state.accounts.get_mut(id).expect("just made");
        account.devices.push(Device::new(3, 5, 7));
        let node = make(account)?;
        Some(DeviceNotification::try_parse(&node.as_node_ref()).expect("a notification"))
    }

    #[test]
    fn a_client_reads_who_came_and_who_went() {
        let added = read(|account| added(account, &stamp(), 3)).expect("it is there");
        assert_eq!(added.lid_pn_mapping(), Some(("100000000000001", "15550000001")));
        assert_eq!(added.operation.operation_type, DeviceNotificationType::Add);
        assert_eq!(
            (added.operation.device_ids(), added.operation.devices[0].key_index),
            (vec![3], Some(5))
        );
        let signed = added.operation.key_index.and_then(|list| list.signed_bytes);
        let list = wacore::adv::decode_key_index_list(&signed.expect("signed")).expect("a list");
        assert_eq!(list.valid_indexes, [0, 5]);

        let removed = read(|account| Some(removed(account, &stamp(), 2))).expect("made");
        assert_eq!(removed.operation.operation_type, DeviceNotificationType::Remove);
        assert_eq!(removed.operation.device_ids(), [2]);
    }

    #[test]
    fn a_device_that_is_not_there_cannot_have_come() {
        assert!(read(|account| added(account, &stamp(), 1)).is_none());
    }
}
