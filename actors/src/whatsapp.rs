//! The only place that names the protocol library: its client behind our own types.
//!
//! One `run` of a client is one connection, and its return is the only signal that the connection is over; the session
//! actor decides when the next one begins.

mod caches;
mod client;
mod endpoint;
mod groups;
mod inbound;
mod meter;
mod pairing;
mod refusal;
mod runtime;
mod signal;
mod syncs;
mod trust;
mod version;

pub(crate) use client::{Client, Link, Making, Shared};
pub(crate) use endpoint::{DialFailure, Pulse, check_endpoint};
pub(crate) use groups::DescriptionOutcome;
pub(crate) use inbound::Inbound;
pub(crate) use meter::Meter;
pub(crate) use pairing::MintedCode;
pub(crate) use signal::{GroupNews, NewsOf, Signal, SignalSink};
pub use trust::{InvalidRoots, TrustedRoots};
pub(crate) use version::Version;

/// How an operation at WhatsApp ended, other than well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection is down, or went down meanwhile.
    Disconnected,
    /// No answer in time.
    Timeout,
    /// WhatsApp refused.
    Refused(crate::error::Refusal),
    /// An answer that makes no sense, or a fault of our own.
    Broken(String),
}
