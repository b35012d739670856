//! Options of asking a running gateway.

use std::net::SocketAddr;

use clap::Args;

/// Options of `health`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Health {
    /// Address that the gateway listens on; one that stands for every interface means this machine.
    #[arg(long, env = "WHARF_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Ask whether requests are served, and not only whether the process is up.
    #[arg(long)]
    pub ready: bool,
}
