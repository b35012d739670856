//! Commands on API keys.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use wharf_storage::{Capability, KeyId, SessionId};

use super::{Data, span};
use crate::keys::is_name;

/// Commands on API keys. They ask the gateway that runs on the data, or open the data when none runs.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print its secret, which is shown only this once.
    Create(KeyCreate),
    /// List the keys that were not revoked, one a line: id, organization, permissions, sessions, end, name.
    List(KeyList),
    /// Revoke a key: it opens nothing from then on.
    Revoke(KeyRevoke),
}

/// Options of `key create`.
#[derive(Debug, Clone, Args)]
pub struct KeyCreate {
    /// Organization that the key belongs to.
    #[arg(long, default_value = "default", value_parser = name)]
    pub organization: String,
    /// Name for people.
    #[arg(long, value_parser = name)]
    pub name: String,
    /// What the key may be used for.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "read,send,manage,events")]
    pub permissions: Vec<Permission>,
    /// The only sessions that shall exist for the key; may be given more than once. All of the organization when absent.
    #[arg(long = "session", value_name = "ID", value_parser = session_id)]
    pub sessions: Vec<SessionId>,
    /// How long the key is good, such as `30d`; for ever when absent.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub expires_in: Option<Duration>,
    /// Folder of everything that is stored; made if absent.
    #[arg(long, env = "WHARF_DATA", default_value = "wharf-data")]
    pub data: PathBuf,
}

/// Options of `key list`.
#[derive(Debug, Clone, Args)]
pub struct KeyList {
    /// Organization whose keys are listed; all when absent.
    #[arg(long)]
    pub organization: Option<String>,
    /// Whose keys they are.
    #[command(flatten)]
    pub data: Data,
}

/// Options of `key revoke`.
#[derive(Debug, Clone, Args)]
pub struct KeyRevoke {
    /// The key's id, `key_` and a ULID.
    #[arg(value_parser = key_id)]
    pub id: KeyId,
    /// Whose keys they are.
    #[command(flatten)]
    pub data: Data,
}

/// A capability on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Permission {
    /// Read what is stored.
    Read,
    /// Change things at WhatsApp.
    Send,
    /// Manage sessions and keys.
    Manage,
    /// Receive events.
    Events,
}

impl From<Permission> for Capability {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Read => Self::Read,
            Permission::Send => Self::Send,
            Permission::Manage => Self::Manage,
            Permission::Events => Self::Events,
        }
    }
}

fn key_id(text: &str) -> Result<KeyId, String> {
    text.parse().map_err(|_| "must be the id of a key, such as `key list` shows".to_owned())
}

fn session_id(text: &str) -> Result<SessionId, String> {
    text.parse().map_err(|_| "must be the id of a session".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 200 characters, not only white space".to_owned())
    }
}
