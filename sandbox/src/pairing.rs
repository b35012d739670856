//! Linking a device by QR: the references that clients show, and the phone's side once one was scanned.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, SERVER_JID};
use waproto::whatsapp::client_payload::DevicePairingRegistrationData;

use crate::phone::{self, LinkingCode};
use crate::state::{Device, DeviceAddr, LinkId, Shared, SignedKey, State, lock};
use crate::{Error, LinkedDevice, Result, clock, stanza};

/// Codes that a client may show one after the other.
const REFERENCES: usize = 6;

/// How long a client may take to answer the phone.
const ANSWER: Duration = Duration::from_secs(30);

/// A client that wants to be linked.
struct Candidate {
    noise: [u8; 32],
    identity: [u8; 32],
    registration: u32,
    signed_key: SignedKey,
    references: Vec<String>,
    scan: Option<Scan>,
}

/// A scan that waits for the client's answer.
struct Scan {
    /// The `iq` that carried the phone's proof.
    id: String,
    addr: DeviceAddr,
    key_index: u32,
    done: oneshot::Sender<Result<LinkedDevice>>,
}

/// All clients that want to be linked.
#[derive(Default)]
pub(crate) struct Pairings {
    candidates: HashMap<LinkId, Candidate>,
}

impl Pairings {
    /// The connection is gone; a scan that waits for it fails.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.candidates.remove(&link);
    }

    fn showing(&self, code: &LinkingCode) -> Option<LinkId> {
        let shows = |candidate: &Candidate| {
            candidate.references.contains(&code.reference)
                && candidate.noise == code.noise
                && candidate.identity == code.identity
                && candidate.scan.is_none()
        };
        self.candidates.iter().find(|(_, candidate)| shows(candidate)).map(|(link, _)| *link)
    }
}

/// Reads a registration and gives the client references to show; `None` if its keys are not in order.
pub(crate) fn begin(
    state: &mut State,
    link: LinkId,
    noise: [u8; 32],
    data: &DevicePairingRegistrationData,
) -> Option<Node> {
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
    let references: Vec<String> = (0..REFERENCES).map(|_| reference()).collect();
    let node = set(&state.next_id())
        .children([NodeBuilder::new("pair-device")
            .children(references.iter().map(|text| stanza::leaf("ref", text.as_bytes())))
            .build()])
        .build();
    let candidate = Candidate { noise, identity, registration, signed_key, references, scan: None };
    state.pairings.candidates.insert(link, candidate);
    Some(node)
}

/// The phone of this account scans a code: resolves when the client has accepted, or says why it did not.
pub(crate) async fn scan(shared: &Shared, name: &str, text: &str) -> Result<LinkedDevice> {
    let code = LinkingCode::parse(text)?;
    let answer = propose(&mut lock(shared), name, &code)?;
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(linked)) => linked,
        Ok(Err(_)) => Err(Error::LinkInterrupted),
        Err(_) => Err(Error::LinkTimeout),
    }
}

fn propose(
    state: &mut State,
    name: &str,
    code: &LinkingCode,
) -> Result<oneshot::Receiver<Result<LinkedDevice>>> {
    let link = state.pairings.showing(code).ok_or(Error::StaleQr)?;
    let id = state.next_id();
    let account =
        state.accounts.by_name(name).ok_or_else(|| Error::NoSuchPhone(name.to_owned()))?.id;
    let account = state.accounts.get_mut(account).expect("found by name above");
    let device = account.free_device().ok_or_else(|| Error::TooManyDevices(name.to_owned()))?;
    account.key_index += 1;
    let key_index = account.key_index;
    let container = account.keys.vouch(code, key_index);
    let node = set(&id)
        .attr("t", clock::now())
        .children([NodeBuilder::new("pair-success")
            .children([
                stanza::leaf("device-identity", container),
                NodeBuilder::new("device")
                    .attr("jid", account.pn().with_device(device))
                    .attr("lid", account.lid().with_device(device))
                    .build(),
                NodeBuilder::new("biz").attr("name", account.push_name.as_str()).build(),
                NodeBuilder::new("platform").attr("name", "android").build(),
            ])
            .build()])
        .build();
    let addr = DeviceAddr { account: account.id, device };
    let (done, answer) = oneshot::channel();
    let candidate = state.pairings.candidates.get_mut(&link).expect("found by its code above");
    candidate.scan = Some(Scan { id, addr, key_index, done });
    state.links.send(link, node);
    Ok(answer)
}

/// A reply from a client that wants to be linked. The answer to the phone's proof settles the scan: the device is
/// linked, and the client told to come back and log in.
pub(crate) fn settle(state: &mut State, link: LinkId, iq: &Node) {
    let Some(candidate) = state.pairings.candidates.get_mut(&link) else { return };
    let Some(scan) =
        candidate.scan.take_if(|scan| stanza::attr(iq, "id").as_ref() == Some(&scan.id))
    else {
        return;
    };
    let linked = accept(state, link, &scan, iq);
    if linked.is_ok() {
        let restart = NodeBuilder::new("stream:error").attr("code", 515).build();
        state.links.send(link, restart);
    }
    state.links.close(link);
    // Nobody listens when the scan was given up.
    let _ = scan.done.send(linked);
}

fn accept(state: &mut State, link: LinkId, scan: &Scan, iq: &Node) -> Result<LinkedDevice> {
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
    let account =
        state.accounts.get_mut(scan.addr.account).ok_or_else(|| refused("the account is gone"))?;
    let signed = iq
        .get_optional_child_by_tag(&["pair-device-sign", "device-identity"])
        .and_then(stanza::bytes)
        .ok_or_else(|| refused("its answer lacks the signed identity"))?;
    if !phone::accepts(account.keys.public(), candidate.identity, signed) {
        return Err(refused("its signature does not verify"));
    }
    if account.device(scan.addr.device).is_some() {
        return Err(refused("another device took its place"));
    }
    let mut device = Device::new(scan.addr.device, scan.key_index, candidate.registration);
    device.noise = candidate.noise;
    device.identity = candidate.identity;
    device.signed_key = candidate.signed_key;
    device.signed_identity = signed.to_vec();
    account.devices.push(device);
    Ok(LinkedDevice {
        jid: account.pn().with_device(scan.addr.device).to_string(),
        lid: account.lid().with_device(scan.addr.device).to_string(),
    })
}

fn set(id: &str) -> NodeBuilder {
    NodeBuilder::new("iq")
        .attr("from", SERVER_JID)
        .attr("type", "set")
        .attr("id", id)
        .attr("xmlns", "md")
}

fn reference() -> String {
    use base64::Engine;
    let random: [u8; 24] = rand::random();
    format!("2@{}", base64::prelude::BASE64_STANDARD.encode(random))
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
