//! The command line: read it, start the log, run the command.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use tokio::net::TcpListener;
use wharf::{
    Error, Result,
    config::{Cli, Command, KeyCommand, KeyCreate, Serve},
    keys, server, shutdown, telemetry,
};

/// Chosen by measurement; see `docs/capacity.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start(cli.log_format, &cli.log);
    let result = match cli.command {
        Command::Serve(config) => serve(config).await,
        Command::Key(KeyCommand::Create(wanted)) => create_key(wanted).await,
        Command::Openapi => print(&wharf::document_text(&wharf::document())),
        #[cfg(feature = "sandbox")]
        Command::Demo(options) => wharf::demo::run(options, shutdown::signalled()).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to log it with more context than this.
            let _ = writeln!(io::stderr(), "wharf: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Serve) -> Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| Error::Listen { address: config.listen, source })?;
    server::run(&config, listener, shutdown::signalled()).await
}

async fn create_key(wanted: KeyCreate) -> Result<()> {
    let store = server::open_store(&wanted.data, None)?;
    let new = keys::NewKey {
        organization: wanted.organization,
        name: wanted.name,
        capabilities: wanted.permissions.into_iter().map(Into::into).collect(),
    };
    let secret = keys::create(&store, new).await?;
    store.close().await?;
    print(&format!("{secret}\n"))
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}
