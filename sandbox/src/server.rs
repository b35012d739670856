//! The server: the WebSocket of the clients and the control API, on one port.

mod door;
mod front;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{State as Held, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::state::{self, Shared};
use crate::{Result, connection, control, levers, pairing, phone, presence};
pub(crate) use door::Peer;
pub(crate) use front::Front;

/// Bytes that a connection reads or writes at once; thousands of them idle side by side.
const BUFFER: usize = 4 * 1024;

/// The largest frame that the protocol can express is 16 MiB.
const MAX_MESSAGE: usize = 1 << 24;

/// How the server is started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; by default a free port of the loopback interface.
    pub listen: SocketAddr,
    /// Whether WebSocket and control API speak TLS, with a certificate of the server's own making; by default not.
    pub tls: bool,
    /// How many QR codes a client may show one after the other; by default six, as the real server gives.
    pub qr_refs: usize,
    /// How long what somebody types waits for a device that is away; by default 30 seconds.
    pub chat_state_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: false,
            qr_refs: pairing::REFERENCES,
            chat_state_ttl: presence::CHAT_STATE_TTL,
        }
    }
}

/// A running server. Dropping it stops it.
pub struct Sandbox {
    front: Arc<Front>,
    state: Shared,
}

impl Sandbox {
    /// Starts a server without accounts.
    pub async fn start(config: Config) -> Result<Self> {
        let state = Shared::default();
        {
            let mut state = state::lock(&state);
            state.pairings.references = config.qr_refs;
            state.board.chat_state_ttl = config.chat_state_ttl;
        }
        phone::serve(&state);
        let front = Front::open(&config, state.clone()).await?;
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

    /// The certificate in PEM, for clients to trust as a root; `None` without TLS. It names `localhost`, `127.0.0.1`,
    /// `::1` and the address that is listened on.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.front.tls.as_ref().map(|tls| tls.certificate.as_str())
    }

    /// Closes the listener and breaks every connection, then listens on the same address again, as a new process would:
    /// with a new key for handshakes. Accounts, devices, groups and everything ordered stay, and so does the TLS
    /// certificate. Fails if somebody else has taken the address meanwhile.
    pub async fn restarts(&self) -> Result<()> {
        self.front.restart().await.map(|_| ())
    }

    /// Closes the listener and every connection; returns when all is gone.
    pub async fn stop(self) {
        self.front.ended.cancel();
        state::lock(&self.state).network.refusing = true;
        levers::drop_connections(&self.state, |_| true).await;
        self.front.end().await;
    }

    pub(crate) fn state(&self) -> &Shared {
        &self.state
    }

    fn speaks_tls(&self) -> bool {
        self.front.tls.is_some()
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

fn router(front: &Arc<Front>) -> Router {
    Router::new()
        .route("/ws/chat", any(upgrade))
        .with_state(front.shared())
        .merge(control::router(front))
}

async fn upgrade(Held(state): Held<Shared>, socket: WebSocketUpgrade) -> Response {
    let Some(line) = connection::admit(state).await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    socket
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| connection::serve(socket, line))
}
