//! The listeners, which can be closed and opened again while the state stays.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::door::{Door, Peer};
use super::tls::Certificate;
use super::{Config, router};
use crate::data::Data;
use crate::media::{self, Limits};
use crate::state::{Shared, lock};
use crate::{Error, Result, levers};

/// Where the server listens, and as long as it does the task that serves.
pub(crate) struct Front {
    pub(super) address: SocketAddr,
    /// Where media are served, if not at the same address.
    media: Option<SocketAddr>,
    certificate: String,
    acceptor: TlsAcceptor,
    /// Whether everything speaks TLS, and not media alone.
    pub(super) secure: bool,
    state: Shared,
    /// What keeps the state, if anything does.
    pub(crate) data: Option<Arc<Data>>,
    /// Cancelled for good: whatever serves ends.
    pub(super) ended: CancellationToken,
    serving: Mutex<Option<Serving>>,
}

struct Serving {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// The sockets: the one port, and that of the media if they have one.
struct Listeners {
    front: TcpListener,
    media: Option<TcpListener>,
}

impl Front {
    /// Listens where the configuration says.
    pub(super) async fn open(
        config: &Config,
        state: Shared,
        data: Option<Arc<Data>>,
    ) -> Result<Arc<Self>> {
        let listeners =
            Listeners::bind(config.listen, (!config.tls).then_some(config.media_listen)).await?;
        let address = local_address(&listeners.front, config.listen)?;
        let media = match &listeners.media {
            Some(listener) => Some(local_address(listener, config.media_listen)?),
            None => None,
        };
        let at = media.unwrap_or(address);
        let name = config.media_host.as_deref();
        if let Some(name) = name.filter(|name| !is_host_name(name)) {
            return Err(Error::InvalidHost(name.to_owned()));
        }
        let kept = lock(&state).certificate.take();
        let certificate = Certificate::of(kept, [address.ip(), at.ip()], name);
        let acceptor = certificate.acceptor();
        let pem = certificate.pem.clone();
        let limits = Limits { room: config.media_room, largest: config.media_largest };
        {
            let mut state = lock(&state);
            state.certificate = Some(certificate);
            state.media.open(media_host(name, at), limits);
        }
        let ended = CancellationToken::new();
        let serving = Mutex::default();
        let front = Arc::new(Self {
            address,
            media,
            certificate: pem,
            acceptor,
            secure: config.tls,
            state,
            data,
            ended,
            serving,
        });
        *front.serving.lock().await = Some(front.serve(listeners));
        info!(%address, media = %at, "sandbox listening on `{address}`");
        Ok(front)
    }

    /// The state behind it.
    pub(crate) fn shared(&self) -> Shared {
        self.state.clone()
    }

    /// The certificate in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Closes the listeners and every connection, then listens again on the same addresses with a new key; says how many
    /// connections there were.
    pub(crate) async fn restart(self: &Arc<Self>) -> Result<usize> {
        let mut serving = self.serving.lock().await;
        close(serving.take()).await;
        let dropped = levers::rotate_key(&self.state).await;
        *serving = Some(self.serve(Listeners::bind(self.address, self.media).await?));
        Ok(dropped)
    }

    /// Stops listening for good.
    pub(super) async fn end(&self) {
        self.ended.cancel();
        close(self.serving.lock().await.take()).await;
    }

    fn serve(self: &Arc<Self>, listeners: Listeners) -> Serving {
        let stop = self.ended.child_token();
        let mut tasks = JoinSet::new();
        let acceptor = || self.acceptor.clone();
        let door = Door::new(listeners.front, self.secure.then(acceptor));
        tasks.spawn(serve(door, router(self), stop.clone()));
        if let Some(listener) = listeners.media {
            let door = Door::new(listener, Some(acceptor()));
            tasks.spawn(serve(door, media::router(self.shared()), stop.clone()));
        }
        Serving { stop, tasks }
    }
}

impl Listeners {
    async fn bind(front: SocketAddr, media: Option<SocketAddr>) -> Result<Self> {
        let front = bind(front).await?;
        let media = match media {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { front, media })
    }
}

async fn serve(door: Door, router: Router, stopped: CancellationToken) {
    let service = router.into_make_service_with_connect_info::<Peer>();
    // The signal is for idle HTTP connections: nothing is worth waiting for them, and the listener goes at once.
    let serve =
        axum::serve(door, service).with_graceful_shutdown(stopped.clone().cancelled_owned());
    tokio::select! {
        () = stopped.cancelled() => {}
        served = serve => if let Err(error) = served {
            error!(%error, "the listener failed");
        }
    }
}

/// Letters, digits, dots and hyphens; a certificate takes more, a URL does not.
fn is_host_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-".contains(letter);
    !name.is_empty() && name.chars().all(plain)
}

/// The host that clients are given. An address that stands for all of them is none to dial.
fn media_host(name: Option<&str>, address: SocketAddr) -> String {
    match name {
        Some(name) => format!("{name}:{}", address.port()),
        None if address.ip().is_unspecified() => format!("localhost:{}", address.port()),
        None => address.to_string(),
    }
}

fn local_address(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr> {
    listener.local_addr().map_err(|source| Error::Listen { address, source })
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

async fn close(serving: Option<Serving>) {
    if let Some(Serving { stop, mut tasks }) = serving {
        stop.cancel();
        while tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_host_is_one_that_can_be_dialled() {
        let host = |name, address: &str| media_host(name, address.parse().expect("an address"));
        assert_eq!(host(None, "127.0.0.1:81"), "127.0.0.1:81");
        assert_eq!(host(None, "[::1]:81"), "[::1]:81");
        assert_eq!(host(None, "0.0.0.0:81"), "localhost:81");
        assert_eq!(host(Some("media"), "0.0.0.0:81"), "media:81");
    }

    #[test]
    fn the_name_of_a_host_has_no_port_and_nothing_else_beside_it() {
        assert!(is_host_name("media") && is_host_name("media-1.example.com"));
        for name in ["", "media:81", "media/x", "https://media", "me dia", "médias"] {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
