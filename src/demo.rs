//! The demonstration: a gateway and a WhatsApp server of its own, both on loopback in this process, with a session
//! that is linked and has two groups, and an issuer of login tokens.

mod exchange;
mod issuer;
mod stage;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wharf_sandbox::Sandbox;
use wharf_storage::MasterKey;

use crate::{
    config::{Admission, Bounds, CONNECT_RATE, Disk, Http, MetricsListen, Serve},
    keys,
    server::{self, Error, Result},
};
use issuer::Issuer;
use stage::Stage;

/// How long it may take until the session works and its groups are stored.
const SETTING_UP: Duration = Duration::from_secs(30);

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// Perform the exchanges, print each, and end: with a failure if any answer is not as promised.
    #[arg(long)]
    pub once: bool,
    /// Print one line of JSON for programs in place of the text for people.
    #[arg(long, conflicts_with = "once")]
    pub json: bool,
    /// Folder of everything that is stored, made if absent; a temporary one by default.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Loopback address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_parser = loopback)]
    pub listen: SocketAddr,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "must be an address such as `127.0.0.1:8080`".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("must be a loopback address".to_owned())
    }
}

/// Runs the demonstration until it has ended (`--once`) or `shutdown` completes. New data are encrypted when there is a
/// master key.
///
/// # Errors
/// It cannot be set up within 30 seconds, or an answer is not as promised.
pub async fn run(
    options: Demo,
    master_key: Option<MasterKey>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let temporary = match options.data {
        None => Some(tempfile::tempdir().map_err(|error| failed("temporary folder", &error))?),
        Some(_) => None,
    };
    let data = temporary
        .as_ref()
        .map(|folder| folder.path().to_owned())
        .or(options.data.clone())
        .unwrap_or_default();
    let sandbox = Sandbox::start(wharf_sandbox::Config::default())
        .await
        .map_err(|error| failed("sandbox", &error))?;
    let issuer = Issuer::start().await?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|source| Error::Listen { address: options.listen, source })?;
    let address = listener.local_addr().map_err(Error::Serve)?;
    let config = Serve {
        http: Http {
            listen: address,
            metrics_listen: Some(MetricsListen::At(SocketAddr::new(address.ip(), 0))),
            ..Http::default()
        },
        data,
        whatsapp_url: sandbox.ws_url(),
        whatsapp_ca: None,
        whatsapp_version: None,
        device_name: "Wharf demo".to_owned(),
        gateway_id: "demo".to_owned(),
        operation_timeout: Duration::from_secs(20),
        event_retention: Duration::from_hours(24),
        audit_retention: Duration::from_hours(24),
        connect_rate: CONNECT_RATE,
        connects_in_flight: 16,
        bounds: Bounds::default(),
        shutdown_timeout: Duration::from_secs(10),
        store_cache: 16 << 20,
        disk: Disk::default(),
        admission: Admission::default(),
        login: issuer.options(),
    };
    let store = server::open_store(&config.data, Some(config.store_cache), master_key)?;
    let (_, key) = keys::create(&store, keys::NewKey::for_all("default", "demo")).await?;

    let stop = CancellationToken::new();
    let ending = stop.clone().cancelled_owned();
    let mut gateway =
        tokio::spawn(async move { server::run(store, &config, listener, ending).await });
    let outcome = tokio::select! {
        outcome = play(&options, &sandbox, &issuer, format!("http://{address}"), key) => outcome,
        ended = &mut gateway => {
            let reason = ended.map_err(|error| failed("gateway", &error)).and_then(|result| result);
            return reason.and(Err(Error::Demo("the gateway ended by itself".to_owned())));
        }
        () = shutdown => Ok(()),
    };
    stop.cancel();
    let ended = gateway.await.map_err(|error| failed("gateway", &error)).and_then(|result| result);
    sandbox.stop().await;
    outcome.and(ended)
}

/// Sets the stage and shows it. Ends with `--once` only.
async fn play(
    options: &Demo,
    sandbox: &Sandbox,
    issuer: &Issuer,
    base_url: String,
    key: String,
) -> Result<()> {
    let stage = tokio::time::timeout(SETTING_UP, Stage::set(sandbox, issuer, base_url, key))
        .await
        .map_err(|_| Error::Demo(format!("not ready within {} seconds", SETTING_UP.as_secs())))??;
    if options.once {
        return exchange::perform(&stage).await;
    }
    if options.json {
        let line = json!({
            "baseUrl": stage.base_url, "key": stage.key, "session": stage.session, "adminGroup": stage.admin_group,
            "memberGroup": stage.member_group, "issuerUrl": stage.issuer, "sandboxUrl": sandbox.http_url(),
        });
        show(&format!("{line}\n"))?;
    } else {
        show(&exchange::guide(&stage, &sandbox.http_url()))?;
    }
    std::future::pending().await
}

fn show(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Demo(format!("{what}: {error}"))
}
