//! A WhatsApp server for development and tests.
//!
//! It speaks the real protocol on a WebSocket (Noise handshake, binary nodes, QR linking, prekeys, groups) and
//! plays the phones of its accounts, so an unmodified client can be linked and driven without the internet. State
//! is in memory, and with [`Config::data`] outlives the process. [`Sandbox`] is the server and the levers that move it.

mod app_state;
mod blob;
mod calls;
mod clock;
mod connection;
mod control;
mod data;
mod devices;
mod dirty;
mod error;
mod faults;
mod groups;
mod iq;
mod journal;
mod key_nodes;
mod levers;
mod limits;
mod logins;
mod media;
mod newsletters;
mod noise;
mod numbers;
mod pairing;
mod phone;
mod pictures;
mod presence;
mod profile;
mod random;
mod relay;
mod server;
mod stanza;
mod state;
mod stock;
mod streams;
mod strictness;
mod tokens;
mod transport;
mod websocket;
mod wire;

pub use dirty::Dirty;
pub use error::{Error, Result};
pub use faults::Fault;
pub use groups::{GroupLever, NewGroup, Part, Refusal, Role};
pub use journal::{Entry, JournalFilter};
pub use levers::{LinkedDevice, Phone};
pub use limits::RateLimit;
pub use logins::LoginFailure;
pub use media::StoredMedia;
pub use newsletters::NewsletterLever;
pub use phone::{
    History, HistoryChat, HistoryMessage, MessageKind, PeerRequest, ReceivedMessage,
    ReceivedReceipt, Setting, Undecrypted, UnreadPatch,
};
pub use presence::ChatState;
pub use profile::{BusinessCategory, BusinessHours, BusinessProfile, Weekday};
pub use server::{Config, Sandbox};
pub use streams::StreamEnd;
pub use tokens::GivenToken;
pub use transport::Frames;
