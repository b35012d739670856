//! The past of an account, as a test describes it: a device that is linked gets it from the phone, in parts.
//!
//! whatsapp-rust `history_sync.rs` and wacore `history_sync.rs` say what a client makes of it. Each part is a
//! `HistorySync`, compressed, in a file of its own or, if it is the first and small, in the message itself.

mod part;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;
use wacore_binary::{Jid, Server};
use waproto::whatsapp::{Message, WebMessageInfo};

use super::recipient::Recipient;
use crate::state::{AccountId, Shared, State, lock};
use crate::{Error, Result, tokens};
pub(super) use part::Part;

/// What had happened on a phone before its devices were linked. Chats and people are the names of phones, JIDs, or the
/// digits of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct History {
    /// The chats, the newest first.
    pub chats: Vec<HistoryChat>,
    /// How people called themselves, by who they are.
    pub push_names: BTreeMap<String, String>,
}

impl History {
    /// What can still be told: a group of the past may be gone.
    fn left(&self, state: &State, account: AccountId) -> Self {
        let mut left = self.clone();
        left.chats.retain_mut(|past| {
            let chat = Recipient::find(state, &past.chat);
            chat.is_ok_and(|chat| {
                past.messages.retain(|message| part::said(state, account, &chat, message).is_ok());
                true
            })
        });
        left.push_names.retain(|who, _| Recipient::find(state, who).is_ok());
        if left != *self {
            warn!(account = account.0, "of a phone's past, what names nobody any more is left out");
        }
        left
    }

    /// Somebody has another number.
    fn renumber(&mut self, old: &str, new: &str) {
        for chat in &mut self.chats {
            renumber(&mut chat.chat, old, new);
            let authors = chat.messages.iter_mut().filter_map(|message| message.from.as_mut());
            authors.for_each(|author| renumber(author, old, new));
        }
        let names = std::mem::take(&mut self.push_names).into_iter();
        self.push_names = names
            .map(|(mut who, name)| {
                renumber(&mut who, old, new);
                (who, name)
            })
            .collect();
    }
}

fn renumber(who: &mut String, old: &str, new: &str) {
    if who.strip_prefix('+').unwrap_or(who) == old {
        new.clone_into(who);
    } else if let Ok(jid) = who.parse::<Jid>()
        && jid.server == Server::Pn
        && jid.user == old
    {
        *who = Jid { user: new.into(), ..jid }.to_string();
    }
}

/// A chat of the past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryChat {
    /// A person or a group.
    pub chat: String,
    /// What the phone calls it.
    #[serde(default)]
    pub name: Option<String>,
    /// Messages that were not read.
    #[serde(default)]
    pub unread: u32,
    /// Whether it is archived.
    #[serde(default)]
    pub archived: bool,
    /// The messages, the oldest first.
    #[serde(default)]
    pub messages: Vec<HistoryMessage>,
}

/// A message of the past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryMessage {
    /// Its id.
    pub id: String,
    /// Who wrote it; without this it was the phone.
    #[serde(default)]
    pub from: Option<String>,
    /// Its text.
    pub text: String,
    /// Epoch seconds.
    pub timestamp: u64,
}

/// Gives an account a past; devices that are linked from now on get it.
pub(crate) fn remember(state: &mut State, account: AccountId, history: &History) -> Result<()> {
    part::syncs(state, account, history)?;
    let Some(account) = state.accounts.get_mut(account) else {
        return Err(Error::NoSuchPhone(account.0.to_string()));
    };
    account.history = Some(history.clone());
    Ok(())
}

/// Somebody has another number, in everybody's past.
pub(crate) fn renumbered(state: &mut State, old: &str, new: &str) {
    let histories = state.accounts.iter_mut().filter_map(|account| account.history.as_mut());
    histories.for_each(|history| history.renumber(old, new));
}

/// The messages of one chat of the past, the oldest first.
pub(super) fn of_chat(state: &State, account: AccountId, chat: &Recipient) -> Vec<WebMessageInfo> {
    let found = state.accounts.get(account).and_then(|account| account.history.as_ref());
    let chats = found.into_iter().flat_map(|history| &history.chats);
    let here = chats.filter(|past| {
        let other = Recipient::find(state, &past.chat);
        other.is_ok_and(|other| other.is(chat))
    });
    let messages = here.flat_map(|past| &past.messages);
    messages.filter_map(|past| part::said(state, account, chat, past).ok()).collect()
}

/// The messages that carry an account's past to a device, the privacy tokens of now at the end.
pub(super) fn parts(shared: &Shared, account: AccountId) -> Vec<Message> {
    let mut syncs = Vec::new();
    {
        let mut state = lock(shared);
        let history = state.accounts.get(account).and_then(|account| account.history.as_ref());
        let history = history.map(|history| history.left(&state, account));
        match history.map(|history| part::syncs(&state, account, &history)).transpose() {
            Ok(past) => syncs.extend(past.into_iter().flatten()),
            Err(error) => warn!(%error, "a phone does not send its past"),
        }
        syncs.extend(tokens::past(&mut state, account).map(|tokens| (tokens, 2, 100)));
    }
    // They are compressed here, without the lock.
    let parts = syncs.into_iter();
    let parts = parts.map(|(sync, order, progress)| Part::new(sync, order, progress));
    parts.map(|part| part.message(shared, None)).collect()
}
