//! The command line and its environment variables. Nothing else reads the environment.

mod admission;
mod bounds;
mod data;
mod disk;
mod encryption;
mod health;
mod http;
mod keys;
mod login;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;
use wharf_actors::TrustedRoots;

pub use admission::Admission;
pub use bounds::Bounds;
pub use data::{Backup, Data, Restore};
pub use disk::Disk;
pub use encryption::{Encryption, EncryptionCommand, Rotate};
pub use health::Health;
pub use keys::{KeyCommand, KeyCreate, KeyList, KeyRevoke, Permission};
pub use login::Login;

use crate::server::{Error, Result};

pub use http::{Http, MetricsListen, Origin};

/// A WhatsApp gateway: many sessions, one REST API.
#[derive(Debug, Parser)]
#[command(name = "wharf", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Form of the log, which goes to standard error.
    #[arg(long, global = true, value_enum, env = "WHARF_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to log, as a `tracing` filter such as `info,wharf=debug`.
    #[arg(long, global = true, env = "WHARF_LOG", default_value = DEFAULT_LOG, value_parser = log_filter)]
    pub log: String,
    /// How what is stored is encrypted.
    #[command(flatten)]
    pub encryption: Encryption,
}

/// Connections that may be begun in a second, unless told otherwise.
pub(crate) const CONNECT_RATE: NonZeroU32 = NonZeroU32::new(50).expect("it is not zero");

/// Of other crates only errors: the protocol library names phone numbers in what it logs below that.
const DEFAULT_LOG: &str = "error,wharf=info";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Serve(Box<Serve>),
    /// Manage API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Copy all that is stored to a file, also while the gateway runs.
    Backup(Backup),
    /// Put a copy in the place of what is stored; the gateway must be stopped.
    Restore(Restore),
    /// Look whether all that is stored fits together, and fail when it does not.
    Check(Data),
    /// Make the store's file as small as it can be; the gateway must be stopped.
    Compact(Data),
    /// Encrypt what is stored, under a new master key too, or store it as it is. The gateway must be stopped.
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// Ask the gateway on this machine how it is, and fail when it is not well: for a container's health check.
    Health(Health),
    /// Print the document that describes the API.
    Openapi,
    /// Run the gateway with a WhatsApp server of its own, and show what it can do.
    #[cfg(feature = "sandbox")]
    Demo(crate::demo::Demo),
}

/// Options of `serve`.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// How HTTP is served.
    #[command(flatten)]
    pub http: Http,
    /// Folder of everything that is stored; made if absent.
    #[arg(long, env = "WHARF_DATA", default_value = "wharf-data")]
    pub data: PathBuf,
    /// WhatsApp's address. A sandbox build takes loopback ones only.
    #[arg(long, env = "WHARF_WHATSAPP_URL", default_value = "wss://web.whatsapp.com/ws/chat")]
    pub whatsapp_url: String,
    /// File with certificates (PEM) of authorities that are trusted for WhatsApp's address beside the built-in ones.
    #[arg(long, env = "WHARF_WHATSAPP_CA", value_name = "FILE")]
    pub whatsapp_ca: Option<PathBuf>,
    /// WhatsApp Web version to present, as `a.b.c`; looked up when absent.
    #[arg(long, env = "WHARF_WHATSAPP_VERSION", value_parser = whatsapp_version)]
    pub whatsapp_version: Option<(u32, u32, u32)>,
    /// Name that phones show in their list of linked devices.
    #[arg(long, env = "WHARF_DEVICE_NAME", default_value = "Wharf")]
    pub device_name: String,
    /// Name of this node, shown as `gatewayId`.
    #[arg(long, env = "WHARF_GATEWAY_ID", default_value = "wharf")]
    pub gateway_id: String,
    /// How long an operation at WhatsApp may take, its time in the queue included; less than `--request-timeout`.
    #[arg(long, env = "WHARF_OPERATION_TIMEOUT", default_value = "20s", value_parser = span)]
    pub operation_timeout: Duration,
    /// How long events are kept.
    #[arg(long, env = "WHARF_EVENT_RETENTION", default_value = "7d", value_parser = span)]
    pub event_retention: Duration,
    /// How long entries of the audit log are kept.
    #[arg(long, env = "WHARF_AUDIT_RETENTION", default_value = "90d", value_parser = span)]
    pub audit_retention: Duration,
    /// Connections to WhatsApp that may be begun in a second, over all sessions.
    #[arg(long, env = "WHARF_CONNECT_RATE", default_value_t = CONNECT_RATE)]
    pub connect_rate: NonZeroU32,
    /// Connection attempts to WhatsApp under way at once, over all sessions.
    #[arg(long, env = "WHARF_CONNECTS_IN_FLIGHT", default_value_t = 16, value_parser = at_least_one)]
    pub connects_in_flight: usize,
    /// What one session may take.
    #[command(flatten)]
    pub bounds: Bounds,
    /// How long requests under way have to end once the process is told to stop; what is left is cut.
    #[arg(long, env = "WHARF_SHUTDOWN_TIMEOUT", default_value = "30s", value_parser = span)]
    pub shutdown_timeout: Duration,
    /// Memory for the store's cache.
    #[arg(long, env = "WHARF_STORE_CACHE", value_name = "SIZE", default_value_t = 64 << 20, value_parser = memory)]
    pub store_cache: usize,
    /// The room on the disk.
    #[command(flatten)]
    pub disk: Disk,
    /// How much the gateway may carry.
    #[command(flatten)]
    pub admission: Admission,
    /// Login tokens.
    #[command(flatten)]
    pub login: Login,
}

impl Serve {
    /// Finds what each value alone cannot show.
    ///
    /// # Errors
    /// The values do not go together, or name something unusable.
    pub fn check(&self) -> Result<()> {
        if self.operation_timeout >= self.http.request_timeout {
            return Err(Error::Config(format!(
                "`--operation-timeout` ({}) must be less than `--request-timeout` ({})",
                humantime::format_duration(self.operation_timeout),
                humantime::format_duration(self.http.request_timeout)
            )));
        }
        for (name, value) in
            [("--gateway-id", &self.gateway_id), ("--device-name", &self.device_name)]
        {
            if value.trim().is_empty() {
                return Err(Error::Config(format!("`{name}` must not be empty")));
            }
        }
        self.disk.check()?;
        self.login.settings()?;
        self.actors()?.check().map_err(|error| Error::Config(format!("`--whatsapp-url`: {error}")))
    }

    /// What the sessions need to know.
    ///
    /// # Errors
    /// The file of trusted certificates cannot be used.
    pub(crate) fn actors(&self) -> Result<wharf_actors::Config> {
        Ok(wharf_actors::Config {
            endpoint: self.whatsapp_url.clone(),
            trusted_roots: self.trusted_roots()?,
            client_version: self.whatsapp_version,
            device_name: self.device_name.clone(),
            operation_timeout: self.operation_timeout,
            connect_rate: self.connect_rate,
            connects_in_flight: self.connects_in_flight,
            prekeys: self.bounds.prekeys,
            session_cache: self.bounds.session_cache,
            syncs_at_once: self.bounds.sync_concurrency,
            max_sessions: self.admission.max_sessions,
            ..wharf_actors::Config::default()
        })
    }

    fn trusted_roots(&self) -> Result<TrustedRoots> {
        let Some(path) = &self.whatsapp_ca else { return Ok(TrustedRoots::default()) };
        let unusable = |error: &dyn std::fmt::Display| {
            Error::Config(format!("`--whatsapp-ca` (`{}`): {error}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
        TrustedRoots::from_pem(&pem).map_err(|error| unusable(&error))
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}; write a duration such as `30s`")),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number, one or more".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// A number of bytes, with or without a unit.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let unit = UNITS.iter().find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, *bits)));
    let (number, bits) = unit.unwrap_or((text, 0));
    let number: Option<u64> = number.trim_end().parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(1 << bits));
    bytes.ok_or_else(|| "must be a number of bytes, or one such as `512MiB`".to_owned())
}

fn memory(text: &str) -> Result<usize, String> {
    size(text)?.try_into().map_err(|_| "is more than this machine can address".to_owned())
}

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn whatsapp_version(text: &str) -> Result<(u32, u32, u32), String> {
    let mut numbers = text.split('.').map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second)), Some(Ok(third)), None) => Ok((first, second, third)),
        _ => Err("must be three numbers, such as `2.3000.1023`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn serve(options: &[&str]) -> Result<Serve, String> {
        let arguments = ["wharf", "serve"].iter().chain(options);
        match Cli::try_parse_from(arguments).map_err(|error| error.to_string())?.command {
            Command::Serve(config) => Ok(*config),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_human_and_versions_have_three_numbers() {
        let config =
            serve(&["--request-timeout", "1m 30s", "--whatsapp-version", "2.3000.7"]).unwrap();
        assert_eq!(config.http.request_timeout, Duration::from_secs(90));
        assert_eq!(config.whatsapp_version, Some((2, 3000, 7)));
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in
            [("0", 0), ("1000", 1_000), ("2KiB", 2_048), ("3 MiB", 3 << 20), ("4GiB", 4 << 30)]
        {
            let config = serve(&["--max-memory", text, "--disk-warn", "1TiB"]).unwrap();
            assert_eq!(
                (config.admission.max_memory, config.disk.disk_warn),
                (Some(bytes), 1 << 40)
            );
        }
        let all = ["--disk-refuse", "1MiB", "--store-cache", "2MiB", "--session-cache", "3MiB"];
        let config = serve(&all).unwrap();
        let sizes = (config.disk.disk_refuse, config.store_cache, config.bounds.session_cache);
        assert_eq!(sizes, (1 << 20, 2 << 20, 3 << 20));
        // A command on the data may have the same environment as the gateway.
        let command = ["wharf", "backup", "--disk-refuse", "4MiB", "copy"];
        let backup = Cli::try_parse_from(command).unwrap().command;
        assert!(matches!(&backup, Command::Backup(backup) if backup.disk_refuse == 4 << 20));
        let config = serve(&[]).unwrap();
        assert_eq!(config.admission, Admission::default());
        assert_eq!(config.store_cache, 64 << 20);
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (flag, value) in [
            ("--listen", "here"),
            ("--request-timeout", "soon"),
            ("--operation-timeout", "0s"),
            ("--whatsapp-version", "2.3"),
            ("--store-cache", "much"),
            ("--prekeys", "4"),
            ("--session-cache", "100"),
            ("--sync-concurrency", "0"),
            ("--max-sessions", "0"),
            ("--max-memory", "4 gigs"),
            ("--max-memory", "16777216TiB"),
            ("--log-format", "xml"),
            ("--log", "wharf=loudly"),
        ] {
            let error = serve(&[flag, value]).unwrap_err();
            assert!(error.contains(flag) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn a_file_of_certificates_that_cannot_be_used_is_named_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let (absent, empty) = (folder.path().join("absent.pem"), folder.path().join("empty.pem"));
        std::fs::write(&empty, "no certificate").unwrap();
        for path in [absent, empty] {
            let path = path.to_str().unwrap();
            let error = serve(&["--whatsapp-ca", path]).unwrap().check().unwrap_err().to_string();
            assert!(error.contains("--whatsapp-ca") && error.contains(path), "{error}");
        }
    }

    #[test]
    fn what_one_session_may_take_reaches_the_sessions() {
        let options = ["--prekeys", "300", "--session-cache", "1048576", "--sync-concurrency", "3"];
        let told = serve(&options).unwrap().actors().unwrap();
        assert_eq!((told.prekeys, told.session_cache, told.syncs_at_once), (300, 1 << 20, 3));
        let (usual, code) =
            (serve(&[]).unwrap().actors().unwrap(), wharf_actors::Config::default());
        assert_eq!(
            (usual.prekeys, usual.session_cache, usual.syncs_at_once),
            (code.prekeys, code.session_cache, code.syncs_at_once)
        );
    }

    #[test]
    fn an_operation_must_end_before_its_request_does() {
        let error = serve(&["--operation-timeout", "30s"]).unwrap().check().unwrap_err();
        assert!(error.to_string().contains("--operation-timeout"), "{error}");
    }
}
