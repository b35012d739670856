//! The signals that end the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How a process ends that was told twice: as if the signal had killed it.
const CUT: i32 = 130;

/// Completes at the first SIGINT or SIGTERM since the call. A second one, from then on, ends the process at once.
pub fn signalled() -> impl Future<Output = ()> + Send + 'static {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::error!("signals cannot be received: only killing the process ends it");
            return std::future::pending().await;
        };
        either(&mut interrupt, &mut terminate).await;
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            tracing::error!("told to stop a second time: cutting what is under way");
            std::process::exit(CUT);
        });
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
