//! The gateway over its HTTP surface, against the sandbox.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped in a test is its failure")]

mod app;
mod audit;
mod auth;
mod bodies;
mod command;
mod control;
mod document;
mod events;
mod faults;
mod fleet;
mod groups;
mod isolation;
mod keys;
mod kills;
mod lifecycle;
mod login;
mod offline;
mod openapi;
mod operations;
mod paging;
mod pairing_codes;
mod process;
mod requests;
mod restart;
mod restarts;
mod secrets;
mod session_settings;
mod sessions;
mod settings;
mod shutdown;
mod silence;
mod states;
mod unreachable;
mod verbs;
