//! The levers of tokens: accounts that demand them, and phones that give, take back and let expire.

use super::{Scenario, Window, hand_out, play, salt};
use crate::phone::Recipient;
use crate::state::{AccountId, State};
use crate::{Error, Phone, Result};

/// A trusted-contact token that an account has given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenToken {
    /// Name of the account that gave it.
    pub from: String,
    /// Name of the account that may show it.
    pub to: String,
    /// What that account shows.
    pub token: Vec<u8>,
    /// The time that its giver named, in epoch seconds.
    pub timestamp: i64,
    /// It is not good any more.
    pub expired: bool,
}

impl Phone {
    /// Sets whether the account demands tokens of others: who shows none cannot write to it first (463), does not see its
    /// picture, and does not hear whether it is online. Who watches it already goes on.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn demands_tokens(&self, on: bool) {
        let (mut state, account) = self.known();
        let scenario = state.accounts.get(account).map(|account| account.tokens.scenario);
        play(&mut state, account, scenario.unwrap_or_default().restricted(on));
    }

    /// Gives the account these flags in the place of all others, as a push name does: `restricted,cs_enabled=0`.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn has_scenario(&self, flags: &str) -> Result<()> {
        let (mut state, account) = self.known();
        let scenario = Scenario::parse(flags);
        let invalid = |why| Error::InvalidScenario { text: flags.to_owned(), why };
        play(&mut state, account, scenario.map_err(invalid)?);
        Ok(())
    }

    /// The flags that were set.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn scenario(&self) -> String {
        let (state, account) = self.known();
        state.accounts.get(account).map_or_else(String::new, |it| it.tokens.scenario.to_string())
    }

    /// Gives a trusted-contact token to whom a phone name, a JID or the digits of a number mean, and tells their devices.
    /// Who has one already has it for longer.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn gives_token(&self, to: &str) -> Result<()> {
        let (mut state, account) = self.known();
        let holder = someone(&state, account, to)?;
        hand_out(&mut state, account, holder);
        Ok(())
    }

    /// Takes back the token that somebody has; says whether there was one. Nobody is told.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn revokes_token(&self, from: &str) -> Result<bool> {
        let (mut state, account) = self.known();
        let holder = someone(&state, account, from)?;
        Ok(revoke(&mut state, account, holder))
    }

    /// Lets the token that somebody has expire, though their devices still think it good; says whether there was one.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn expires_token(&self, of: &str) -> Result<bool> {
        let (mut state, account) = self.known();
        let holder = someone(&state, account, of)?;
        Ok(expire(&mut state, account, holder))
    }

    /// The tokens that the account has given.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn given_tokens(&self) -> Vec<GivenToken> {
        let (state, account) = self.known();
        given(&state, account)
    }

    /// The tokens that others have given the account.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn held_tokens(&self) -> Vec<GivenToken> {
        let (state, account) = self.known();
        held(&state, account)
    }

    /// The salt of the account's customer tokens; `None` before it was needed.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn salt(&self) -> Option<Vec<u8>> {
        let (state, account) = self.known();
        state.accounts.get(account)?.tokens.known_salt().map(<[u8]>::to_vec)
    }

    /// Makes another salt, which the account's devices learn only if its phone puts salts into the shared settings: what
    /// they make from the old one is refused.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn renews_salt(&self) -> Result<()> {
        let (mut state, account) = self.known();
        renew_salt(&mut state, account)
    }
}

/// Somebody else, by the name of a phone, a JID or the digits of a number.
pub(crate) fn someone(state: &State, account: AccountId, who: &str) -> Result<AccountId> {
    match Recipient::find(state, who)? {
        Recipient::Person { account: other, .. } if other != account => Ok(other),
        _ => Err(Error::NoSuchChat(who.to_owned())),
    }
}

/// Takes back a token; says whether there was one.
pub(crate) fn revoke(state: &mut State, giver: AccountId, holder: AccountId) -> bool {
    if let Some(holder) = state.accounts.get_mut(holder) {
        holder.tokens.held.remove(&giver);
    }
    let giver = state.accounts.get_mut(giver);
    giver.is_some_and(|giver| giver.tokens.given.remove(&holder).is_some())
}

/// Lets a token expire; says whether there was one.
pub(crate) fn expire(state: &mut State, giver: AccountId, holder: AccountId) -> bool {
    let giver = state.accounts.get_mut(giver);
    let token = giver.and_then(|giver| giver.tokens.given.get_mut(&holder));
    token.map(|token| token.given = 0).is_some()
}

/// The tokens that an account has given.
pub(crate) fn given(state: &State, account: AccountId) -> Vec<GivenToken> {
    let giver = state.accounts.get(account).into_iter();
    let pairs = giver.flat_map(|giver| giver.tokens.given.keys().map(|holder| (account, *holder)));
    pairs.filter_map(|(giver, holder)| shown(state, giver, holder)).collect()
}

/// The tokens that others have given an account.
pub(crate) fn held(state: &State, account: AccountId) -> Vec<GivenToken> {
    let holder = state.accounts.get(account).into_iter();
    let pairs = holder.flat_map(|holder| holder.tokens.held.iter().map(|giver| (*giver, account)));
    pairs.filter_map(|(giver, holder)| shown(state, giver, holder)).collect()
}

fn shown(state: &State, giver: AccountId, holder: AccountId) -> Option<GivenToken> {
    let (from, to) = (state.accounts.get(giver)?, state.accounts.get(holder)?);
    let token = from.tokens.given.get(&holder)?;
    Some(GivenToken {
        from: from.name.clone(),
        to: to.name.clone(),
        token: token.bytes.to_vec(),
        timestamp: token.named,
        expired: !Window::of(state, holder).holds(token, state.clock.now()),
    })
}

/// Makes another salt.
pub(crate) fn renew_salt(state: &mut State, account: AccountId) -> Result<()> {
    salt::renew(state, account)
}
