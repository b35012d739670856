//! The sandbox, driven by a real client.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod client;
mod control;
mod disturb;
mod faults;
mod groups;
mod linking;
mod logins;
mod members;
mod network;
