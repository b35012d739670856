//! The phone of an account: it signs its devices, shares the keys that they need from it, and writes and reads messages
//! as device 0, end to end like any other device.

mod chats;
mod content;
mod envelope;
mod gestures;
mod handset;
mod identity;
mod inbox;
mod key_share;
mod link_code;
mod peer;
mod qr;
mod recipient;
mod retry;
mod sending;
mod signal;
mod stores;

pub(crate) use chats::{Chats, Log};
pub use chats::{PeerRequest, ReceivedMessage, ReceivedReceipt, Undecrypted};
pub use content::MessageKind;
pub(crate) use gestures::{edit, react, read, revoke, text};
pub(crate) use handset::{Bell, Handset, deliver, forget_sessions, serve, wait, withhold_keys};
pub(crate) use identity::{Keys, accepts, signed_by};
pub(crate) use link_code::{EnteredCode, WRAPPED_KEY};
pub(crate) use peer::share_keys;
pub(crate) use qr::LinkingCode;
pub(crate) use recipient::Recipient;
pub(crate) use sending::send;

/// The number of the phone among the devices of its account.
pub(crate) const DEVICE: u16 = 0;
