//! Tokens that are given: by a device of the account, or by its phone.

use wacore_binary::Node;

use super::{Flag, Token, Tokens, Window, stanza as node};
use crate::groups::Refusal;
use crate::random::Stream;
use crate::stanza::{self, Answer, Push, attr, jid};
use crate::state::{AccountId, DeviceAddr, State};

impl Tokens {
    /// Gives a token, or makes the one that is there last longer, but by a newer time only: a device that gives one again
    /// because a contact has a new identity names the old time (whatsapp-rust `send/tctoken_lifecycle.rs`).
    pub(super) fn give(
        &mut self,
        to: AccountId,
        (named, now): (i64, i64),
        window: Window,
        random: &mut Stream,
    ) -> Token {
        let mut fresh = || Token { bytes: random.bytes(), named, given: now };
        let token = self.given.entry(to).or_insert_with(&mut fresh);
        if !window.holds(token, now) {
            *token = fresh();
        } else if named > token.named {
            (token.named, token.given) = (named, now);
        }
        token.clone()
    }
}

/// Answers a device that gives tokens; `None` for every other request in `privacy`. All of them are given, or none.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Answer> {
    let tokens =
        iq.get_optional_child("tokens").filter(|_| attr(iq, "type").as_deref() == Some("set"))?;
    let asked = match read(state, from.account, tokens) {
        Ok(asked) => asked,
        Err(refusal) => {
            return Some(stanza::error(iq, refusal.code(), &refusal.to_string()).into());
        }
    };
    let pushes = asked.into_iter().filter_map(|(to, at)| give(state, from.account, to, at));
    let pushes = pushes.collect();
    Some(Answer { reply: stanza::result_with(iq, node::taken()), pushes })
}

/// Whom tokens are for, and of what time.
fn read(state: &State, giver: AccountId, tokens: &Node) -> Result<Vec<(AccountId, i64)>, Refusal> {
    let asked = tokens.children().unwrap_or_default();
    if asked.is_empty() {
        return Err(Refusal::BadRequest);
    }
    let one = |token: &Node| {
        let fine =
            token.tag == "token" && attr(token, "type").as_deref() == Some("trusted_contact");
        let at = attr(token, "t").and_then(|at| at.parse().ok()).filter(|at| *at > 0);
        let (Some(to), Some(at), true) = (jid(token, "jid"), at, fine) else {
            return Err(Refusal::BadRequest);
        };
        let to = state.accounts.by_jid(&to).map(|account| account.id).ok_or(Refusal::NotFound)?;
        if to == giver { Err(Refusal::BadRequest) } else { Ok((to, at)) }
    };
    asked.iter().map(one).collect()
}

/// An account gives another one a token of this time, in epoch seconds. Says who is to hear of it: nobody, if the giver
/// is blocked.
pub(super) fn give(
    state: &mut State,
    giver: AccountId,
    holder: AccountId,
    at: i64,
) -> Option<Push> {
    let window = Window::of(state, holder);
    let now = state.clock.now();
    let tokens = &mut state.accounts.get_mut(giver)?.tokens;
    let token = tokens.give(holder, (at, now), window, &mut state.token_bytes);
    state.accounts.get_mut(holder)?.tokens.held.insert(giver);
    if state.blocks(holder, giver) {
        return None;
    }
    let stamp = state.stamp();
    let (giver, holder) = (state.accounts.get(giver)?, state.accounts.get(holder)?);
    let node = node::given(giver, holder, &token, &stamp).into();
    Some(Push { account: holder.id, except: None, node })
}

/// An account gives another one a token of now, and whoever is to hear of it does.
pub(crate) fn hand_out(state: &mut State, giver: AccountId, holder: AccountId) {
    let now = state.clock.now();
    if let Some(push) = give(state, giver, holder, now) {
        state.push(push);
    }
}

/// The phone of an account has written to another one. If the account demands tokens it gives one, as clients do, so that
/// the other one can answer: the first time, and once in each span of time.
pub(crate) fn written_to(state: &mut State, from: AccountId, to: AccountId) {
    let Some(account) = state.accounts.get(from).filter(|_| from != to) else { return };
    if !account.tokens.scenario.is(Flag::Restricted) {
        return;
    }
    let span = Window::of(state, to).span;
    let turn = state.clock.now() / span;
    if account.tokens.given.get(&to).is_none_or(|token| token.named / span < turn) {
        hand_out(state, from, to);
    }
}
