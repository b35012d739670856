//! The sandbox as a program: `wharf-sandbox --listen 127.0.0.1:8090`.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, io};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use wharf_sandbox::{Config, Frames, RateLimit, Sandbox};

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
    /// Speak TLS (`wss://` and `https://`), with a certificate that is made at the start.
    #[arg(long, env = "WHARF_SANDBOX_TLS")]
    tls: bool,
    /// Where to write the certificate as PEM, for clients to trust: that of the media, with `--tls` that of everything.
    #[arg(long, env = "WHARF_SANDBOX_CERTIFICATE_FILE", value_name = "FILE")]
    certificate_file: Option<PathBuf>,
    /// Where to serve media over HTTPS. With `--tls` they are on the port of everything.
    #[arg(
        long,
        env = "WHARF_SANDBOX_MEDIA_LISTEN",
        value_name = "ADDR",
        default_value_t = Config::default().media_listen
    )]
    media_listen: SocketAddr,
    /// The name by which clients reach the media, without a port; the address of the listener if it is left out.
    #[arg(long, env = "WHARF_SANDBOX_MEDIA_HOST", value_name = "NAME")]
    media_host: Option<String>,
    /// How many bytes of media to keep; the oldest go first.
    #[arg(long, env = "WHARF_SANDBOX_MEDIA_ROOM", value_name = "BYTES", default_value_t = Config::default().media_room)]
    media_room: usize,
    /// How many bytes one upload may have.
    #[arg(long, env = "WHARF_SANDBOX_MEDIA_LARGEST", value_name = "BYTES", default_value_t = Config::default().media_largest)]
    media_largest: usize,
    /// The directory that keeps everything across restarts; it is made if it is not there. Without it, all is gone at the
    /// end.
    #[arg(long, env = "WHARF_SANDBOX_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many QR codes a client may show one after the other.
    #[arg(long, env = "WHARF_SANDBOX_QR_REFS", value_name = "COUNT", default_value_t = Config::default().qr_refs)]
    qr_refs: usize,
    /// How many seconds what somebody types waits for a device that is away.
    #[arg(long, env = "CHATSTATE_TTL_SECS", value_name = "SECONDS", default_value_t = Config::default().chat_state_ttl.as_secs())]
    chat_state_ttl: u64,
    /// How to cut frames into WebSocket messages: `whole`, `joined`, or a number of bytes to cut messages at.
    #[arg(long, env = "WHARF_SANDBOX_FRAMES", value_name = "HOW", default_value = "whole")]
    frames: Frames,
    /// Compress stanzas of more bytes than this.
    #[arg(long, env = "WHARF_SANDBOX_COMPRESS_OVER", value_name = "BYTES")]
    compress_over: Option<usize>,
    /// How many milliseconds to wait after a handshake before anything is said; Baileys 6.7 needs 50.
    #[arg(long, env = "WHARF_SANDBOX_HANDSHAKE_PAUSE", value_name = "MS", default_value_t = 0)]
    handshake_pause: u64,
    /// How many milliseconds to hold back each stanza to a client: `80`, or `80ms`.
    #[arg(long, env = "WHARF_SANDBOX_LATENCY", value_name = "MS", default_value = "0", value_parser = latency)]
    latency: Duration,
    /// How often each account may ask, as requests and seconds: `20/60`; beyond it requests are refused with 429.
    #[arg(long, env = "WHARF_SANDBOX_RATE_LIMIT", value_name = "REQUESTS/SECONDS")]
    rate_limit: Option<RateLimit>,
    /// Take requests that are not known and malformed messages where possible, which the real server refuses.
    #[arg(long, env = "WHARF_SANDBOX_LENIENT")]
    lenient: bool,
    /// Make keys and codes the same in every run, for one version of this program; nothing is secret then.
    #[arg(long, env = "WHARF_SANDBOX_SEED", value_name = "N")]
    seed: Option<u64>,
    /// What to log, on standard error.
    #[arg(long, env = "WHARF_SANDBOX_LOG", value_name = "FILTER", default_value = "info")]
    log: EnvFilter,
}

fn latency(text: &str) -> Result<Duration, &'static str> {
    let number = text.strip_suffix("ms").unwrap_or(text).parse();
    number.map(Duration::from_millis).map_err(|_| "must be a number of milliseconds")
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(arguments.log).with_writer(io::stderr).init();
    let config = Config {
        listen: arguments.listen,
        tls: arguments.tls,
        media_listen: arguments.media_listen,
        media_host: arguments.media_host,
        media_room: arguments.media_room,
        media_largest: arguments.media_largest,
        data: arguments.data,
        qr_refs: arguments.qr_refs,
        chat_state_ttl: Duration::from_secs(arguments.chat_state_ttl),
        frames: arguments.frames,
        compress_over: arguments.compress_over,
        pause_after_handshake: Duration::from_millis(arguments.handshake_pause),
        latency: arguments.latency,
        rate_limit: arguments.rate_limit,
        lenient: arguments.lenient,
        seed: arguments.seed,
    };
    let sandbox = Sandbox::start(config).await?;
    if let Some(file) = arguments.certificate_file {
        fs::write(&file, sandbox.certificate_pem())
            .map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
    }
    tracing::info!(
        clients = sandbox.ws_url(),
        control = sandbox.http_url(),
        media = sandbox.media_url(),
        "listening"
    );
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    tracing::info!("stopping");
    sandbox.stop().await;
    Ok(())
}

/// An error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
