//! The gateway over its HTTP surface, against the sandbox.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped in a test is its failure")]

mod app;
mod auth;
mod bodies;
mod command;
mod control;
mod cors;
mod document;
mod events;
mod faults;
mod fleet;
mod groups;
mod keys;
mod kills;
mod lifecycle;
mod limits;
mod limits_by_caller;
mod metrics;
mod offline;
mod openapi;
mod operations;
mod paging;
mod process;
mod requests;
mod restart;
mod restarts;
mod sessions;
mod settings;
mod shutdown;
mod silence;
mod strangers;
mod verbs;
mod wire;
