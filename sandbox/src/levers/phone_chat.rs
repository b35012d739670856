//! The phone as a person holds it: writes, reads, reacts, edits and takes back.

use std::time::Duration;

use waproto::whatsapp::Message;

use crate::phone::{self, Chats, PeerRequest, ReceivedMessage, ReceivedReceipt, Undecrypted};
use crate::state::{self, AccountId};
use crate::{Error, Phone, Result};

/// How long a test waits for something to arrive.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

impl Phone {
    /// Sends a text to whom a phone name, a JID or the digits of a number mean, to a group, to a newsletter of the
    /// account's own, or as its status (`status@broadcast`) to its contacts; returns the message's id.
    /// A name stands for the account's LID. Every device of the recipients gets it, and so does every other device of
    /// the phone's own account.
    pub async fn sends(&self, to: &str, text: &str) -> Result<String> {
        self.sends_message(to, phone::text(text)).await
    }

    /// Sends any message, as [`Phone::sends`] does a text.
    pub async fn sends_message(&self, to: &str, message: Message) -> Result<String> {
        let account = self.account()?;
        let to = phone::Recipient::find(&state::lock(&self.shared), to)?;
        phone::send(&self.shared, account, &to, message).await
    }

    /// Reacts to a message that the phone has received or sent; an empty text takes the reaction back. Returns the id of
    /// the reaction.
    pub async fn reacts(&self, id: &str, emoji: &str) -> Result<String> {
        phone::react(&self.shared, self.account()?, id, emoji).await
    }

    /// Gives a message of its own another text; returns the id of the message that says so.
    pub async fn edits(&self, id: &str, text: &str) -> Result<String> {
        phone::edit(&self.shared, self.account()?, id, text).await
    }

    /// Takes a message back for everybody: its own, or in a group somebody else's, which only an admin may. Returns the
    /// id of the message that says so.
    pub async fn revokes(&self, id: &str) -> Result<String> {
        phone::revoke(&self.shared, self.account()?, id).await
    }

    /// Follows a newsletter, whose newest messages the phone then has.
    pub fn follows(&self, newsletter: &str) -> Result<()> {
        let jid = phone::newsletter(&self.shared, newsletter)?;
        phone::follow(&self.shared, self.account()?, &jid, true)
    }

    /// Follows a newsletter no more.
    pub fn unfollows(&self, newsletter: &str) -> Result<()> {
        let jid = phone::newsletter(&self.shared, newsletter)?;
        phone::follow(&self.shared, self.account()?, &jid, false)
    }

    /// Tells the senders of these messages that they were read; messages of newsletters count as seen.
    pub fn reads(&self, ids: &[&str]) -> Result<()> {
        let account = self.account()?;
        phone::read(&mut state::lock(&self.shared), account, ids)
    }

    /// What the phone has received with a number above `after`, oldest first; the newest 256 are kept.
    pub fn messages(&self, after: u64) -> Vec<ReceivedMessage> {
        self.of_chats(|chats| chats.messages.after(after).cloned().collect())
    }

    /// The first message that is as wanted, among those that the phone has and those to come; waits 30 seconds for it.
    pub async fn receives(
        &self,
        wanted: impl Fn(&ReceivedMessage) -> bool,
    ) -> Result<ReceivedMessage> {
        self.waits(|chats| chats.messages.after(0).find(|message| wanted(message)).cloned()).await
    }

    /// Receipts for the phone's messages, oldest first; the newest 256 are kept.
    pub fn receipts(&self) -> Vec<ReceivedReceipt> {
        self.of_chats(|chats| chats.receipts.after(0).cloned().collect())
    }

    /// The first receipt that is as wanted, among those that the phone has and those to come; waits 30 seconds for it.
    pub async fn hears(
        &self,
        wanted: impl Fn(&ReceivedReceipt) -> bool,
    ) -> Result<ReceivedReceipt> {
        self.waits(|chats| chats.receipts.after(0).find(|receipt| wanted(receipt)).cloned()).await
    }

    /// What the account's devices have asked of the phone, oldest first; the newest 256 are kept.
    pub fn peer_requests(&self) -> Vec<PeerRequest> {
        self.of_chats(|chats| chats.requests.after(0).cloned().collect())
    }

    /// The first such request that is as wanted, among those that the phone has and those to come; waits 30 seconds.
    pub async fn is_asked(&self, wanted: impl Fn(&PeerRequest) -> bool) -> Result<PeerRequest> {
        self.waits(|chats| chats.requests.after(0).find(|request| wanted(request)).cloned()).await
    }

    /// What the phone could not decrypt, oldest first; the newest 256 are kept.
    pub fn undecrypted(&self) -> Vec<Undecrypted> {
        self.of_chats(|chats| chats.undecrypted.after(0).cloned().collect())
    }

    /// The first of them that is as wanted, among those that there are and those to come; waits 30 seconds for it.
    pub async fn cannot_read(&self, wanted: impl Fn(&Undecrypted) -> bool) -> Result<Undecrypted> {
        self.waits(|chats| chats.undecrypted.after(0).find(|one| wanted(one)).cloned()).await
    }

    /// Sets whether the phone keeps the key of the shared settings to itself when it links a device. It still answers
    /// devices that ask for it.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn withholds_keys(&self, on: bool) {
        let (mut state, account) = self.known();
        phone::withhold_keys(&mut state, account, on);
    }

    /// Forgets every Signal session and sender key, as a phone that was set up anew without them: what others then send
    /// on theirs does not open, and is asked for again.
    pub async fn forgets_sessions(&self) -> Result<()> {
        phone::forget_sessions(&self.shared, self.account()?).await;
        Ok(())
    }

    pub(super) fn account(&self) -> Result<AccountId> {
        let state = state::lock(&self.shared);
        let account = state.accounts.by_name(&self.name).map(|account| account.id);
        account.ok_or_else(|| Error::NoSuchPhone(self.name.clone()))
    }

    fn of_chats<T: Default>(&self, of: impl FnOnce(&Chats) -> T) -> T {
        let state = state::lock(&self.shared);
        let account = state.accounts.by_name(&self.name);
        account
            .and_then(|account| account.handset.as_ref())
            .map_or_else(T::default, |handset| of(&handset.chats))
    }

    async fn waits<T>(&self, find: impl Fn(&Chats) -> Option<T>) -> Result<T> {
        let account = self.account()?;
        let found = phone::wait(&self.shared, account, find);
        let late = |_| Error::NotReceived(self.name.clone());
        tokio::time::timeout(DEADLINE, found).await.map_err(late)
    }
}
