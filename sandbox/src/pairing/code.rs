//! Linking by a code of eight characters: the client shows it, and its owner types it into the phone of the number
//! that the client named.
//!
//! The server never sees the code. Client and phone each encrypt a fresh key under it, the server carries both, and the
//! client seals its identity to what it has read. A wrong code shows only then: the phone cannot open what it gets.

use tokio::sync::oneshot;
use wacore::pair_code::PairCodeUtils;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, SERVER_JID};

use super::{Scan, answered, offer};
use crate::iq::Then;
use crate::phone::{EnteredCode, LinkingCode, WRAPPED_KEY};
use crate::state::{AccountId, LinkId, Shared, State, lock};
use crate::{Error, LinkedDevice, Result, stanza};

const TAG: &str = "link_code_companion_reg";

/// How long a code can be entered.
const VALID_MS: i64 = 180_000;

/// A code that a client shows.
pub(super) struct Request {
    /// Whose phone it is for.
    account: AccountId,
    /// Later requests for the same account come before earlier ones.
    order: u64,
    reference: String,
    /// The client's fresh key, encrypted under the code.
    wrapped: [u8; WRAPPED_KEY],
    until_ms: i64,
    entry: Option<Entry>,
}

/// A code that was typed in, and waits for what the client seals to it.
struct Entry {
    code: EnteredCode,
    sealed: Vec<u8>,
    done: oneshot::Sender<Result<LinkedDevice>>,
}

/// Answers a client that is to be linked; `None` for what the server does not know.
pub(super) fn answer(state: &mut State, link: LinkId, iq: &Node) -> Option<(Node, Then)> {
    let request = iq.get_optional_child(TAG)?;
    let (reply, then) = match stanza::attr(request, "stage")?.as_str() {
        "companion_hello" => (hello(state, link, iq, request), Then::Nothing),
        "companion_finish" => (finish(state, link, iq, request), Then::OpenBundle),
        _ => return None,
    };
    Some(match reply {
        Some(reply) => (reply, then),
        None => (stanza::error(iq, 400, "bad-request"), Then::Nothing),
    })
}

/// A client shows a code from now on. An account of its number has to exist: a server that knew no such number would
/// have no phone to ask.
fn hello(state: &mut State, link: LinkId, iq: &Node, request: &Node) -> Option<Node> {
    let account = owner(state, request)?;
    let wrapped = stanza::child_bytes(request, "link_code_pairing_wrapped_companion_ephemeral_pub");
    let wrapped = wrapped?.try_into().ok()?;
    let shown = stanza::child_bytes(request, "companion_platform_display")?;
    let order = state.pairings.made();
    let candidate = state.pairings.candidates.get_mut(&link)?;
    let noise = stanza::child_bytes(request, "companion_server_auth_key_pub")?;
    // The real server takes a browser with its system in brackets and nothing else.
    if noise != candidate.noise || !(shown.contains(&b'(') && shown.ends_with(b")")) {
        return None;
    }
    let reference = super::reference(&mut state.pairings.random);
    let reply = stage("companion_hello").children([reference_node(&reference)]).build();
    candidate.code = Some(Request {
        account,
        order,
        reference,
        wrapped,
        until_ms: state.clock.now_ms() + VALID_MS,
        entry: None,
    });
    Some(stanza::result_with(iq, reply))
}

/// The client has sealed its identity; it is opened when the answer is out.
fn finish(state: &mut State, link: LinkId, iq: &Node, request: &Node) -> Option<Node> {
    let account = owner(state, request)?;
    let candidate = state.pairings.candidates.get_mut(&link)?;
    let identity = stanza::child_bytes(request, "companion_identity_public")?;
    let reference = stanza::child_bytes(request, "link_code_pairing_ref")?;
    let sealed = stanza::child_bytes(request, "link_code_pairing_wrapped_key_bundle")?;
    let code = candidate.code.as_mut().filter(|code| code.account == account)?;
    if identity != candidate.identity || reference != code.reference.as_bytes() {
        return None;
    }
    // A phone that has given up does not look at it.
    if let Some(entry) = &mut code.entry {
        sealed.clone_into(&mut entry.sealed);
    }
    Some(stanza::result(iq))
}

fn owner(state: &State, request: &Node) -> Option<AccountId> {
    let jid = stanza::jid(request, "jid")?;
    state.accounts.by_jid(&jid).map(|account| account.id)
}

/// The phone opens what the client has sealed, and vouches for the device if it was sealed to this phone's code.
pub(crate) fn open_bundle(state: &mut State, link: LinkId) {
    let Some(candidate) = state.pairings.candidates.get_mut(&link) else { return };
    let Some(request) = &mut candidate.code else { return };
    let Some(Entry { code, sealed, done }) = request.entry.take() else { return };
    let (account, noise, identity) = (request.account, candidate.noise, candidate.identity);
    let Some(keys) = state.accounts.get(account).map(|account| &account.keys) else { return };
    let offered = match code.open(keys, identity, &sealed) {
        Some(secret) => {
            let code = LinkingCode { reference: String::new(), noise, identity, secret };
            offer(state, link, account, &code)
        }
        None => Err(Error::WrongPairingCode),
    };
    match offered {
        Ok(offered) => {
            if let Some(candidate) = state.pairings.candidates.get_mut(&link) {
                candidate.scan = Some(Scan { offered, done });
            }
        }
        // Nobody listens when the phone was given up.
        Err(error) => drop(done.send(Err(error))),
    }
}

/// The owner of this account types a code into the phone: resolves when the client has accepted, or says why not.
pub(crate) async fn enter(shared: &Shared, name: &str, code: &str) -> Result<LinkedDevice> {
    let code: String = code.chars().filter(|letter| !"- ".contains(*letter)).collect();
    let code = code.to_ascii_uppercase();
    if !PairCodeUtils::validate_code(&code) {
        return Err(Error::InvalidPairingCode);
    }
    let (wrapped, mut random) = {
        let mut state = lock(shared);
        let wrapped = outstanding(&mut state, name)?.1.wrapped;
        (wrapped, state.pairings.source.stream("code that was entered", &wrapped))
    };
    let entered =
        tokio::task::spawn_blocking(move || EnteredCode::enter(&code, &wrapped, &mut random));
    let (code, wrapped) = entered.await.map_err(|_| Error::LinkInterrupted)?;
    let answer = greet(&mut lock(shared), name, code, wrapped)?;
    answered(answer).await
}

/// The phone's half of the exchange, carried to the client that shows the code.
fn greet(
    state: &mut State,
    name: &str,
    code: EnteredCode,
    wrapped: [u8; WRAPPED_KEY],
) -> Result<oneshot::Receiver<Result<LinkedDevice>>> {
    let stamp = state.stamp();
    let (link, request) = outstanding(state, name)?;
    let (done, answer) = oneshot::channel();
    request.entry = Some(Entry { code, sealed: Vec::new(), done });
    let (account, reference) = (request.account, reference_node(&request.reference));
    let identity = state.accounts.get(account).map(|account| account.keys.public());
    let hello = stage("primary_hello").children([
        stanza::leaf("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped),
        stanza::leaf("primary_identity_pub", identity.unwrap_or_default()),
        reference,
    ]);
    let node = stanza::notification(SERVER_JID, TAG, &stamp).children([hello.build()]).build();
    state.links.send(link, node);
    Ok(answer)
}

/// The code that a phone would be asked for: the one that was shown last.
fn outstanding<'a>(state: &'a mut State, name: &str) -> Result<(LinkId, &'a mut Request)> {
    let account = state.accounts.by_name(name).map(|account| account.id);
    let account = account.ok_or_else(|| Error::NoSuchPhone(name.to_owned()))?;
    let now_ms = state.clock.now_ms();
    let shown = state.pairings.candidates.iter_mut().filter(|(_, one)| one.scan.is_none());
    let (link, request) = shown
        .filter_map(|(link, candidate)| Some((*link, candidate.code.as_mut()?)))
        .filter(|(_, request)| request.account == account)
        .max_by_key(|(_, request)| request.order)
        .ok_or_else(|| Error::NoPairingCode(name.to_owned()))?;
    if now_ms > request.until_ms {
        return Err(Error::PairingCodeExpired);
    }
    Ok((link, request))
}

/// Ends the time of the code that is shown for this account, and asks the client for another one, by itself or by its
/// user's hand.
pub(crate) fn expire(state: &mut State, name: &str, by_hand: bool) -> Result<()> {
    let stamp = state.stamp();
    let (link, request) = outstanding(state, name)?;
    request.until_ms = i64::MIN;
    let refresh = stage("refresh_code")
        .attr("force_manual_refresh", if by_hand { "true" } else { "false" })
        .children([reference_node(&request.reference)])
        .build();
    let node = stanza::notification(SERVER_JID, TAG, &stamp).children([refresh]).build();
    state.links.send(link, node);
    Ok(())
}

fn stage(name: &str) -> NodeBuilder {
    NodeBuilder::new(TAG).attr("stage", name)
}

fn reference_node(reference: &str) -> Node {
    stanza::leaf("link_code_pairing_ref", reference.as_bytes())
}
