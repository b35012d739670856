//! Privacy tokens: what some accounts demand of those who write to them first, look at their picture or watch them.
//!
//! A *trusted-contact token* is given by an account to another one, which shows it when it turns to the giver. Who has
//! none shows a *customer token* with a message, made from a salt of its own account and the LID of the recipient.
//! wacore 0.7 `iq/tctoken.rs` and whatsapp-rust 0.7 `send/tctoken_lifecycle.rs` say what a client makes of both.

mod levers;
mod request;
mod salt;
mod scenario;
mod stanza;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use tracing::info;
use wacore::iq::abprops::web;
use wacore_binary::{Jid, Node};

use crate::stanza::{attr, child_bytes};
use crate::state::{AccountId, DeviceAddr, State};

pub use levers::GivenToken;
pub(crate) use levers::{expire, given, held, renew_salt, revoke, someone};
pub(crate) use request::{answer, hand_out, written_to};
pub(crate) use salt::past;
use scenario::Flag;
pub(crate) use scenario::{Scenario, join, person, play, restore};

/// What an account demands, the tokens that it has given, and the salt of those that it makes itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// What kind of account it is.
    pub(crate) scenario: Scenario,
    /// One for each account; giving it again makes it last longer.
    given: BTreeMap<AccountId, Token>,
    /// Who has given this account one.
    held: BTreeSet<AccountId>,
    /// Made when it is first needed.
    salt: Option<Vec<u8>>,
}

/// A trusted-contact token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    bytes: [u8; 16],
    /// The time that the giver named, in epoch seconds: clients go by this.
    named: i64,
    /// When it was given or made to last longer, by the server's own clock: the server goes by this, as the clocks of the
    /// clients are their own.
    given: i64,
}

/// The longest span, 180 days, whatever a client was told (wacore `iq/tctoken.rs`, `TC_TOKEN_MAX_DURATION`).
const SPAN_MAX: i64 = 15_552_000;

/// For how long tokens are good: whole spans of time, the current one among them.
#[derive(Debug, Clone, Copy)]
struct Window {
    span: i64,
    spans: i64,
}

impl Window {
    /// The one that an account's clients have been told, or the usual one of four weeks (wacore `iq/tctoken.rs`).
    fn of(state: &State, account: AccountId) -> Self {
        let number = |code, usual| {
            let props = state.accounts.get(account).map(|account| &account.props);
            props.and_then(|props| props.number(code)).filter(|number| *number > 0).unwrap_or(usual)
        };
        Self {
            span: number(web::TCTOKEN_DURATION.code, 604_800).min(SPAN_MAX),
            spans: number(web::TCTOKEN_NUM_BUCKETS.code, 4),
        }
    }

    fn holds(self, token: &Token, now: i64) -> bool {
        token.given >= (now / self.span).saturating_sub(self.spans - 1).saturating_mul(self.span)
    }
}

/// The tokens that come with a stanza.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown<'a> {
    trusted: Option<&'a [u8]>,
    customer: Option<&'a [u8]>,
}

impl<'a> Shown<'a> {
    /// With a message: of either kind.
    fn in_message(node: &'a Node) -> Self {
        Self { customer: child_bytes(node, "cstoken"), ..Self::in_query(node) }
    }

    /// With a subscription, a query for a picture, or a person in a `usync`: a trusted-contact token only (whatsapp-rust
    /// `features/presence.rs`, wacore `iq/contacts.rs` and `iq/usync/query.rs`).
    pub(crate) fn in_query(node: &'a Node) -> Self {
        Self { trusted: child_bytes(node, "tctoken"), customer: None }
    }

    /// With the offer of a call (wacore `stanza/call.rs`).
    pub(crate) fn in_offer(offer: &'a Node) -> Self {
        Self { trusted: child_bytes(offer, "privacy"), customer: None }
    }
}

/// Why an account is not let through to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It shows no token.
    Missing,
    /// Its token was good once.
    Expired,
    /// Its token was given to somebody else, or by somebody else.
    Foreign,
    /// Nobody has given it such a token, and its salt does not make such a one.
    Forged,
    /// The account that it turns to takes no tokens of this kind.
    NotTaken,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it shows no token",
            Self::Expired => "its token has expired",
            Self::Foreign => "its token is somebody else's",
            Self::Forged => "its token is forged",
            Self::NotTaken => "tokens of this kind are not taken there",
        })
    }
}

/// Whether a device's message may go to a person. Baileys `messages-send.js`: a message that is sent once more brings no
/// token, and neither does one to an account's own devices. The phones here need none: real ones bring theirs.
pub(crate) fn admits(state: &State, from: DeviceAddr, to: &Jid, message: &Node) -> bool {
    let Some(you) = state.accounts.by_jid(to) else { return true };
    from.is_phone()
        || is_sent_again(state, from.account, you.id, message)
        || passes(state, from.account, you.id, Shown::in_message(message))
}

/// Whether a message says that it is sent once more, and was sent before by this account to that one. Baileys sends a
/// status once more as a message to the one who could not read it.
fn is_sent_again(state: &State, from: AccountId, to: AccountId, message: &Node) -> bool {
    let says_so =
        message.get_optional_child("enc").is_some_and(|enc| enc.attrs.contains_key("count"));
    let sender = state.accounts.get(from).filter(|_| says_so);
    sender.zip(attr(message, "id")).is_some_and(|(sender, id)| {
        let went_there = |object: &str| {
            object.parse::<Jid>().is_ok_and(|jid| {
                let whom = state.accounts.by_jid(&jid);
                jid == Jid::status_broadcast() || whom.is_some_and(|whom| whom.id == to)
            })
        };
        state.journal.has_message(&sender.name, &id, went_there)
    })
}

/// Whether what an account shows is enough for another one; if not, the log says why.
pub(crate) fn passes(state: &State, from: AccountId, to: AccountId, shown: Shown<'_>) -> bool {
    let Err(flaw) = judge(state, from, to, shown) else { return true };
    let name = |id| state.accounts.get(id).map_or("", |account| account.name.as_str());
    let (from, to) = (name(from), name(to));
    info!(from, to, "`{from}` is not let through to `{to}`: {flaw}");
    false
}

/// Whether an account has given another one a token that is good, or demands none: it tells it then of itself.
pub(crate) fn trusts(state: &State, giver: AccountId, holder: AccountId) -> bool {
    let token = state.accounts.get(giver).and_then(|giver| giver.tokens.given.get(&holder));
    let trusted = token.map(|token| token.bytes.as_slice());
    judge(state, holder, giver, Shown { trusted, customer: None }).is_ok()
}

/// What is wrong with what an account shows another one, if that demands tokens.
fn judge(state: &State, from: AccountId, to: AccountId, shown: Shown<'_>) -> Result<(), Flaw> {
    let Some(you) = state.accounts.get(to) else { return Ok(()) };
    if from == to || !you.tokens.scenario.is(Flag::Restricted) {
        return Ok(());
    }
    let taken = |flag| if you.tokens.scenario.is(flag) { Ok(()) } else { Err(Flaw::NotTaken) };
    let trusted = shown
        .trusted
        .map(|bytes| taken(Flag::TcEnabled).and_then(|()| trusted(state, from, to, bytes)));
    let customer = shown.customer.map(|bytes| {
        taken(Flag::CsEnabled).and_then(|()| salt::verify(state, from, &you.lid(), bytes))
    });
    match (trusted, customer) {
        (Some(Ok(())), _) | (_, Some(Ok(()))) => Ok(()),
        (Some(flaw), _) | (None, Some(flaw)) => flaw,
        (None, None) => Err(Flaw::Missing),
    }
}

/// Whether these are the bytes of the token that `to` has given `from`, and it is still good.
fn trusted(state: &State, from: AccountId, to: AccountId, bytes: &[u8]) -> Result<(), Flaw> {
    let is_it = |token: &Token| token.bytes == bytes;
    let of = |giver: AccountId| state.accounts.get(giver).map(|giver| &giver.tokens);
    let given = |giver: AccountId, holder: AccountId| of(giver)?.given.get(&holder);
    match given(to, from).filter(|token| is_it(token)) {
        Some(token) if Window::of(state, from).holds(token, state.clock.now()) => Ok(()),
        Some(_) => Err(Flaw::Expired),
        None => {
            let to_others = of(to).is_some_and(|tokens| tokens.given.values().any(is_it));
            let mut givers = of(from).into_iter().flat_map(|tokens| &tokens.held);
            let by_others = givers.any(|giver| given(*giver, from).is_some_and(is_it));
            Err(if to_others || by_others { Flaw::Foreign } else { Flaw::Forged })
        }
    }
}
