//! The levers of a profile: what the account's owner does on the phone.

use super::{BusinessProfile, change};
use crate::Phone;

impl Phone {
    /// Sets the about; who knows the account and may see it hears of it.
    ///
    /// # Panics
    /// If there is no such account, or the text has more than 139 characters.
    pub fn sets_about(&self, text: &str) {
        let (mut state, account) = self.known();
        match change::about(&mut state, account, text) {
            Ok(pushes) => state.push_all(pushes),
            Err(refusal) => {
                drop(state);
                panic!("the about of `{}`: {} {refusal}", self.name(), refusal.code());
            }
        }
    }

    /// The about; nothing if it was never set.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn about(&self) -> Option<String> {
        let (state, account) = self.known();
        Some(state.accounts.get(account)?.profile.about.as_ref()?.text.clone())
    }

    /// Sets how many seconds new chats with the account keep messages, 0 for ever; its devices and who knows it hear of
    /// it.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn sets_disappearing_mode(&self, seconds: u32) {
        let (mut state, account) = self.known();
        let pushes = change::timer(&mut state, account, None, seconds);
        state.push_all(pushes);
    }

    /// How many seconds new chats with the account keep messages, 0 for ever.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn disappearing_mode(&self) -> u32 {
        let (state, account) = self.known();
        state.accounts.get(account).map_or(0, |account| account.profile.timer.seconds)
    }

    /// Makes the account a business with this profile, or changes its profile; who knows the account hears of it.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn is_business(&self, profile: BusinessProfile) {
        self.changes_business(Some(profile));
    }

    /// The account is no business any more.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn is_no_business(&self) {
        self.changes_business(None);
    }

    fn changes_business(&self, profile: Option<BusinessProfile>) {
        let (mut state, account) = self.known();
        let pushes = change::business(&mut state, account, profile);
        state.push_all(pushes);
    }
}
