//! The listener, which can be closed and opened again while the state stays.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::door::{Door, Peer};
use super::tls::Tls;
use super::{Config, router};
use crate::state::Shared;
use crate::{Error, Result, levers};

/// Where the server listens, and as long as it does the task that serves.
pub(crate) struct Front {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Tls>,
    state: Shared,
    /// Cancelled for good: whatever serves ends.
    pub(super) ended: CancellationToken,
    serving: Mutex<Option<Serving>>,
}

struct Serving {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Front {
    /// Listens where the configuration says.
    pub(super) async fn open(config: &Config, state: Shared) -> Result<Arc<Self>> {
        let listener = bind(config.listen).await?;
        let failed = |source| Error::Listen { address: config.listen, source };
        let address = listener.local_addr().map_err(failed)?;
        let front = Arc::new(Self {
            address,
            tls: config.tls.then(|| Tls::generate(address.ip())),
            state,
            ended: CancellationToken::new(),
            serving: Mutex::default(),
        });
        *front.serving.lock().await = Some(front.serve(listener));
        info!(%address, "sandbox listening on `{address}`");
        Ok(front)
    }

    /// The state behind it.
    pub(crate) fn shared(&self) -> Shared {
        self.state.clone()
    }

    /// Closes the listener and every connection, then listens again on the same address with a new key; says how many
    /// connections there were.
    pub(crate) async fn restart(self: &Arc<Self>) -> Result<usize> {
        let mut serving = self.serving.lock().await;
        close(serving.take()).await;
        let dropped = levers::rotate_key(&self.state).await;
        *serving = Some(self.serve(bind(self.address).await?));
        Ok(dropped)
    }

    /// Stops listening for good.
    pub(super) async fn end(&self) {
        self.ended.cancel();
        close(self.serving.lock().await.take()).await;
    }

    fn serve(self: &Arc<Self>, listener: TcpListener) -> Serving {
        let stop = self.ended.child_token();
        let door = Door::new(listener, self.tls.as_ref().map(|tls| tls.acceptor.clone()));
        let service = router(self).into_make_service_with_connect_info::<Peer>();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            // The signal is for idle HTTP connections: nothing is worth waiting for them, and the listener goes at once.
            let serve = axum::serve(door, service)
                .with_graceful_shutdown(stopped.clone().cancelled_owned());
            tokio::select! {
                () = stopped.cancelled() => {}
                served = serve => if let Err(error) = served {
                    error!(%error, "the listener failed");
                }
            }
        });
        Serving { stop, task }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

async fn close(serving: Option<Serving>) {
    if let Some(Serving { stop, task }) = serving {
        stop.cancel();
        let _ = task.await;
    }
}
