//! The accept loop: connections in, requests to the service, an end for whatever hangs.

mod activity;
mod stream;

use std::{
    io,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::{
    config::Http,
    limits::{self, Connections, Proxies},
    request::ClientAddress,
};
use activity::Activity;
use stream::{Patience, Watched};

/// How long the loop waits when it cannot accept: descriptors may be used up, and that passes.
const AGAIN: Duration = Duration::from_millis(100);
/// How often it is said that nothing can be accepted.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// How much of a connection's input and output is held at most, in bytes.
const BUFFER: usize = 64 << 10;

/// What serves the connections of a listener.
#[derive(Debug)]
pub(crate) struct Listening {
    app: Router,
    connections: Arc<Connections>,
    proxies: Proxies,
    patience: Patience,
    parser: http1::Builder,
}

/// Serves `app` on `listener` as the gateway serves its own API, within the limits on connections in `http`, until `stop` is
/// cancelled and what is under way has been answered.
pub async fn serve(listener: TcpListener, app: Router, http: &Http, stop: CancellationToken) {
    limits::raise_descriptors();
    Listening::new(app, http, Connections::new(http)).serve(listener, stop).await;
}

impl Listening {
    /// `app` behind a listener with these limits.
    pub(crate) fn new(app: Router, http: &Http, connections: Arc<Connections>) -> Arc<Self> {
        let mut parser = http1::Builder::new();
        parser.max_buf_size(BUFFER).max_header_size(http.max_head);
        let patience = Patience { head: http.head_timeout, idle: http.idle_timeout };
        Arc::new(Self { app, connections, proxies: Proxies::new(http), patience, parser })
    }

    /// Serves `listener` until `draining` is cancelled and the last connection has ended. Dropped before, it cuts the
    /// connections that are left.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        draining: CancellationToken,
    ) {
        let mut open = JoinSet::new();
        let mut said: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = open.join_next() => continue,
                () = draining.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer.ip(), &draining, &mut open),
                // The other side went away while it waited.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
                        said = Some(Instant::now());
                        tracing::error!("no connection can be accepted for now: {error}");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    fn take(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: IpAddr,
        draining: &CancellationToken,
        open: &mut JoinSet<()>,
    ) {
        match self.connections.admit(peer) {
            Ok(admitted) => {
                // One of its own: connections do not meet at the lock of the shared one.
                let draining = draining.child_token();
                let listening = Arc::clone(self);
                open.spawn(async move {
                    listening.converse(stream, peer, draining).await;
                    drop(admitted);
                });
            }
            Err(why) => tracing::debug!("a connection is refused: {why:?}"),
        }
    }

    /// Serves one connection.
    async fn converse(&self, stream: TcpStream, peer: IpAddr, draining: CancellationToken) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("answers on a connection may be late: {error}");
        }
        let activity = Activity::new();
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity), self.patience));
        let (app, proxies) = (&self.app, &self.proxies);
        let service = service_fn(|mut request: Request<Incoming>| {
            activity.serves();
            let client = ClientAddress(proxies.client(peer, request.headers()));
            request.extensions_mut().insert(client);
            let answer = app.clone().call(request);
            let activity = Arc::clone(&activity);
            async move { answer.await.map(|response| activity.until_sent(response)) }
        });
        let connection = self.parser.serve_connection(stream, service).with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // One that was idle ends without an error.
        if activity.is_overdue() {
            self.connections.timed_out();
        }
        if let Err(error) = ended {
            tracing::debug!("a connection ended early: {error}");
        }
    }
}

/// Whether an error of accepting is about one connection, and not about accepting.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
