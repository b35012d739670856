//! The past of an account, as a test describes it: a device that is linked gets it from the phone, in parts.
//!
//! whatsapp-rust `history_sync.rs` and wacore `history_sync.rs` say what a client makes of it. Each part is a
//! `HistorySync`, compressed, in a file of its own or, if it is the first and small, in the message itself.

mod part;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::{AccountId, Shared, State, lock};
use crate::{Error, Result};
pub(crate) use part::Part;
pub(super) use part::parts;

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
    let parts = Part::of(state, account, history)?;
    let Some(account) = state.accounts.get_mut(account) else {
        return Err(Error::NoSuchPhone(account.0.to_string()));
    };
    account.history = parts;
    Ok(())
}

/// The parts of an account's past, for a device.
fn of(shared: &Shared, account: AccountId) -> Vec<Part> {
    let state = lock(shared);
    state.accounts.get(account).map_or_else(Vec::new, |account| account.history.clone())
}
