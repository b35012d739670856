//! Sessions against the sandbox: a real client, a real protocol, simulated phones.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod boot;
mod connections;
mod crashes;
mod harbour;
mod settings;
mod verbs;
