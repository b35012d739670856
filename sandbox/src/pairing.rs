//! Linking a device: what clients that want to be linked show, and what follows once the phone has read it.

mod code;
mod qr;

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use buffa::Message as _;
use tokio::sync::oneshot;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, SERVER_JID};
use waproto::whatsapp::{ClientPairingProps, ClientPayload};

use crate::devices;
use crate::iq::{self, Then};
use crate::phone::{self, LinkingCode};
use crate::random::{Source, Stream};
use crate::stanza::Answer;
use crate::state::{AccountId, Device, DeviceAddr, LinkId, Says, SignedKey, State};
use crate::streams::{self, StreamEnd};
use crate::{Error, LinkedDevice, Result, stanza};
pub(crate) use code::{enter, expire, open_bundle};
pub(crate) use qr::{scan, scan_for_its_account};

/// QR codes that the real server lets a client show one after the other.
pub(crate) const REFERENCES: usize = 6;

/// From a client's answer to the word that it is to come back: less than a round trip to the real server. whatsapp-rust
/// 0.7 `pair.rs` makes itself ready for that word only once its answer is on the way, and ends the connection after next
/// when it comes sooner.
pub(crate) const RESTART: Duration = Duration::from_millis(50);

/// How long a client may take to answer the phone.
const ANSWER: Duration = Duration::from_secs(30);

/// A client that wants to be linked.
struct Candidate {
    noise: [u8; 32],
    identity: [u8; 32],
    registration: u32,
    signed_key: SignedKey,
    /// The name that it registered with.
    push_name: Option<String>,
    says: Says,
    references: Vec<String>,
    code: Option<code::Request>,
    scan: Option<Scan>,
}

/// A phone that has read a code and waits for the client's answer.
struct Scan {
    offered: Offered,
    done: oneshot::Sender<Result<LinkedDevice>>,
}

/// The place that the phone has offered a client.
struct Offered {
    /// The `iq` that carried the phone's proof.
    id: String,
    addr: DeviceAddr,
    key_index: u32,
    /// The number that the client is told.
    number: String,
}

/// All clients that want to be linked.
pub(crate) struct Pairings {
    /// How many QR codes a client gets to show.
    pub(crate) references: usize,
    candidates: HashMap<LinkId, Candidate>,
    requests: u64,
    source: Source,
    random: Stream,
}

impl Default for Pairings {
    fn default() -> Self {
        Self::new(Source::default())
    }
}

impl Pairings {
    /// Nobody wants to be linked yet; what clients show is of this source.
    pub(crate) fn new(source: Source) -> Self {
        Self {
            references: REFERENCES,
            candidates: HashMap::new(),
            requests: 0,
            source,
            random: source.stream("references to show", b""),
        }
    }

    /// The connection is gone; a scan that waits for it fails.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.candidates.remove(&link);
    }

    /// The numbers that phones have offered to clients of this account, and still wait for an answer to.
    fn promised(&self, account: AccountId) -> Vec<u16> {
        let scans = self.candidates.values().filter_map(|candidate| candidate.scan.as_ref());
        let waiting = scans.filter(|scan| !scan.done.is_closed()).map(|scan| scan.offered.addr);
        waiting.filter(|addr| addr.account == account).map(|addr| addr.device).collect()
    }

    /// Counts requests for a code, so that later ones are known from earlier ones.
    fn made(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }
}

/// Reads a registration and gives the client references to show; `None` if its keys are not in order.
pub(crate) fn begin(
    state: &mut State,
    link: LinkId,
    noise: [u8; 32],
    payload: &ClientPayload,
) -> Option<Node> {
    let data = payload.device_pairing_data.as_option()?;
    let identity = data.e_ident.as_deref()?.try_into().ok()?;
    let signed_key = SignedKey {
        id: number(data.e_skey_id.as_deref()?)?,
        public: data.e_skey_val.as_deref()?.try_into().ok()?,
        signature: data.e_skey_sig.as_deref()?.try_into().ok()?,
    };
    let registration = number(data.e_regid.as_deref()?)?;
    if data.e_keytype.as_deref()? != [5] || !phone::signed_by(identity, &signed_key) {
        return None;
    }
    let count = state.pairings.references;
    let references: Vec<String> =
        (0..count).map(|_| reference(&mut state.pairings.random)).collect();
    let node = set(&state.next_id())
        .children([NodeBuilder::new("pair-device")
            .children(references.iter().map(|text| stanza::leaf("ref", text.as_bytes())))
            .build()])
        .build();
    let candidate = Candidate {
        noise,
        identity,
        registration,
        signed_key,
        push_name: payload.push_name.clone(),
        says: Says::registering(payload),
        references,
        code: None,
        scan: None,
    };
    state.pairings.candidates.insert(link, candidate);
    Some(node)
}

/// A registered client's requests before it is linked.
pub(crate) fn answer(state: &mut State, link: LinkId, iq: &Node) -> (Answer, Then) {
    let (reply, then) =
        code::answer(state, link, iq).unwrap_or_else(|| (iq::unknown(state, iq), Then::Nothing));
    (reply.into(), then)
}

/// Proves to a client that this account's phone vouches for it.
fn offer(
    state: &mut State,
    link: LinkId,
    account: AccountId,
    code: &LinkingCode,
) -> Result<Offered> {
    let stamp = state.stamp();
    let promised = state.pairings.promised(account);
    let account = state.accounts.get_mut(account).expect("accounts are never removed");
    let free = account.free_device(&promised);
    let device = free.ok_or_else(|| Error::TooManyDevices(account.name.clone()))?;
    account.key_index += 1;
    let key_index = account.key_index;
    let container = account.keys.vouch(code, key_index, stamp.at);
    let node = set(&stamp.id)
        .attr("t", stamp.at)
        .children([NodeBuilder::new("pair-success")
            .children(
                [
                    stanza::leaf("device-identity", container),
                    NodeBuilder::new("device")
                        .attr("jid", account.pn().with_device(device))
                        .attr("lid", account.lid().with_device(device))
                        .build(),
                    NodeBuilder::new("biz").attr("name", account.push_name.as_str()).build(),
                    NodeBuilder::new("platform").attr("name", "android").build(),
                ]
                .into_iter()
                .chain(account.lid_migrated.then(client_props)),
            )
            .build()])
        .build();
    let addr = DeviceAddr { account: account.id, device };
    state.links.send(link, node);
    Ok(Offered { id: stamp.id, addr, key_index, number: account.phone.clone() })
}

/// That the account's chats are addressed by LID (wacore `pair.rs`: without this a client stays with phone numbers).
fn client_props() -> Node {
    let props = ClientPairingProps { is_chat_db_lid_migrated: Some(true), ..Default::default() };
    stanza::leaf("client-props", props.encode_to_vec())
}

/// Waits for the client's answer to the phone.
async fn answered(answer: oneshot::Receiver<Result<LinkedDevice>>) -> Result<LinkedDevice> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(linked)) => linked,
        Ok(Err(_)) => Err(Error::LinkInterrupted),
        Err(_) => Err(Error::LinkTimeout),
    }
}

/// A reply from a client that wants to be linked. The answer to the phone's proof settles the scan: the device is
/// linked, and the client is to be told, after [`RESTART`], to come back and log in: says whether it is.
pub(crate) fn settle(state: &mut State, link: LinkId, iq: &Node) -> bool {
    let Some(candidate) = state.pairings.candidates.get_mut(&link) else { return false };
    let Some(scan) =
        candidate.scan.take_if(|scan| stanza::attr(iq, "id").as_ref() == Some(&scan.offered.id))
    else {
        return false;
    };
    let linked = accept(state, link, &scan.offered, iq);
    let is_linked = linked.is_ok();
    if is_linked {
        devices::linked(state, scan.offered.addr);
    } else {
        state.links.close(link);
    }
    // Nobody listens when the scan was given up.
    let _ = scan.done.send(linked);
    is_linked
}

/// Tells a client that was just linked to come back.
pub(crate) fn restart(state: &mut State, link: LinkId) {
    streams::end(state, link, StreamEnd::Code(515));
}

fn accept(state: &mut State, link: LinkId, offered: &Offered, iq: &Node) -> Result<LinkedDevice> {
    if stanza::attr(iq, "type").as_deref() != Some("result") {
        let text = iq
            .get_optional_child("error")
            .and_then(|error| stanza::attr(error, "text"))
            .unwrap_or_else(|| "no reason given".to_owned());
        return Err(Error::LinkRefused(text));
    }
    let refused = |why: &str| Error::LinkRefused(why.to_owned());
    let candidate =
        state.pairings.candidates.remove(&link).ok_or_else(|| refused("it is not pairing"))?;
    let account = state
        .accounts
        .get_mut(offered.addr.account)
        .ok_or_else(|| refused("the account is gone"))?;
    let signed = iq
        .get_optional_child_by_tag(&["pair-device-sign", "device-identity"])
        .and_then(stanza::bytes)
        .ok_or_else(|| refused("its answer lacks the signed identity"))?;
    if !phone::accepts(account.keys.public(), candidate.identity, signed) {
        return Err(refused("its signature does not verify"));
    }
    if account.device(offered.addr.device).is_some() {
        return Err(refused("another device took its place"));
    }
    let mut device = Device::new(offered.addr.device, offered.key_index, candidate.registration);
    device.noise = candidate.noise;
    device.identity = candidate.identity;
    device.signed_key = candidate.signed_key;
    device.signed_identity = signed.to_vec();
    device.known_as = Some(offered.number.clone()).filter(|number| *number != account.phone);
    device.says = candidate.says;
    let linked = LinkedDevice::of(account, &device);
    account.devices.push(device);
    account.keys.settings.date(state.clock.now_ms());
    Ok(linked)
}

fn set(id: &str) -> NodeBuilder {
    NodeBuilder::new("iq")
        .attr("from", SERVER_JID)
        .attr("type", "set")
        .attr("id", id)
        .attr("xmlns", "md")
}

/// What a client shows, as part of a QR code, or sends beside a code to enter.
fn reference(random: &mut Stream) -> String {
    format!("2@{}", BASE64_STANDARD.encode(random.bytes::<24>()))
}

/// A big-endian number of up to four bytes.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    (1..=4)
        .contains(&bytes.len())
        .then(|| bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian_and_short() {
        assert_eq!(number(&[0, 1, 2]), Some(258));
        assert_eq!(number(&[0xFF; 4]), Some(u32::MAX));
        assert_eq!(number(&[]), None);
        assert_eq!(number(&[0; 5]), None);
    }
}
