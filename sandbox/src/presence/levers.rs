//! A phone that is taken up or put down, and on which somebody types.

use wacore_binary::Jid;
use wacore_binary::builder::NodeBuilder;

use super::{chat_state, turn};
use crate::Phone;
use crate::phone::Recipient;
use crate::state::{AccountId, DeviceAddr, State};

/// What somebody does in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatState {
    /// Types.
    Composing,
    /// Records a voice message.
    Recording,
    /// Has stopped doing either.
    Paused,
}

impl Phone {
    /// Takes the phone up, so that the account is online, or puts it down.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn is_in_use(&self, on: bool) {
        let (mut state, account) = self.known();
        appear(&mut state, account, on);
    }

    /// Types, records or stops, in the chat with whom a phone name, a JID or the digits of a number mean, or in a group.
    ///
    /// # Panics
    /// If there is no such account, or nobody and no group of this name.
    pub fn types(&self, to: &str, what: ChatState) {
        let (mut state, account) = self.known();
        let chat = Recipient::find(&state, to).map(|chat| chat.jid(&state));
        let told = chat.map(|chat| show(&mut state, account, &chat, what));
        drop(state);
        told.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The phone of an account is in use, or not any more.
pub(crate) fn appear(state: &mut State, account: AccountId, on: bool) {
    turn(state, DeviceAddr::phone(account), on);
}

/// The phone of an account shows what its owner does in a chat.
pub(crate) fn show(state: &mut State, account: AccountId, chat: &Jid, what: ChatState) {
    let child = match what {
        ChatState::Composing => NodeBuilder::new("composing"),
        ChatState::Recording => NodeBuilder::new("composing").attr("media", "audio"),
        ChatState::Paused => NodeBuilder::new("paused"),
    };
    let node = NodeBuilder::new("chatstate").attr("to", chat).children([child.build()]).build();
    chat_state(state, DeviceAddr::phone(account), &node);
}
