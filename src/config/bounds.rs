//! What one session may take.

use clap::Args;

use super::{at_least_one, memory};

/// One-time prekeys that a device keeps at WhatsApp, unless told otherwise.
const PREKEYS: usize = 200;
/// The fewest with which the protocol works, and the most that are sent at once.
const PREKEYS_RANGE: std::ops::RangeInclusive<usize> = 5..=5_000;
/// 8 MiB.
const SESSION_CACHE: usize = 8 << 20;
/// Less holds hardly a group.
const LEAST_SESSION_CACHE: usize = 64 << 10;
/// Work on a part of a history or of an app state keeps a core busy.
const SYNCS_AT_ONCE: usize = 2;

/// Options about what one session may take.
#[derive(Debug, Clone, Copy, Args)]
pub struct Bounds {
    /// One-time prekeys that a device keeps at WhatsApp: each new chat takes one, and what is taken is made up for.
    #[arg(long, env = "WHARF_PREKEYS", default_value_t = PREKEYS, value_parser = prekeys)]
    pub prekeys: usize,
    /// Bytes that the caches of one session may take, about; memory is taken for what is in them alone.
    #[arg(long, env = "WHARF_SESSION_CACHE", value_name = "SIZE", default_value_t = SESSION_CACHE, value_parser = session_cache)]
    pub session_cache: usize,
    /// Parts of histories and app states that are worked on at once, over all sessions.
    #[arg(long, env = "WHARF_SYNC_CONCURRENCY", default_value_t = SYNCS_AT_ONCE, value_parser = at_least_one)]
    pub sync_concurrency: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { prekeys: PREKEYS, session_cache: SESSION_CACHE, sync_concurrency: SYNCS_AT_ONCE }
    }
}

fn prekeys(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| PREKEYS_RANGE.contains(number));
    number.ok_or_else(|| "must be a whole number from 5 to 5000".to_owned())
}

fn session_cache(text: &str) -> Result<usize, String> {
    let bytes = Some(memory(text)?).filter(|bytes| *bytes >= LEAST_SESSION_CACHE);
    bytes.ok_or_else(|| "must be 64KiB or more".to_owned())
}
