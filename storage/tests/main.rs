//! The store from outside: files of older releases, processes that die, and the protocol library's backend beside the
//! library's own.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod crashes;
mod migration;
mod whatsapp;
