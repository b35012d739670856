//! The gateway over its HTTP surface, against the sandbox.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped in a test is its failure")]

mod app;
mod auth;
mod command;
mod groups;
mod lifecycle;
mod offline;
mod openapi;
mod paging;
mod requests;
mod restart;
mod sessions;
mod settings;
