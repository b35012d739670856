//! The settings that the phone shares with its devices.

use waproto::whatsapp::SyncActionValue;

use crate::phone::{self, Change, Recipient};
use crate::state::{self, AccountId, Shared, State};
use crate::{Error, Phone, Result, Setting, UnreadPatch, app_state};

impl Phone {
    /// The settings as the phone reads them, by collection and index: its own, and those that devices have uploaded.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn settings(&self) -> Vec<Setting> {
        let (state, account) = self.known();
        settings(&state, account)
    }

    /// Patches of devices that the phone cannot read, oldest first; the newest 100 are kept.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn unread_settings(&self) -> Vec<UnreadPatch> {
        let (state, account) = self.known();
        unread(&state, account)
    }

    /// Gives the account the name that others see: 1 to 25 characters.
    pub fn sets_push_name(&self, name: &str) -> Result<()> {
        self.changes(|_, _| Change::push_name(name))
    }

    /// Saves somebody, by the name of a phone, a JID or a number, as a contact of this name.
    pub fn saves_contact(&self, who: &str, name: &str) -> Result<()> {
        self.changes(|state, _| contact(state, who, name))
    }

    /// Mutes a chat until this instant in epoch milliseconds, or for ever. The chat is the name of a phone (whose LID is
    /// meant), a JID, a number or a group.
    pub fn mutes(&self, chat: &str, until: Option<i64>) -> Result<()> {
        self.changes(|state, _| Ok(Change::mute(jid(state, chat)?, true, until)))
    }

    /// Makes a chat loud again.
    pub fn unmutes(&self, chat: &str) -> Result<()> {
        self.changes(|state, _| Ok(Change::mute(jid(state, chat)?, false, None)))
    }

    /// Pins a chat, or pins it no more.
    pub fn pins(&self, chat: &str, on: bool) -> Result<()> {
        self.changes(|state, _| Ok(Change::pin(jid(state, chat)?, on)))
    }

    /// Archives a chat, or takes it back.
    pub fn archives(&self, chat: &str, on: bool) -> Result<()> {
        self.changes(|state, _| Ok(Change::archive(jid(state, chat)?, on)))
    }

    /// Sets whatever there is: an action by its name on the wire (`nct_salt_sync`, `markChatAsRead`), the arguments that
    /// follow it in the index, and the value. Without a value the setting is removed.
    pub fn sets(
        &self,
        action: &str,
        arguments: &[&str],
        value: Option<SyncActionValue>,
    ) -> Result<()> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.changes(|_, _| any(action, arguments, value))
    }

    /// The version of a collection; 0 if there is none of this name.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn settings_version(&self, collection: &str) -> u64 {
        let (state, account) = self.known();
        let name = app_state::named(collection);
        let account = state.accounts.get(account);
        account.zip(name).map_or(0, |(account, name)| account.app_state.version(name))
    }

    /// Lets the server forget the patches of the account: devices that lack one get a snapshot. Says how many there were.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn folds_settings(&self) -> usize {
        let (mut state, account) = self.known();
        fold(&mut state, account)
    }

    /// Makes a new key for the settings, which is used from now on, and shares it with every device, unless the phone
    /// keeps keys to itself.
    pub async fn rotates_settings_key(&self) -> Result<()> {
        rotate_key(&self.shared, self.account()?).await;
        Ok(())
    }

    fn changes(&self, change: impl FnOnce(&State, AccountId) -> Result<Change>) -> Result<()> {
        let account = self.account()?;
        let mut state = state::lock(&self.shared);
        let change = change(&state, account)?;
        phone::write(&mut state, account, &change)
    }
}

/// The settings of an account.
pub(crate) fn settings(state: &State, account: AccountId) -> Vec<Setting> {
    let account = state.accounts.get(account);
    account.map_or_else(Vec::new, |account| account.settings.all().cloned().collect())
}

/// The patches that the phone of an account could not read.
pub(crate) fn unread(state: &State, account: AccountId) -> Vec<UnreadPatch> {
    let account = state.accounts.get(account);
    account.map_or_else(Vec::new, |account| account.settings.unread().cloned().collect())
}

/// Folds the patches of an account; says how many there were.
pub(crate) fn fold(state: &mut State, account: AccountId) -> usize {
    state.accounts.get_mut(account).map_or(0, |account| account.app_state.fold())
}

/// Makes a new key and shares it; says how many devices there were.
pub(crate) async fn rotate_key(shared: &Shared, account: AccountId) -> usize {
    phone::rotate_settings_key(shared, account).await
}

/// What an index calls a chat.
pub(crate) fn jid(state: &State, chat: &str) -> Result<String> {
    Ok(Recipient::find(state, chat)?.jid(state).to_string())
}

/// Somebody as a contact.
pub(crate) fn contact(state: &State, who: &str, name: &str) -> Result<Change> {
    let unknown = || Error::NoSuchChat(who.to_owned());
    match Recipient::find(state, who)? {
        Recipient::Person { account, .. } => {
            phone::saved_contact(state, account, name).ok_or_else(unknown)
        }
        _ => Err(unknown()),
    }
}

/// Any setting, by the name of its action.
pub(crate) fn any(
    action: &str,
    arguments: Vec<String>,
    value: Option<SyncActionValue>,
) -> Result<Change> {
    let known = phone::action(action).ok_or_else(|| Error::NoSuchAction(action.to_owned()))?;
    Ok(Change::new(known, arguments, value))
}
