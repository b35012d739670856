//! How much the gateway may carry before it takes on nothing more.

use clap::Args;

use super::{at_least_one, size};

/// Options about what adds load; descriptors are limited by the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Admission {
    /// Sessions that may be stored, over all organizations: with as many none is made, with more none is started. Any
    /// number by default.
    #[arg(long, env = "WHARF_MAX_SESSIONS", value_name = "N", value_parser = at_least_one)]
    pub max_sessions: Option<usize>,
    /// Memory of the process from which on no session is made or started, such as `4GiB`; 0: any. By default nine tenths
    /// of what the process's cgroup may have, where that is limited.
    #[arg(long, env = "WHARF_MAX_MEMORY", value_name = "SIZE", value_parser = size)]
    pub max_memory: Option<u64>,
}
