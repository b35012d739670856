//! The listener: the WebSocket of the clients and the control API, on one port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{State as Held, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::state::{self, Shared};
use crate::{Error, Result, connection, control, levers, noise};

/// Bytes that a connection reads or writes at once; thousands of them idle side by side.
const BUFFER: usize = 4 * 1024;

/// The largest frame that the protocol can express is 16 MiB.
const MAX_MESSAGE: usize = 1 << 24;

/// How the server is started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; by default a free port of the loopback interface.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 0).into() }
    }
}

/// A running server. Dropping it stops it.
pub struct Sandbox {
    address: SocketAddr,
    state: Shared,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a server without accounts.
    pub async fn start(config: Config) -> Result<Self> {
        let failed = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let state = Shared::default();
        let stop = CancellationToken::new();
        let router = router(state.clone());
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stopped).await
            {
                error!(%error, "the listener failed");
            }
        });
        info!(%address, "sandbox listening on `{address}`");
        Ok(Self { address, state, stop, serving: Some(serving) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for clients.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    /// The address of the control API, without a slash at the end.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes every connection, then the listener; returns when all is gone.
    pub async fn stop(mut self) {
        self.stop.cancel();
        state::lock(&self.state).network.refusing = true;
        levers::drop_connections(&self.state, |_| true).await;
        if let Some(serving) = self.serving.take() {
            // An idle HTTP client may hold its connection open: nothing is worth waiting for it.
            serving.abort();
            let _ = serving.await;
        }
    }

    pub(crate) fn state(&self) -> &Shared {
        &self.state
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
        let mut state = state::lock(&self.state);
        state.network.refusing = true;
        state.links.cut_all();
        drop(state);
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

/// What a WebSocket needs.
#[derive(Clone)]
struct Chat {
    state: Shared,
    identity: Arc<noise::Identity>,
}

fn router(state: Shared) -> Router {
    let chat = Chat { state: state.clone(), identity: Arc::new(noise::Identity::generate()) };
    Router::new().route("/ws/chat", any(upgrade)).with_state(chat).merge(control::router(state))
}

async fn upgrade(Held(chat): Held<Chat>, socket: WebSocketUpgrade) -> Response {
    let Some(line) = connection::admit(chat.state).await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    socket
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| connection::serve(socket, line, chat.identity))
}
