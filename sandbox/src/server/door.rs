//! Accepting connections, with or without TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tracing::debug;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// A connection; the larger half is boxed, for thousands of the smaller one idle side by side.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The listening socket. TLS handshakes run beside each other, so that a slow client holds up nobody.
pub(super) struct Door {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    shaking: JoinSet<Option<(Stream, SocketAddr)>>,
}

impl Door {
    pub(super) fn new(tcp: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        Self { tcp, tls, shaking: JoinSet::new() }
    }
}

impl Listener for Door {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            tokio::select! {
                (socket, peer) = Listener::accept(&mut self.tcp) => match self.tls.clone() {
                    None => return (Either::Left(socket), peer),
                    Some(tls) => {
                        self.shaking.spawn(shake_hands(tls, socket, peer));
                    }
                },
                Some(shaken) = self.shaking.join_next() => {
                    if let Ok(Some(accepted)) = shaken {
                        return accepted;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

async fn shake_hands(
    tls: TlsAcceptor,
    socket: TcpStream,
    peer: SocketAddr,
) -> Option<(Stream, SocketAddr)> {
    match timeout(HANDSHAKE, tls.accept(socket)).await {
        Ok(Ok(stream)) => Some((Either::Right(Box::new(stream)), peer)),
        Ok(Err(error)) => {
            debug!(%peer, %error, "no TLS with `{peer}`");
            None
        }
        Err(_) => {
            debug!(%peer, "`{peer}` took too long for the TLS handshake");
            None
        }
    }
}

/// The address of who has connected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}
