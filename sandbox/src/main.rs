//! The sandbox as a program: `wharf-sandbox --listen 127.0.0.1:8090`.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use wharf_sandbox::{Config, Sandbox};

/// The server that linked devices talk to, for development and tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; clients dial `ws://ADDR/ws/chat`, the control API is `http://ADDR/admin`.
    #[arg(
        long,
        env = "WHARF_SANDBOX_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8090"
    )]
    listen: SocketAddr,
    /// What to log, on standard error.
    #[arg(long, env = "WHARF_SANDBOX_LOG", value_name = "FILTER", default_value = "info")]
    log: EnvFilter,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_env_filter(arguments.log).with_writer(io::stderr).init();
    let sandbox = Sandbox::start(Config { listen: arguments.listen }).await?;
    tracing::info!(clients = sandbox.ws_url(), control = sandbox.http_url(), "listening");
    tokio::signal::ctrl_c().await?;
    tracing::info!("stopping");
    sandbox.stop().await;
    Ok(())
}
