//! Levers on newsletters.

use buffa::Message as _;
use wacore_binary::Jid;
use waproto::whatsapp::Message;

use super::change::{self, Update};
use super::channel::Channel;
use super::relay::{Draft, Edit};
use crate::Sandbox;
use crate::groups::Refusal;
use crate::stanza::Push;
use crate::state::{self, Shared, State};

/// Does something and tells everybody whom it concerns.
pub(crate) fn act(
    shared: &Shared,
    act: impl FnOnce(&mut State) -> Result<Vec<Push>, Refusal>,
) -> Result<(), Refusal> {
    let mut state = state::lock(shared);
    let pushes = act(&mut state)?;
    state.push_all(pushes);
    Ok(())
}

/// The owner writes a text, in the place of an older message if one is named; nothing takes that one back. Returns its
/// number.
pub(crate) fn post_text(
    state: &mut State,
    jid: &Jid,
    older: Option<u64>,
    text: Option<&str>,
) -> Result<u64, Refusal> {
    let id = state.next_id();
    let channel = state.newsletters.find_mut(jid)?;
    let owner = channel.owner.clone();
    let id = match older {
        Some(older) => channel.post(older)?.id.clone(),
        None => id,
    };
    let edit = older.map(|_| if text.is_some() { Edit::Replace } else { Edit::Revoke });
    let message = Message { conversation: text.map(str::to_owned), ..Default::default() };
    let body = message.encode_to_vec();
    let draft = Draft { id, kind: "text".to_owned(), mediatype: None, body, edit };
    change::publish(state, &owner, None, jid, draft)
}

impl Sandbox {
    /// Makes a newsletter of this name for an account.
    ///
    /// # Panics
    /// If there is no such phone, or the name is empty or too long.
    pub fn add_newsletter(&self, owner: &str, name: &str) -> NewsletterLever {
        let mut state = state::lock(self.state());
        assert!(state.accounts.by_name(owner).is_some(), "there is no phone `{owner}`");
        let new = Update { name: Some(name.to_owned()), ..Update::default() };
        let jid = change::create(&mut state, owner, new)
            .unwrap_or_else(|refusal| panic!("newsletter `{name}`: {refusal}"));
        NewsletterLever { shared: self.state().clone(), jid }
    }

    /// The lever on a newsletter, by its JID; an unknown one fails where the lever is used.
    ///
    /// # Panics
    /// If this is not a JID.
    pub fn newsletter(&self, jid: &str) -> NewsletterLever {
        let jid = jid.parse().unwrap_or_else(|error| panic!("`{jid}` is not a JID: {error}"));
        NewsletterLever { shared: self.state().clone(), jid }
    }
}

/// A lever on one newsletter.
///
/// # Panics
/// Every method panics when the newsletter is unknown or the server refuses the change.
#[derive(Clone)]
pub struct NewsletterLever {
    shared: Shared,
    jid: Jid,
}

impl NewsletterLever {
    /// Its JID.
    pub fn jid(&self) -> String {
        self.jid.to_string()
    }

    /// What follows `https://whatsapp.com/channel/`.
    pub fn invite_code(&self) -> String {
        self.reads(|channel| channel.invite.clone())
    }

    /// Who follows it, by account name.
    pub fn followers(&self) -> Vec<String> {
        self.reads(|channel| channel.followers.clone())
    }

    /// Makes an account follow it.
    pub fn gets_followed(&self, name: &str) {
        self.known(name);
        self.expects(act(&self.shared, |state| change::follow(state, name, None, &self.jid)));
    }

    /// Its owner writes a text; returns the message's number.
    pub fn posts(&self, text: &str) -> u64 {
        self.publishes(None, Some(text))
    }

    /// Its owner puts a text in the place of a message.
    pub fn edits(&self, number: u64, text: &str) {
        self.publishes(Some(number), Some(text));
    }

    /// Its owner takes a message back.
    pub fn revokes(&self, number: u64) {
        self.publishes(Some(number), None);
    }

    /// Somebody who follows it reacts to a message; with nothing they take that back.
    pub fn gets_reaction(&self, name: &str, number: u64, reaction: &str) {
        let code = (!reaction.is_empty()).then(|| reaction.to_owned());
        let mut state = state::lock(&self.shared);
        let done = change::react(&mut state, name, &self.jid, number, code);
        drop(state);
        self.expects(done);
    }

    /// The numbers of its messages, the oldest first.
    pub fn numbers(&self) -> Vec<u64> {
        self.reads(|channel| channel.posts.iter().map(|post| post.server_id).collect())
    }

    /// How many gave each reaction to a message.
    pub fn reactions(&self, number: u64) -> Vec<(String, usize)> {
        self.reads(|channel| {
            let post = channel.posts.iter().find(|post| post.server_id == number);
            let tally = post.map(super::channel::Post::tally).unwrap_or_default();
            tally.into_iter().map(|(code, count)| (code.to_owned(), count)).collect()
        })
    }

    /// How many have seen a message.
    pub fn views(&self, number: u64) -> usize {
        self.reads(|channel| {
            let post = channel.posts.iter().find(|post| post.server_id == number);
            post.map_or(0, |post| post.views.len())
        })
    }

    fn known(&self, name: &str) {
        let known = state::lock(&self.shared).accounts.by_name(name).is_some();
        assert!(known, "there is no phone `{name}`");
    }

    fn publishes(&self, older: Option<u64>, text: Option<&str>) -> u64 {
        let done = post_text(&mut state::lock(&self.shared), &self.jid, older, text);
        done.unwrap_or_else(|refusal| panic!("newsletter `{}`: {refusal}", self.jid))
    }

    fn reads<T>(&self, of: impl FnOnce(&Channel) -> T) -> T {
        let state = state::lock(&self.shared);
        match state.newsletters.find(&self.jid) {
            Ok(channel) => of(channel),
            Err(refusal) => panic!("newsletter `{}`: {refusal}", self.jid),
        }
    }

    fn expects(&self, done: Result<(), Refusal>) {
        if let Err(refusal) = done {
            panic!("newsletter `{}`: {} {refusal}", self.jid, refusal.code());
        }
    }
}
