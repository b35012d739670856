//! Dialling WhatsApp, and the fence around sandbox builds.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use http::{HeaderValue, Uri, header::ORIGIN};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
};
use tokio_websockets::{ClientBuilder, Connector};
use wharf_storage::Reason;
use whatsapp_rust::{
    anyhow,
    transport::{Transport, TransportEvent, TransportFactory, from_websocket},
};

use super::{TrustedRoots, meter::Meter};
use crate::{
    clock::{now_ms, steady_ms},
    config::InvalidEndpoint,
    figures::Counts,
};

/// What a browser sends; WhatsApp expects it from every linked device.
const WEB_ORIGIN: &str = "https://web.whatsapp.com";

/// Why the last dial of a session failed: where it stood when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialFailure {
    /// The name does not resolve.
    Dns,
    /// No TCP connection, or no WebSocket upgrade.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// A sandbox build was pointed at an address that is not loopback.
    Fenced,
}

impl DialFailure {
    /// Our word for it.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::Dns => Reason::Dns,
            Self::Tls => Reason::Tls,
            Self::Connect | Self::Fenced => Reason::Connect,
        }
    }
}

/// What the socket of one session tells without a word through the library.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    last_frame: AtomicI64,
    /// When that was by the steady clock, zero for never.
    heard: AtomicI64,
    last_answer: AtomicI64,
    failure: Mutex<Option<DialFailure>>,
}

impl Pulse {
    /// When a frame, or a part of one, last came in, epoch milliseconds.
    pub(crate) fn last_frame(&self) -> Option<i64> {
        Some(self.last_frame.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// When that was by the steady clock.
    pub(crate) fn heard_at(&self) -> Option<i64> {
        Some(self.heard.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Something came in just now.
    pub(crate) fn hears(&self) {
        self.last_frame.store(now_ms(), Ordering::Relaxed);
        self.heard.store(steady_ms(), Ordering::Relaxed);
    }

    /// When a probe was last answered, epoch milliseconds.
    pub(crate) fn last_answer(&self) -> Option<i64> {
        Some(self.last_answer.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Notes that a probe was answered just now.
    pub(crate) fn answered(&self) {
        self.last_answer.store(now_ms(), Ordering::Relaxed);
    }

    /// Why the last dial failed, or how far the present one is; absent when it succeeded.
    pub(crate) fn dial_failure(&self) -> Option<DialFailure> {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_dial(&self, failure: Option<DialFailure>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// Where to dial; shared by all sessions.
#[derive(Debug)]
pub(crate) struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
    connector: Connector,
}

impl Endpoint {
    pub(crate) fn new(address: &str, roots: &TrustedRoots) -> Result<Self, InvalidEndpoint> {
        let (uri, host, port) = parse(address)?;
        let tls = uri.scheme_str() == Some("wss");
        let connector = if tls { roots.connector() } else { Connector::Plain };
        Ok(Self { uri, host, port, connector })
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, (DialFailure, anyhow::Error)> {
        let found = lookup_host((self.host.as_str(), self.port)).await.map_err(|error| {
            (DialFailure::Dns, anyhow::anyhow!("`{}` does not resolve: {error}", self.host))
        })?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.is_empty() {
            return Err((DialFailure::Dns, anyhow::anyhow!("`{}` has no address", self.host)));
        }
        if crate::SANDBOX_BUILD && !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err((
                DialFailure::Fenced,
                anyhow::anyhow!(
                    "this sandbox build talks to loopback only, `{}` is elsewhere",
                    self.host
                ),
            ));
        }
        Ok(addresses)
    }

    /// Dials the very addresses that were checked, so that a name cannot change its mind in between. What it notes on the
    /// way is what stands when it is given up half-way.
    async fn dial(
        &self,
        pulse: &Arc<Pulse>,
        meter: &Arc<Meter>,
    ) -> Result<Socket, (DialFailure, anyhow::Error)> {
        pulse.note_dial(Some(DialFailure::Dns));
        let addresses = self.addresses().await?;
        pulse.note_dial(Some(DialFailure::Connect));
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(|error| {
            (
                DialFailure::Connect,
                anyhow::anyhow!("`{}:{}` does not answer: {error}", self.host, self.port),
            )
        })?;
        stream.set_nodelay(true).map_err(|error| (DialFailure::Connect, error.into()))?;
        let upgraded = Arc::new(AtomicBool::new(false));
        let stream = Stamped {
            stream,
            pulse: Arc::clone(pulse),
            meter: Arc::clone(meter),
            upgraded: Arc::clone(&upgraded),
        };
        if self.uri.scheme_str() == Some("wss") {
            pulse.note_dial(Some(DialFailure::Tls));
        }
        let stream = self.connector.wrap(&self.host, stream).await.map_err(|error| {
            (DialFailure::Tls, anyhow::anyhow!("no TLS with `{}`: {error}", self.host))
        })?;
        pulse.note_dial(Some(DialFailure::Connect));
        let (socket, _response) = ClientBuilder::from_uri(self.uri.clone())
            .add_header(ORIGIN, HeaderValue::from_static(WEB_ORIGIN))
            .map_err(|error| (DialFailure::Connect, error.into()))?
            .connect_on(stream)
            .await
            .map_err(|error| {
                (
                    DialFailure::Connect,
                    anyhow::anyhow!("no WebSocket with `{}`: {error}", self.host),
                )
            })?;
        upgraded.store(true, Ordering::Relaxed);
        Ok(from_websocket(socket))
    }
}

type Socket = (Arc<dyn Transport>, async_channel::Receiver<TransportEvent>);

/// The library's way to a socket, for one session. The library's client owns it, so that it is also what counts clients:
/// one that something still holds on to is counted, whoever has let it go.
pub(crate) struct Dialer {
    endpoint: Arc<Endpoint>,
    pulse: Arc<Pulse>,
    meter: Arc<Meter>,
    counts: Arc<Counts>,
}

impl Dialer {
    pub(crate) fn new(
        endpoint: Arc<Endpoint>,
        pulse: Arc<Pulse>,
        meter: Arc<Meter>,
        counts: Arc<Counts>,
    ) -> Self {
        counts.client_made();
        Self { endpoint, pulse, meter, counts }
    }
}

impl Drop for Dialer {
    fn drop(&mut self) {
        self.counts.client_gone();
    }
}

#[async_trait]
impl TransportFactory for Dialer {
    async fn create_transport(&self) -> Result<Socket, anyhow::Error> {
        let before = self.meter.traffic();
        match self.endpoint.dial(&self.pulse, &self.meter).await {
            Ok(socket) => {
                self.meter.connected(before);
                self.counts.dialled(None);
                self.pulse.note_dial(None);
                Ok(socket)
            }
            Err((failure, error)) => {
                self.counts.dialled(Some(failure));
                self.pulse.note_dial(Some(failure));
                Err(error)
            }
        }
    }
}

/// A TCP stream that counts its bytes, and notes when it received something of WhatsApp's, which begins after the upgrade
/// to a WebSocket.
struct Stamped {
    stream: TcpStream,
    pulse: Arc<Pulse>,
    meter: Arc<Meter>,
    upgraded: Arc<AtomicBool>,
}

impl Stamped {
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.meter.sent(*bytes);
        }
    }
}

impl AsyncRead for Stamped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let received = buf.filled().len() - before;
        if received > 0 {
            self.meter.received(received);
            if self.upgraded.load(Ordering::Relaxed) {
                self.pulse.hears();
            }
        }
        polled
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&polled);
        polled
    }

    // A frame's head and body leave in one system call, and in one packet.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Refuses what can be refused before the first dial: a broken address, and in a sandbox build one that is literally
/// not loopback. A name is resolved and checked again at every dial.
pub(crate) fn check_endpoint(address: &str) -> Result<(), InvalidEndpoint> {
    let (_, host, _) = parse(address)?;
    let literal = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok();
    // Names below `invalid` have no address by definition.
    let named = |host: &str| host == "localhost" || host.ends_with(".invalid");
    let elsewhere = literal.map_or(!named(&host), |ip| !ip.is_loopback());
    if crate::SANDBOX_BUILD && elsewhere {
        return Err(InvalidEndpoint {
            endpoint: address.to_owned(),
            reason: "this sandbox build talks to loopback only".to_owned(),
        });
    }
    Ok(())
}

fn parse(address: &str) -> Result<(Uri, String, u16), InvalidEndpoint> {
    let invalid =
        |reason: &str| InvalidEndpoint { endpoint: address.to_owned(), reason: reason.to_owned() };
    let uri: Uri = address.parse().map_err(|_| invalid("it does not parse as an address"))?;
    let port = match uri.scheme_str() {
        Some("ws") => 80,
        Some("wss") => 443,
        _ => return Err(invalid("it must begin with `ws://` or `wss://`")),
    };
    let host =
        uri.host().ok_or_else(|| invalid("it names no host"))?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(port);
    Ok((uri, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_scheme_and_a_host() {
        for broken in ["", "web.whatsapp.com", "http://localhost/ws/chat", "ws://", "ws:///x"] {
            assert!(parse(broken).is_err(), "`{broken}` was taken");
        }
        let (_, host, port) = parse("ws://[::1]:9/ws/chat").unwrap();
        assert_eq!((host.as_str(), port), ("::1", 9));
    }

    #[cfg(feature = "sandbox")]
    #[test]
    fn a_sandbox_build_refuses_addresses_that_are_not_loopback() {
        for outside in [
            "wss://web.whatsapp.com/ws/chat",
            "ws://192.0.2.1/ws/chat",
            "ws://[2001:db8::1]/ws/chat",
        ] {
            assert!(check_endpoint(outside).is_err(), "`{outside}` was taken");
        }
        for inside in [
            "ws://127.0.0.1:1/ws/chat",
            "ws://[::1]:1/ws/chat",
            "ws://localhost:1/ws/chat",
            "wss://a.invalid/",
        ] {
            assert!(check_endpoint(inside).is_ok(), "`{inside}` was refused");
        }
    }

    #[cfg(feature = "sandbox")]
    #[tokio::test]
    async fn a_dial_of_a_sandbox_build_ends_before_the_network() {
        let endpoint = Endpoint::new("ws://192.0.2.1:1/ws/chat", &TrustedRoots::default()).unwrap();
        let (failure, error) =
            endpoint.dial(&Arc::default(), &Arc::default()).await.err().expect("it is fenced");
        assert_eq!(failure, DialFailure::Fenced, "{error}");
    }
}
