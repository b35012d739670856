//! The command line: read it, start the log, run the command.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use clap::Parser;
use tokio::net::TcpListener;
use wharf::{
    Error, Result,
    config::{Cli, Command, Encryption, KeyCommand, KeyCreate, KeyList, KeyRevoke, Serve},
    control::{self, Order, Outcome},
    encryption, health,
    keys::NewKey,
    server, shutdown, telemetry, upkeep,
};
use wharf_storage::ApiKey;

/// Chosen by measurement; see `docs/capacity.md`.
#[cfg(not(feature = "count-allocations"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The same, counting what is allocated: a soak looks whether all of it is given back.
#[cfg(feature = "count-allocations")]
#[global_allocator]
static ALLOCATOR: cap::Cap<mimalloc::MiMalloc> = cap::Cap::new(mimalloc::MiMalloc, usize::MAX);

#[tokio::main]
async fn main() -> ExitCode {
    #[cfg(feature = "count-allocations")]
    wharf::tell_allocated(|| ALLOCATOR.allocated());
    let cli = Cli::parse();
    telemetry::start(cli.log_format, &cli.log);
    telemetry::hush_damage();
    let result = match cli.command {
        Command::Serve(config) => serve(*config, &cli.encryption).await,
        Command::Key(command) => key(command, &cli.encryption).await,
        Command::Backup(wanted) => upkeep::backup(wanted, &cli.encryption, print).await,
        Command::Restore(wanted) => upkeep::restore(wanted, &cli.encryption, print).await,
        Command::Check(wanted) => upkeep::check(wanted, &cli.encryption, print).await,
        Command::Compact(wanted) => upkeep::compact(wanted, &cli.encryption, print).await,
        Command::Encryption(command) => {
            encryption::execute(command, &cli.encryption).await.and_then(|said| print(&said))
        }
        Command::Health(options) => health::ask(options).await,
        Command::Openapi => print(&wharf::document_text(&wharf::document())),
        #[cfg(feature = "sandbox")]
        Command::Demo(options) => match cli.encryption.master_key() {
            Ok(master_key) => wharf::demo::run(options, master_key, shutdown::signalled()).await,
            Err(error) => Err(error),
        },
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

async fn serve(config: Serve, encryption: &Encryption) -> Result<()> {
    // From here on a signal ends the process in order, however long the start takes.
    let told = shutdown::signalled();
    config.check()?;
    // Before anything listens: whoever cannot open the store serves nobody.
    let master_key = encryption.master_key()?;
    let store = server::open_store(&config.data, Some(config.store_cache), master_key)?;
    let listener = TcpListener::bind(config.http.listen)
        .await
        .map_err(|source| Error::Listen { address: config.http.listen, source })?;
    server::run(store, &config, listener, told).await
}

async fn key(command: KeyCommand, encryption: &Encryption) -> Result<()> {
    let (data, order) = match command {
        KeyCommand::Create(wanted) => {
            let KeyCreate { organization, name, permissions, sessions, expires_in, data } = wanted;
            let capabilities = permissions.into_iter().map(Into::into).collect();
            let sessions = (!sessions.is_empty()).then_some(sessions);
            let new = NewKey { capabilities, sessions, ..NewKey::for_all(&organization, &name) };
            (data, Order::CreateKey { new, expires_in })
        }
        KeyCommand::List(KeyList { organization, data }) => {
            (data.folder, Order::ListKeys { organization })
        }
        KeyCommand::Revoke(KeyRevoke { id, data }) => (data.folder, Order::RevokeKey { id }),
    };
    match control::execute(&data, order, encryption).await? {
        Outcome::Created { secret } => print(&format!("{secret}\n")),
        Outcome::Keys { keys } => print(&keys.iter().map(shown).collect::<String>()),
        Outcome::Revoked { found: true } => Ok(()),
        Outcome::Revoked { found: false } => Err(Error::Config("there is no such key".to_owned())),
        Outcome::Failed { reason } => Err(Error::Control(reason)),
        _ => Err(control::unexpected()),
    }
}

/// A key in one line. A name is free text, so it comes last and without control characters.
fn shown(key: &ApiKey) -> String {
    let permissions: Vec<&str> = key.capabilities.iter().map(|one| one.as_str()).collect();
    let plain = |text: &str| text.replace(char::is_control, " ");
    let (organization, name) = (plain(&key.organization), plain(&key.name));
    let sessions = match &key.sessions {
        None => "all".to_owned(),
        Some(sessions) => sessions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let expiry = key.expires_at.map_or_else(|| "never".to_owned(), date);
    let permissions = permissions.join(",");
    format!("{}\t{organization}\t{permissions}\t{sessions}\t{expiry}\t{name}\n", key.id)
}

/// Epoch milliseconds as a date.
fn date(at: i64) -> String {
    let since = Duration::from_millis(u64::try_from(at).unwrap_or_default());
    let at = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(at).to_string()
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}
