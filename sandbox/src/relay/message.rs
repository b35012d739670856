//! Who gets a message, and as whose.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use wacore::messages::MessageUtils;
use wacore_binary::{Jid, Node, Server};

use super::nack::Nack;
use super::sent::Sent;
use super::stanza::{self, Addresses, Addressing, Letter};
use crate::stanza::jid;
use crate::state::{Account, DeviceAddr, State};
use crate::strictness::Strictness;
use crate::{devices, newsletters, tokens};

/// What a message leads to.
struct Relayed {
    /// In the order in which they are handed on.
    letters: Vec<(DeviceAddr, Arc<Node>)>,
    /// The hash of the devices that there are, if the sender knows of others: it then asks for them anew.
    phash: Option<String>,
}

/// Takes a message from a device and hands it to everybody whom it is for; returns the sender's `ack`.
pub(crate) fn message(state: &mut State, from: DeviceAddr, node: &Node) -> Node {
    let now = state.clock.now();
    let ack = stanza::ack("message", node).attr("t", now);
    if let Some(newsletter) = jid(node, "to").filter(|to| to.server == Server::Newsletter) {
        return match newsletters::relay::message(state, from, &newsletter, node) {
            Ok(server_id) => ack.attr("server_id", server_id).build(),
            Err(refused) => refusal(node, Nack::of(refused).code(), now),
        };
    }
    let attempt = |state: &State, strictness| {
        let sent = Sent::read(node, state.accounts.device(from), strictness)?;
        relay(state, from, &sent, strictness).map(|done| (sent, done))
    };
    let mut relayed = attempt(state, Strictness::Strict);
    if state.strictness == Strictness::Lenient
        && matches!(relayed, Err(Nack::Malformed | Nack::Invalid))
    {
        relayed = attempt(state, Strictness::Lenient);
        state.oddities.forgiven += u64::from(relayed.is_ok());
    }
    match relayed {
        Ok((sent, Relayed { letters, phash })) => {
            record(state, from, &sent, letters.len());
            for (addr, letter) in letters {
                // Members of a group know each other anyway.
                if sent.to.server != Server::Group {
                    devices::knows(state, addr.account, from.account);
                    devices::knows(state, from.account, addr.account);
                }
                state.deliver(addr, letter);
            }
            match phash {
                Some(phash) => ack.attr("phash", phash).build(),
                None => ack.build(),
            }
        }
        Err(nack) => refusal(node, nack.code(), now),
    }
}

/// The word that a message was not taken.
pub(crate) fn refusal(node: &Node, code: u16, now: i64) -> Node {
    stanza::ack("message", node).attr("t", now).attr("error", code).build()
}

fn record(state: &mut State, from: DeviceAddr, sent: &Sent, devices: usize) {
    let Some(account) = state.accounts.get(from.account) else { return };
    let kind = crate::stanza::attr(sent.node, "type");
    let detail = json!({ "id": sent.id, "type": kind, "device": from.device, "devices": devices });
    let to = sent.to.to_string();
    state.journal.record(state.clock.now_ms(), &account.name, "message", &to, detail);
}

fn relay(
    state: &State,
    from: DeviceAddr,
    sent: &Sent,
    strictness: Strictness,
) -> Result<Relayed, Nack> {
    let peer = sent.is_peer();
    let own = || match sent.to.server {
        Server::Pn | Server::Lid => {
            state.accounts.by_jid(&sent.to).is_none_or(|you| you.id == from.account)
        }
        _ => false,
    };
    if peer && !own() {
        return Err(Nack::Malformed);
    }
    let mut relayed = match sent.to.server {
        Server::Group => to_group(state, from, sent, strictness),
        Server::Broadcast => to_status(state, from, sent, strictness),
        Server::Pn | Server::Lid => {
            let bare = sent.listed.is_empty();
            let relayed = if bare && (peer || sent.to.device != 0 || sent.recipient.is_some()) {
                to_device(state, from, sent)
            } else {
                to_person(state, from, sent, strictness)
            }?;
            let admitted = tokens::admits(state, from, &sent.to, sent.node);
            admitted.then_some(relayed).ok_or(Nack::MissingToken)
        }
        _ => Err(Nack::Malformed),
    }?;
    // Who is blocked is not told so: the message is taken, and goes nowhere. Groups are everybody's.
    if sent.to.server != Server::Group {
        relayed.letters.retain(|(addr, _)| !state.blocks(addr.account, from.account));
    }
    Ok(relayed)
}

/// To a person: the devices of both that the sender has encrypted for.
fn to_person(
    state: &State,
    from: DeviceAddr,
    sent: &Sent,
    strictness: Strictness,
) -> Result<Relayed, Nack> {
    let me = state.accounts.get(from.account).ok_or(Nack::NotFound)?;
    let you = state.accounts.by_jid(&sent.to).ok_or(Nack::NotFound)?;
    let way = Addressing::of(&sent.to).ok_or(Nack::Malformed)?;
    let addresses = vec![
        ("from", way.device(me, from.device).into()),
        (way.other_name("sender_pn", "sender_lid"), way.other(me).into()),
    ];
    let letter = Letter::new(sent, &me.push_name, addresses, state.clock.now());
    if sent.listed.is_empty() {
        // Without a list it is for the phone, the only device that everybody has.
        let phone = DeviceAddr::phone(you.id);
        let letters = vec![(phone, letter.with(&sent.ciphertexts).into())];
        return Ok(Relayed { letters, phash: None });
    }
    let own = Letter::new(sent, &me.push_name, copied(me, you, from, way), state.clock.now());
    let mut letters = Vec::with_capacity(sent.listed.len());
    let mut known = BTreeSet::new();
    for listed in &sent.listed {
        let owner = state.accounts.by_jid(&listed.jid);
        let letter = match owner.map(|owner| owner.id) {
            Some(id) if id == me.id => Some(&own),
            // Phone numbers in a message to a LID, or the other way round.
            Some(id) if id == you.id && strictness.passes(listed.jid.server == sent.to.server) => {
                Some(&letter)
            }
            _ => None,
        };
        let Some((owner, letter)) = owner.zip(letter) else {
            if strictness.passes(false) {
                continue;
            }
            return Err(Nack::Malformed);
        };
        let addr = DeviceAddr { account: owner.id, device: listed.jid.device };
        if addr != from && owner.has(addr.device) && known.insert(addr) {
            letters.push((addr, letter.with(&listed.ciphertexts).into()));
        }
    }
    let both = if you.id == me.id { vec![me] } else { vec![you, me] };
    let mut real = everywhere(both);
    real.retain(|(_, addr)| *addr != from);
    let fresh =
        sent.listed.len() == real.len() && real.iter().all(|(_, addr)| known.contains(addr));
    let phash = (!fresh).then(|| phash(way, &real)).flatten();
    Ok(Relayed { letters, phash })
}

/// The addresses of the copy for the sender's own other devices: it names the chat.
fn copied(me: &Account, you: &Account, from: DeviceAddr, way: Addressing) -> Addresses {
    vec![
        ("from", way.device(me, from.device).into()),
        ("recipient", way.person(you).into()),
        (way.other_name("peer_recipient_pn", "peer_recipient_lid"), way.other(you).into()),
    ]
}

/// To one device: once more, because it could not read the message, or between the devices of one account.
fn to_device(state: &State, from: DeviceAddr, sent: &Sent) -> Result<Relayed, Nack> {
    let me = state.accounts.get(from.account).ok_or(Nack::NotFound)?;
    let you = state.accounts.by_jid(&sent.to).ok_or(Nack::NotFound)?;
    let way = Addressing::of(&sent.to).ok_or(Nack::Malformed)?;
    let peer = crate::stanza::attr(sent.node, "category").is_some();
    let target = DeviceAddr { account: you.id, device: sent.to.device };
    // Only an account's own devices talk of its affairs.
    if (peer || sent.recipient.is_some()) && you.id != me.id || target == from {
        return Err(Nack::Malformed);
    }
    if !you.has(target.device) {
        return Err(Nack::NotFound);
    }
    let mut addresses: Addresses = vec![("from", way.device(me, from.device).into())];
    match &sent.recipient {
        Some(chat) => addresses.push(("recipient", chat.to_non_ad().into())),
        None if you.id != me.id => {
            addresses.push((way.other_name("sender_pn", "sender_lid"), way.other(me).into()));
        }
        None => {}
    }
    let letter = Letter::new(sent, &me.push_name, addresses, state.clock.now());
    Ok(Relayed { letters: vec![(target, letter.with(&sent.ciphertexts).into())], phash: None })
}

/// To a group: every device of every member, but for the one that sends. Those that are listed get the key of the
/// sender before what is encrypted with it.
fn to_group(
    state: &State,
    from: DeviceAddr,
    sent: &Sent,
    strictness: Strictness,
) -> Result<Relayed, Nack> {
    let me = state.accounts.get(from.account).ok_or(Nack::NotFound)?;
    let group = state.groups.find(&sent.to).map_err(|_| Nack::NotFound)?;
    let role = group.role_of(&me.name).map_err(|_| Nack::NotAllowed)?;
    if group.announce && !role.is_admin() {
        return Err(Nack::NotAllowed);
    }
    let way = group.addressing;
    if crate::stanza::attr(sent.node, "addressing_mode").is_some_and(|mode| mode != way.wire()) {
        return Err(Nack::StaleAddressing);
    }
    let mut addresses = stanza::in_chat(&sent.to, me, from, way);
    addresses.push(("addressing_mode", way.wire().into()));
    let letter = Letter::new(sent, &me.push_name, addresses, state.clock.now());
    if let Some(participant) = &sent.participant {
        let asked = device_of(state, participant).ok_or(Nack::NotFound)?;
        let member = state.members(group).any(|account| account.id == asked.account);
        let letters = vec![(asked, letter.with(&sent.ciphertexts).into())];
        return if member { Ok(Relayed { letters, phash: None }) } else { Err(Nack::NotFound) };
    }
    let devices = everywhere(state.members(group));
    let all = devices.iter().map(|(_, addr)| *addr);
    let letters = fan_out(state, from, sent, &letter, all, strictness)?;
    let theirs = crate::stanza::attr(sent.node, "phash");
    let phash = theirs.and_then(|theirs| phash(way, &devices).filter(|real| *real != theirs));
    Ok(Relayed { letters, phash })
}

/// To those who may see the sender's status: the people and devices that it lists.
fn to_status(
    state: &State,
    from: DeviceAddr,
    sent: &Sent,
    strictness: Strictness,
) -> Result<Relayed, Nack> {
    let me = state.accounts.get(from.account).ok_or(Nack::NotFound)?;
    if sent.to != Jid::status_broadcast() || sent.listed.is_empty() {
        return Err(Nack::Malformed);
    }
    if !strictness.passes(!sent.node.attrs.contains_key("addressing_mode")) {
        return Err(Nack::Invalid);
    }
    let first = sent.listed.first().and_then(|listed| Addressing::of(&listed.jid));
    let way = first.ok_or(Nack::Malformed)?;
    let letter = Letter::new(
        sent,
        &me.push_name,
        stanza::in_chat(&sent.to, me, from, way),
        state.clock.now(),
    );
    if let Some(participant) = &sent.participant {
        let asked = device_of(state, participant).ok_or(Nack::NotFound)?;
        let letters = vec![(asked, letter.with(&sent.ciphertexts).into())];
        return Ok(Relayed { letters, phash: None });
    }
    let mut people = BTreeSet::from([me.id]);
    for listed in &sent.listed {
        let person = state.accounts.by_jid(&listed.jid);
        if !strictness.passes(person.is_some()) {
            return Err(Nack::Malformed);
        }
        people.extend(person.map(|person| person.id));
    }
    let people = people.into_iter().filter_map(|id| state.accounts.get(id));
    let devices = people.flat_map(Account::everywhere);
    Ok(Relayed { letters: fan_out(state, from, sent, &letter, devices, strictness)?, phash: None })
}

/// One letter for all who have the sender's key already, and one each for those that get it now.
fn fan_out(
    state: &State,
    from: DeviceAddr,
    sent: &Sent,
    letter: &Letter,
    devices: impl Iterator<Item = DeviceAddr>,
    strictness: Strictness,
) -> Result<Vec<(DeviceAddr, Arc<Node>)>, Nack> {
    let mut keyed = std::collections::HashMap::with_capacity(sent.listed.len());
    for listed in sent.listed.iter().filter(|listed| !listed.ciphertexts.is_empty()) {
        match device_of(state, &listed.jid) {
            Some(addr) => _ = keyed.insert(addr, listed),
            None if strictness.passes(false) => {}
            None => return Err(Nack::Malformed),
        }
    }
    let shared: Arc<Node> = letter.with(&sent.ciphertexts).into();
    let letters = devices.filter(|addr| *addr != from).filter_map(|addr| {
        let Some(listed) = keyed.get(&addr) else {
            return (!sent.ciphertexts.is_empty()).then(|| (addr, Arc::clone(&shared)));
        };
        let both: Vec<&Node> =
            listed.ciphertexts.iter().chain(&sent.ciphertexts).copied().collect();
        Some((addr, letter.with(&both).into()))
    });
    Ok(letters.collect())
}

/// The device at an address, known or not.
fn device_of(state: &State, jid: &Jid) -> Option<DeviceAddr> {
    let account = state.accounts.by_jid(jid)?;
    Some(DeviceAddr { account: account.id, device: jid.device })
}

/// All devices of these accounts.
fn everywhere<'a>(
    accounts: impl IntoIterator<Item = &'a Account>,
) -> Vec<(&'a Account, DeviceAddr)> {
    let accounts = accounts.into_iter();
    accounts.flat_map(|account| account.everywhere().map(move |addr| (account, addr))).collect()
}

/// The hash by which a sender finds out that it does not know all devices.
fn phash(way: Addressing, devices: &[(&Account, DeviceAddr)]) -> Option<String> {
    let devices = devices.iter().map(|(account, addr)| way.device(account, addr.device));
    MessageUtils::participant_list_hash(&devices.collect::<Vec<Jid>>()).ok()
}
