//! The independent proof: Baileys from npm, which shares no code with this server, talks to it unmodified.
//!
//! Each scenario runs against both of its lines. What a test here asserts it asserts on both sides: what Baileys says
//! happened, and what the server's levers and journal say.

mod account;
mod communities;
mod driver;
mod groups;
mod install;
mod linking;
mod media;
mod messages;
mod newsletters;
mod presence;
mod profile;
mod tokens;

use std::time::Duration;

use wharf_sandbox::{Config, Sandbox};

pub(crate) use driver::Baileys;

/// An exact version of Baileys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The line that is in use for years.
    Six,
    /// The line to come, which knows LIDs.
    Seven,
}

impl Version {
    /// As npm has it.
    pub(crate) fn number(self) -> &'static str {
        match self {
            Self::Six => "6.7.24",
            Self::Seven => "7.0.0-rc14",
        }
    }
}

/// Makes a test of each scenario for each version.
macro_rules! for_both {
    ($($scenario:ident),+ $(,)?) => {
        mod six {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario(crate::baileys::Version::Six).await;
            })+
        }
        mod seven {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario(crate::baileys::Version::Seven).await;
            })+
        }
    };
}
pub(crate) use for_both;

/// A sandbox that waits after the handshake for as long as a busy machine may take over keys.
pub(crate) fn config() -> Config {
    Config { pause_after_handshake: Duration::from_millis(250), ..Config::default() }
}

/// A sandbox with these phones.
pub(crate) async fn sandbox(phones: &[&str]) -> Sandbox {
    start(config(), phones).await
}

pub(crate) async fn start(config: Config, phones: &[&str]) -> Sandbox {
    let sandbox = Sandbox::start(config).await.unwrap();
    for name in phones {
        sandbox.add_phone(name);
    }
    sandbox
}

/// Waits until the first device of a phone has acknowledged everything that it was sent.
pub(crate) async fn has_acknowledged_all(sandbox: &Sandbox, phone: &str) {
    let all = async {
        while sandbox.phone(phone).unacknowledged(1) != 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::client::DEADLINE, all).await.unwrap();
}
