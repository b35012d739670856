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
mod half_open;
mod joining;
mod linking;
mod logins;
mod media;
mod media_refusals;
mod members;
mod messages;
mod network;
mod offline;
mod pairing_code;
mod pictures;
mod presence;
mod privacy;
mod receipts;
mod refusals;
mod restarts;
mod streams;
mod tls;
