//! The WhatsApp gateway: its HTTP surface, its configuration and its life from start to shutdown.
//!
//! - [`run`] is the gateway in one call; [`app`] is its HTTP service alone.
//! - `api` holds one module per resource, `extract` what handlers take from a request, `error` what they answer when
//!   it goes wrong.
//! - Everything that speaks to WhatsApp is in `wharf-actors`, everything that is stored in `wharf-storage`.

mod api;
mod audit;
mod clock;
mod cors;
mod disk;
mod error;
mod extract;
mod limits;
mod listener;
mod metrics;
mod request;
mod retention;
mod state;
mod verbs;
mod workers;

pub mod auth;
pub mod config;
pub mod control;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod encryption;
pub mod health;
pub mod keys;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod upkeep;

pub use api::{app, app_with, document, text as document_text};
pub use extract::Authenticated;
pub use listener::serve;
pub use metrics::tell_allocated;
pub use server::{Error, Result, open_store, run};
pub use state::AppState;
