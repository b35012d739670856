//! The server: the WebSocket of the clients and the control API, on one port, and the media beside them.

mod door;
mod front;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State as Held};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tracing::error;

use crate::data::{self, Data};
use crate::random::Source;
use crate::state::{self, Shared, State};
use crate::strictness::Strictness;
use crate::transport::Transport;
use crate::websocket::{Opening, Refused};
use crate::{
    Frames, RateLimit, Result, connection, control, levers, media, pairing, phone, presence,
};
pub(crate) use door::Peer;
pub(crate) use front::Front;
pub(crate) use tls::Certificate;

/// Bytes of media that are kept.
const MEDIA_ROOM: usize = 256 << 20;

/// Bytes of one upload.
const MEDIA_LARGEST: usize = 64 << 20;

/// How the server is started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; by default a free port of the loopback interface.
    pub listen: SocketAddr,
    /// Whether WebSocket and control API speak TLS, with a certificate of the server's own making; by default not.
    pub tls: bool,
    /// Where media are served without `tls`: clients fetch them over HTTPS alone, so they get a port of their own. By
    /// default a free port of the loopback interface. With `tls` they are on the one port.
    pub media_listen: SocketAddr,
    /// The name by which clients reach the media; by default the address that is listened on.
    pub media_host: Option<String>,
    /// Bytes of media that are kept: beyond that the oldest are gone. By default 256 MiB.
    pub media_room: usize,
    /// Bytes that one upload may have, by default 64 MiB.
    pub media_largest: usize,
    /// The directory that keeps the state, made if it is not there; by default there is none, and nothing outlives the
    /// server. Only one server at a time has it.
    pub data: Option<PathBuf>,
    /// How many QR codes a client may show one after the other; by default six, as the real server gives.
    pub qr_refs: usize,
    /// How long what somebody types waits for a device that is away; by default 30 seconds.
    pub chat_state_ttl: Duration,
    /// How frames are cut into WebSocket messages; by default each is one.
    pub frames: Frames,
    /// Stanzas of more bytes than this are compressed; by default none are.
    pub compress_over: Option<usize>,
    /// How long the server waits after a handshake before it says anything; by default not at all. Baileys 6.7 loses
    /// what comes within its first 50 ms.
    pub pause_after_handshake: Duration,
    /// How long each stanza to a client is held back; by default not at all.
    pub latency: Duration,
    /// How often each account may ask; by default as often as it likes.
    pub rate_limit: Option<RateLimit>,
    /// Takes requests that it does not know and malformed messages where it can, which the real server refuses; by default
    /// not. The README says what exactly this relaxes.
    pub lenient: bool,
    /// Makes keys and codes the same in every run, for one version of this server. Whoever knows the seed knows them all,
    /// so that nothing is secret; by default they are the operating system's.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        let Transport { frames, compress_over, pause } = Transport::default();
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: false,
            media_listen: (Ipv4Addr::LOCALHOST, 0).into(),
            media_host: None,
            media_room: MEDIA_ROOM,
            media_largest: MEDIA_LARGEST,
            data: None,
            qr_refs: pairing::REFERENCES,
            chat_state_ttl: presence::CHAT_STATE_TTL,
            frames,
            compress_over,
            pause_after_handshake: pause,
            latency: Duration::ZERO,
            rate_limit: None,
            lenient: false,
            seed: None,
        }
    }
}

/// A running server. Dropping it stops it.
pub struct Sandbox {
    front: Arc<Front>,
    state: Shared,
}

impl Sandbox {
    /// Starts a server: without accounts, or with all that its directory keeps. Fails if that is another server's, or
    /// cannot be read.
    pub async fn start(config: Config) -> Result<Self> {
        let source = Source::of(config.seed);
        if config.seed.is_some() {
            tracing::warn!(
                "with a seed there are no secrets: whoever knows it knows every key and code"
            );
        }
        let (data, state) = match config.data.clone() {
            Some(path) => {
                let (data, state) = Data::open(path, source).await?;
                (Some(Arc::new(data)), state)
            }
            None => (None, State::new(source)),
        };
        let state = Shared::new(state.into());
        {
            let mut state = state::lock(&state);
            state.pairings.references = config.qr_refs;
            state.strictness =
                if config.lenient { Strictness::Lenient } else { Strictness::Strict };
            state.board.chat_state_ttl = config.chat_state_ttl;
            state.network.transport = Transport {
                frames: config.frames,
                compress_over: config.compress_over,
                pause: config.pause_after_handshake,
            };
            state.network.latency.set(config.latency);
            state.limits.set(config.rate_limit);
        }
        phone::serve(&state);
        if let Some(data) = &data {
            // A directory that cannot be written to is better known now, and what a seed gives is given once.
            data.save(&state).await?;
        }
        let front = Front::open(&config, state.clone(), data.clone()).await?;
        if let Some(data) = data {
            tokio::spawn(data::keep(data, Arc::downgrade(&state), front.ended.clone()));
        }
        Ok(Self { front, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.front.address
    }

    /// The address for clients: `wss://` with TLS.
    pub fn ws_url(&self) -> String {
        format!("{}://{}/ws/chat", if self.speaks_tls() { "wss" } else { "ws" }, self.address())
    }

    /// The address of the control API, without a slash at the end: `https://` with TLS.
    pub fn http_url(&self) -> String {
        format!("{}://{}", if self.speaks_tls() { "https" } else { "http" }, self.address())
    }

    /// The certificate in PEM, for clients to trust as a root: that of the media, and with TLS that of everything. It
    /// names `localhost`, `127.0.0.1`, `::1`, the addresses that are listened on, and the name of the media host.
    pub fn certificate_pem(&self) -> &str {
        self.front.certificate()
    }

    /// Closes the listeners and breaks every connection, then listens on the same addresses again, as a new process
    /// would: with a new key for handshakes. Accounts, devices, groups, media and everything ordered stay, and so does the
    /// TLS certificate. Fails if somebody else has taken an address meanwhile.
    pub async fn restarts(&self) -> Result<()> {
        self.front.restart().await.map(|_| ())
    }

    /// Writes everything into the directory that keeps it, and returns when it is there to stay. By itself the server does
    /// that when it stops, and within a second of a change. Without a directory there is nothing to be done.
    pub async fn saves(&self) -> Result<()> {
        match &self.front.data {
            Some(data) => data.save(&self.state).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Closes the listener and every connection, and saves; returns when all is gone. Dropped instead, a server saves
    /// nothing more. What cannot be written is logged.
    pub async fn stop(self) {
        self.front.ended.cancel();
        state::lock(&self.state).network.refusing = true;
        levers::drop_connections(&self.state, |_| true).await;
        self.front.end().await;
        if let Err(error) = self.saves().await {
            error!(%error, "the state of the last moment is lost");
        }
        if let Some(data) = &self.front.data {
            data.close().await;
        }
    }

    pub(crate) fn state(&self) -> &Shared {
        &self.state
    }

    fn speaks_tls(&self) -> bool {
        self.front.secure
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.front.ended.cancel();
        let mut state = state::lock(&self.state);
        state.network.refusing = true;
        state.links.cut_all();
    }
}

/// What is on the one port: the media too, if it speaks TLS.
fn router(front: &Arc<Front>) -> Router {
    let router = Router::new()
        .route("/ws/chat", any(upgrade))
        .with_state(front.shared())
        .merge(control::router(front));
    if front.secure { router.merge(media::router(front.shared())) } else { router }
}

async fn upgrade(Held(state): Held<Shared>, request: Request) -> Result<Response, Refused> {
    let opening = Opening::of(request)?;
    let Some(line) = connection::admit(state).await else {
        return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response());
    };
    Ok(opening.grant(move |socket| connection::serve(socket, line)))
}
