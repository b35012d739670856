//! The phone of an account: it signs its devices, shares the keys that they need from it, and writes and reads messages
//! as device 0, end to end like any other device.

mod archive;
mod chats;
mod content;
mod envelope;
mod gestures;
mod handset;
mod history;
mod identity;
mod inbox;
mod key_ring;
mod key_share;
mod link_code;
mod media_retry;
mod newsletters;
mod peer;
mod peer_data;
mod qr;
mod recipient;
mod retry;
mod sending;
mod settings;
mod signal;
mod stores;

pub(crate) use chats::{Chats, Log};
pub use chats::{PeerRequest, ReceivedMessage, ReceivedReceipt, Undecrypted};
pub use content::MessageKind;
pub(crate) use gestures::{edit, react, read, revoke, text};
pub(crate) use handset::{Bell, Handset, deliver, forget_sessions, serve, wait, withhold_keys};
pub use history::{History, HistoryChat, HistoryMessage};
pub(crate) use history::{remember, renumbered};
pub(crate) use identity::{Keys, accepts, signed_by};
pub(crate) use key_ring::{KeyRing, SettingsKey};
pub(crate) use link_code::{EnteredCode, WRAPPED_KEY};
pub(crate) use newsletters::{follow, named as newsletter};
pub(crate) use peer::{rotate_settings_key, welcome};
pub(crate) use qr::LinkingCode;
pub(crate) use recipient::Recipient;
pub(crate) use sending::send;
pub(crate) use settings::{Change, Settings, action, learn_settings, saved_contact, write};
pub use settings::{Setting, UnreadPatch};
pub(crate) use signal::Signal;

/// The number of the phone among the devices of its account.
pub(crate) const DEVICE: u16 = 0;
