//! Who is calling: a device that logs in, or a client that wants to be linked.

use buffa::Message;
use tracing::{debug, warn};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::whatsapp::ClientPayload;

use super::framing::ROUTING;
use crate::logins::{self, LoginFailure};
use crate::state::{DeviceAddr, LinkId, Missed, State};
use crate::streams::{self, StreamEnd};
use crate::{dirty, pairing, presence, stanza};

/// Reads the client's payload, and sends what it is to hear first.
pub(super) fn greet(state: &mut State, link: LinkId, noise: [u8; 32], payload: &[u8]) {
    let payload = match ClientPayload::decode_from_slice(payload) {
        Ok(payload) => payload,
        Err(error) => {
            warn!(link = link.0, %error, "client payload of connection `{}` does not parse", link.0);
            return refuse(state, link, &LoginFailure::reason(400));
        }
    };
    let greeted = if payload.device_pairing_data.is_set() {
        pair(state, link, noise, &payload)
    } else {
        known(state, &payload, noise)
            .ok_or(LoginFailure::reason(401))
            .and_then(|addr| log_in(state, link, addr, &payload))
    };
    if let Err(failure) = greeted {
        refuse(state, link, &failure);
    }
}

/// The device that logs in, if it is linked and holds the key that it was linked with.
fn known(state: &State, payload: &ClientPayload, noise: [u8; 32]) -> Option<DeviceAddr> {
    let number = payload.username?.to_string();
    let id = u16::try_from(payload.device?).ok()?;
    // A device goes on under the number that it was linked with.
    let accounts = state.accounts.by_jid(&Jid::pn(number.as_str())).into_iter();
    let devices = accounts.chain(state.accounts.once(&number)).filter_map(|account| {
        let device = account.device(id).filter(|device| device.noise == noise)?;
        let known = device.known_as.as_ref().unwrap_or(&account.phone);
        (*known == number).then_some(DeviceAddr { account: account.id, device: id })
    });
    devices.into_iter().next()
}

fn pair(
    state: &mut State,
    link: LinkId,
    noise: [u8; 32],
    payload: &ClientPayload,
) -> Result<(), LoginFailure> {
    logins::refusal(state, None).map_or(Ok(()), Err)?;
    let node = pairing::begin(state, link, noise, payload);
    let node = node.ok_or(LoginFailure::reason(400))?;
    state.links.send(link, node);
    Ok(())
}

fn log_in(
    state: &mut State,
    link: LinkId,
    addr: DeviceAddr,
    payload: &ClientPayload,
) -> Result<(), LoginFailure> {
    logins::refusal(state, Some(addr.account)).map_or(Ok(()), Err)?;
    presence::gone(state, addr);
    let Some(device) = state.accounts.device_mut(addr) else { return Ok(()) };
    device.says.logs_in(payload);
    let replaced = device.log_in(link);
    state.links.log_in(link, addr);
    let missed = device.queue.missed();
    for (link, alias) in state.accounts.aliases(addr.account) {
        state.links.alias(link, alias);
    }
    if let Some(old) = replaced {
        streams::end(state, old, StreamEnd::Replaced);
    }
    let Some(account) = state.accounts.get(addr.account) else { return Ok(()) };
    debug!(link = link.0, "device {} of `{}` logged in", addr.device, account.name);
    let success = NodeBuilder::new("success")
        .attr("t", state.clock.now())
        .attr("lid", account.lid().with_device(addr.device))
        .attr("creation", state.clock.now())
        .attr("props", "1")
        .attr("display_name", account.push_name.as_str())
        .attr("location", "sandbox")
        .build();
    if account.hangs {
        state.hush();
    }
    state.links.send(link, success);
    state.links.send(link, edge_routing());
    for bit in dirty::of_device(state, addr) {
        state.links.send(link, bit);
    }
    state.links.send(link, offline_preview(missed));
    Ok(())
}

fn refuse(state: &mut State, link: LinkId, failure: &LoginFailure) {
    state.links.send(link, failure.node());
    state.links.close(link);
}

/// Where the client is to come back to: it says so before the next handshake (whatsapp-rust `handlers/ib.rs`).
fn edge_routing() -> Node {
    let info = NodeBuilder::new("edge_routing").children([stanza::leaf("routing_info", ROUTING)]);
    NodeBuilder::new("ib").children([info.build()]).build()
}

/// Announces what waits for the client.
fn offline_preview(missed: Missed) -> Node {
    let Missed { messages, receipts, notifications, calls } = missed;
    let preview = NodeBuilder::new("offline_preview")
        .attr("count", messages + receipts + notifications + calls)
        .attr("message", messages)
        .attr("notification", notifications)
        .attr("receipt", receipts)
        .attr("appdata", 0)
        .attr("call", calls)
        .attr("status", 0)
        .build();
    NodeBuilder::new("ib").children([preview]).build()
}

/// Ends the replay; a client waits for it before it calls itself ready.
pub(crate) fn offline_done(count: usize) -> Node {
    let done = NodeBuilder::new("offline").attr("count", count).build();
    NodeBuilder::new("ib").children([done]).build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::stanza::attr;
    use crate::state::{Device, Opened};

    const KEY: [u8; 32] = [7; 32];

    fn linked() -> State {
        let mut state = State::default();
        let id = state.accounts.add("shop").expect("a free name");
        let account = state.accounts.get_mut(id).expect("just made");
        let mut device = Device::new(1, 1, 9);
        device.noise = KEY;
        account.devices.push(device);
        state
    }

    /// The first stanza that a login gets, and whether the connection is still open.
    fn login(state: &mut State, username: u64, device: u32, noise: [u8; 32]) -> (Arc<Node>, bool) {
        let Opened { link, mut queue, .. } = state.links.open(false);
        let payload =
            ClientPayload { username: Some(username), device: Some(device), ..Default::default() };
        greet(state, link, noise, &payload.encode_to_vec());
        let first = queue.try_recv().expect("an answer").node;
        (first, state.links.addr(link).is_some())
    }

    #[test]
    fn a_linked_device_is_let_in() {
        let (first, open) = login(&mut linked(), 15_550_000_001, 1, KEY);
        assert_eq!((first.tag.as_ref(), open), ("success", true));
        assert_eq!(attr(&first, "lid").as_deref(), Some("100000000000001:1@lid"));
    }

    #[test]
    fn a_wrong_key_an_unknown_device_and_an_unknown_number_are_turned_away() {
        for (username, device, noise) in [
            (15_550_000_001, 1, [8; 32]),
            (15_550_000_001, 2, KEY),
            (15_550_000_001, 0, KEY),
            (15_550_000_002, 1, KEY),
        ] {
            let (first, open) = login(&mut linked(), username, device, noise);
            assert_eq!((first.tag.as_ref(), open), ("failure", false));
            assert_eq!(attr(&first, "reason").as_deref(), Some("401"));
        }
    }

    #[test]
    fn a_payload_that_does_not_parse_is_refused() {
        let mut state = linked();
        let Opened { link, mut queue, .. } = state.links.open(false);
        greet(&mut state, link, KEY, &[0xFF; 8]);
        let first = queue.try_recv().expect("an answer").node;
        assert_eq!(attr(&first, "reason").as_deref(), Some("400"));
    }
}
