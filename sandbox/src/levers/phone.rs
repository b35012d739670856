//! The levers of one account: its phone, its devices, and the connections of those.

use std::time::Duration;

use super::{drop_connections, of_account, unlink_all};
use crate::iq::privacy;
use crate::logins::Ban;
use crate::state::{self, AccountId, LinkId, Locked, State};
use crate::streams::{self, StreamEnd};
use crate::{Error, Fault, LinkedDevice, LoginFailure, Phone, Result, numbers, pairing};

impl Phone {
    /// Name of the account.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that others see, as the client of the account gave it last.
    pub fn push_name(&self) -> Result<String> {
        let state = state::lock(&self.shared);
        let account = state.accounts.by_name(&self.name);
        account.map(|account| account.push_name.clone()).ok_or_else(|| self.unknown())
    }

    /// Digits of the phone number, as a client that links by a pairing code names it.
    pub fn number(&self) -> Result<String> {
        let state = state::lock(&self.shared);
        let account = state.accounts.by_name(&self.name);
        account.map(|account| account.phone.clone()).ok_or_else(|| self.unknown())
    }

    /// Changes the phone number: 7 to 15 digits, with or without a `+`. The LID stays; who knows the account and the members
    /// of its groups hear of it, and its devices stay linked.
    pub fn changes_number(&self, number: &str) -> Result<()> {
        let account = self.account()?;
        numbers::change(&mut state::lock(&self.shared), account, number)
    }

    /// Scans a linking code; resolves once the client has accepted and the device is linked.
    pub async fn scans(&self, qr: &str) -> Result<LinkedDevice> {
        pairing::scan(&self.shared, &self.name, qr).await
    }

    /// Enters the pairing code that a client shows for this phone's number, with or without dashes; resolves once the
    /// client has accepted and the device is linked. After a wrong code the client still shows the right one; it takes
    /// three attempts.
    pub async fn enters_code(&self, code: &str) -> Result<LinkedDevice> {
        pairing::enter(&self.shared, &self.name, code).await
    }

    /// Ends the time of the pairing code that a client shows for this phone's number, and asks the client for another
    /// one: to make it by itself, or by its user's hand. Without this a code lasts 180 seconds.
    pub fn expires_code(&self, by_hand: bool) -> Result<()> {
        pairing::expire(&mut state::lock(&self.shared), &self.name, by_hand)
    }

    /// The linked devices, in the order in which they were linked; none if there is no such account.
    pub fn devices(&self) -> Vec<LinkedDevice> {
        let state = state::lock(&self.shared);
        let Some(account) = state.accounts.by_name(&self.name) else { return Vec::new() };
        account.devices.iter().map(|device| LinkedDevice::of(account, device)).collect()
    }

    /// How many messages the device of this number has not acknowledged yet; 0 for a device that is not there.
    pub fn unacknowledged(&self, device: u16) -> usize {
        let state = state::lock(&self.shared);
        let device = state.accounts.by_name(&self.name).and_then(|account| account.device(device));
        device.map_or(0, |device| device.queue.missed().messages)
    }

    /// Unlinks every device of the account, as its owner does in the phone's settings; returns how many there were.
    pub fn unlinks(&self) -> usize {
        let mut state = state::lock(&self.shared);
        let account = state.accounts.by_name(&self.name).map(|account| account.id);
        account.map_or(0, |account| unlink_all(&mut state, account))
    }

    /// Breaks the connections of the account's devices, without a closing word; returns when all of them are gone.
    pub async fn drops_connections(&self) {
        let account = state::lock(&self.shared).accounts.by_name(&self.name).map(|found| found.id);
        if let Some(account) = account {
            drop_connections(&self.shared, of_account(account)).await;
        }
    }

    /// Ends the connections of the account's devices with this stanza; says how many were open.
    pub fn ends_streams(&self, end: StreamEnd) -> usize {
        let mut state = state::lock(&self.shared);
        let Some(account) = state.accounts.by_name(&self.name) else { return 0 };
        let which = of_account(account.id);
        streams::end_all(&mut state, which, end)
    }

    /// The next `count` requests of this kind that the account's devices make, or stanzas that are on their way to them,
    /// meet the fault; operations are those of [`Sandbox::fails_next`](crate::Sandbox::fails_next).
    ///
    /// # Panics
    /// If there is no such account or no such operation, or the fault makes no sense for it.
    pub fn fails_next(&self, operation: &str, count: usize, fault: Fault) {
        let (mut state, account) = self.known();
        state.faults.order(super::known(operation, Some(account), count, fault));
    }

    /// Refuses the next `count` logins of the account's devices.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn fails_logins(&self, count: usize, failure: LoginFailure) {
        let (mut state, account) = self.known();
        state.refusals.order(Some(account), count, failure);
    }

    /// Bans the account for a while: the connections of its devices break, without a closing word, and every login is
    /// refused with 402, this code and the time that is left. Another ban takes the place of the first.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn gets_banned(&self, code: u16, span: Duration) {
        let (mut state, account) = self.known();
        ban(&mut state, account, code, span);
    }

    /// Ends the account's ban before its time; says whether there was one.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn gets_pardoned(&self) -> bool {
        let (mut state, account) = self.known();
        pardon(&mut state, account)
    }

    /// Sets what the account lets others see and do, by category and value as clients name them: `("last", "none")`,
    /// `("groupadd", "none")` (whoever wants them in a group has to invite them by name).
    ///
    /// # Panics
    /// If there is no such account, category or value.
    pub fn sets_privacy(&self, category: &str, value: &str) {
        let (mut state, account) = self.known();
        let account = state.accounts.get_mut(account);
        let set = account.is_some_and(|account| account.privacy.set(category, value));
        drop(state);
        assert!(set, "privacy `{category}` cannot be `{value}`");
    }

    /// Blocks the account of this name, or does not any more.
    ///
    /// # Panics
    /// If there is no account of either name, or both are one.
    pub fn blocks(&self, name: &str, on: bool) {
        let (mut state, account) = self.known();
        let whom = state.accounts.by_name(name).map(|account| account.id);
        let whom = whom.filter(|whom| *whom != account);
        if let Some(whom) = whom {
            privacy::block(&mut state, account, whom, on);
        }
        drop(state);
        assert!(whom.is_some(), "there is no other phone `{name}`");
    }

    /// Sets whether the connections of the account's devices are half-open: they stay, and a device can still log in,
    /// but nothing is read, answered or sent on them. Afterwards they go on with what waits.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn hangs(&self, on: bool) {
        let (mut state, account) = self.known();
        hang(&mut state, account, on);
    }

    /// Leaves the connections that the account's devices have now half-open, for good: nothing passes on them any more,
    /// and nobody is told. New connections are not concerned. Says how many there were.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn freezes_connections(&self) -> usize {
        let (mut state, account) = self.known();
        freeze(&mut state, account)
    }

    pub(crate) fn known(&self) -> (Locked<'_>, AccountId) {
        let state = state::lock(&self.shared);
        let Some(account) = state.accounts.by_name(&self.name).map(|account| account.id) else {
            drop(state);
            panic!("{}", self.unknown())
        };
        (state, account)
    }

    fn unknown(&self) -> Error {
        Error::NoSuchPhone(self.name.clone())
    }
}

/// Bans an account and breaks the connections of its devices.
pub(crate) fn ban(state: &mut State, account: AccountId, code: u16, span: Duration) {
    if let Some(account) = state.accounts.get_mut(account) {
        account.ban = Some(Ban::lasting(code, span, state.clock.now_ms()));
    }
    for link in links(state, account) {
        state.links.cut(link);
    }
}

/// Ends a ban; says whether there was one.
pub(crate) fn pardon(state: &mut State, account: AccountId) -> bool {
    state.accounts.get_mut(account).and_then(|account| account.ban.take()).is_some()
}

/// Lets the connections of an account's devices hang, those to come among them, or go on.
pub(crate) fn hang(state: &mut State, account: AccountId, on: bool) {
    if let Some(account) = state.accounts.get_mut(account) {
        account.hangs = on;
    }
    state.hush();
}

/// Freezes the connections that an account's devices have; says how many there were.
pub(crate) fn freeze(state: &mut State, account: AccountId) -> usize {
    let links = links(state, account);
    for link in &links {
        state.links.freeze(*link);
    }
    links.len()
}

fn links(state: &State, account: AccountId) -> Vec<LinkId> {
    let mut links: Vec<LinkId> = state.links.running(of_account(account)).collect();
    links.retain(|link| state.links.is_open(*link));
    links
}
