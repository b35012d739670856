//! Supervised WhatsApp sessions.
//!
//! Each session is an actor that owns its connection, its state machine and the order of its operations; a supervisor
//! starts it, finds it and brings it back after a crash. Callers see [`Sessions`] and [`SessionHandle`] with plain,
//! serializable commands, never an actor or a channel, so that a session may one day live on another node.
//!
//! The protocol library is named only below the module `whatsapp`.

mod admissions;
mod clock;
mod command;
mod config;
mod error;
mod event;
mod figures;
mod handle;
mod lanes;
mod registry;
mod resources;
mod schedule;
mod session;
mod sessions;
mod supervisor;
mod whatsapp;

pub use admissions::ConnectFigures;
pub use clock::now_ms;
#[cfg(feature = "sandbox")]
pub use clock::set_clock_ahead;
pub use command::{
    ApplySettings, Census, FetchInvite, NewSession, Qr, RequestPairingCode, RevokeInvite,
    SessionView,
};
pub use config::{Config, InvalidEndpoint};
pub use error::{Error, Field, Refusal, Result, SettingsFailure};
pub use figures::{Figures, OperationFigures};
#[cfg(feature = "sandbox")]
pub use handle::Crash;
pub use handle::SessionHandle;
pub use resources::{
    Cache, Caches, ClientResources, Connection, Operations, Queues, Resources, Traffic,
};
pub use sessions::Sessions;
pub use whatsapp::{InvalidRoots, TrustedRoots};

/// True when this build contains the sandbox's certificate bypass and therefore talks to loopback only.
pub const SANDBOX_BUILD: bool = cfg!(feature = "sandbox");
