//! Messages and receipts on their way from one device to others.
//!
//! `sent` reads what a device hands in and refuses what is badly formed, `message` and `receipt` decide who gets what,
//! `stanza` builds what they get. A phone sends as device 0, with the same stanzas as a client.

mod message;
mod nack;
mod receipt;
mod sent;
mod stanza;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use message::{message, refusal};
pub(crate) use receipt::receipt;
pub(crate) use stanza::{Addresses, Addressing, ack};
