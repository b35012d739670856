//! Counts what a session costs: bytes, frames, time and the state of its client.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;

use super::caches;
use crate::{
    clock::now_ms,
    resources::{ClientResources, Connection, Traffic},
};

/// How long the caches of a client may be busy before they are left out of a report.
const PATIENCE: Duration = Duration::from_secs(1);

/// The counts of one session, which outlive its clients and its actor.
#[derive(Default)]
pub(crate) struct Meter {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    busy_ns: AtomicU64,
    connects: AtomicU64,
    reconnects: AtomicU64,
    running: AtomicUsize,
    waiting: AtomicUsize,
    present: Mutex<Present>,
}

/// What there is at this moment, and what is left of clients that are no more.
#[derive(Default)]
struct Present {
    client: Weak<whatsapp_rust::Client>,
    built_at: i64,
    /// When the connection was made, and what had gone over the network before it.
    connection: Option<(i64, Traffic)>,
    /// Frames of earlier clients.
    past: Traffic,
}

impl Present {
    fn frames(&self) -> Traffic {
        let now = self.client.upgrade().map(|client| client.stats()).unwrap_or_default();
        Traffic {
            frames_in: self.past.frames_in + now.frames_received,
            frames_out: self.past.frames_out + now.frames_sent,
            ..Traffic::default()
        }
    }
}

impl Meter {
    /// Bytes that came from the network.
    pub(super) fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes that went to the network.
    pub(super) fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A connection was made, before which so much had gone over the network.
    pub(super) fn connected(&self, before: Traffic) {
        self.connects.fetch_add(1, Ordering::Relaxed);
        self.present().connection = Some((now_ms(), before));
    }

    /// The connection is over.
    pub(super) fn disconnected(&self) {
        self.present().connection = None;
    }

    /// A connection ended and another will be tried.
    pub(crate) fn reconnects(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// So many operations run, and so many wait.
    pub(crate) fn note_operations(&self, running: usize, waiting: usize) {
        self.running.store(running, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// A client was built.
    pub(super) fn takes_up(&self, client: &Arc<whatsapp_rust::Client>) {
        let mut present = self.present();
        present.client = Arc::downgrade(client);
        present.built_at = now_ms();
    }

    /// A client is over; what it counted stays.
    pub(super) fn lets_go(&self, client: &Arc<whatsapp_rust::Client>) {
        let mut present = self.present();
        if std::ptr::eq(present.client.as_ptr(), Arc::as_ptr(client)) {
            present.past = present.frames();
            present.client = Weak::new();
            present.connection = None;
        }
    }

    /// A future whose time is the session's.
    pub(crate) fn timed<F>(self: &Arc<Self>, future: F) -> Timed<F> {
        Timed { meter: Arc::clone(self), future }
    }

    /// Counts until it is dropped.
    pub(super) fn lap(&self) -> Lap<'_> {
        Lap { busy_ns: &self.busy_ns, begun: Instant::now() }
    }

    /// What went over the network so far.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            ..self.present().frames()
        }
    }

    /// The connection that there is, of which so much has gone over the network by now.
    pub(crate) fn connection(&self, traffic: Traffic) -> Option<Connection> {
        let (since, before) = self.present().connection?;
        Some(Connection { since, traffic: traffic.since(before) })
    }

    /// Connections made, and those begun anew.
    pub(crate) fn connects(&self) -> (u64, u64) {
        (self.connects.load(Ordering::Relaxed), self.reconnects.load(Ordering::Relaxed))
    }

    /// Operations that run and that wait.
    pub(crate) fn operations(&self) -> (usize, usize) {
        (self.running.load(Ordering::Relaxed), self.waiting.load(Ordering::Relaxed))
    }

    /// Time spent in the session's tasks, in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.busy_ns.load(Ordering::Relaxed) / 1_000
    }

    /// What the client holds, if there is one.
    pub(crate) async fn client(&self) -> Option<ClientResources> {
        let (client, built_at) = {
            let present = self.present();
            (present.client.upgrade()?, present.built_at)
        };
        let report = tokio::time::timeout(PATIENCE, client.memory_report()).await;
        let (caches, queues) = report.map(|report| caches::reported(&report)).ok().unzip();
        Some(ClientResources { built_at, caches, queues })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the time from its making to its end.
pub(super) struct Lap<'a> {
    busy_ns: &'a AtomicU64,
    begun: Instant,
}

impl Drop for Lap<'_> {
    fn drop(&mut self) {
        let spent = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.busy_ns.fetch_add(spent, Ordering::Relaxed);
    }
}

pin_project! {
    /// A future that counts the time it is polled for: two readings of the clock and an addition, 55 ns in all.
    pub(crate) struct Timed<F> {
        meter: Arc<Meter>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _lap = this.meter.lap();
        this.future.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Waker};

    use super::*;

    /// Works for a while; gives how long it took.
    fn works() -> Duration {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        begun.elapsed()
    }

    #[test]
    fn time_is_counted_while_a_future_is_polled_and_not_in_between() {
        let meter = Arc::new(Meter::default());
        let begun = Instant::now();
        let mut inside = Duration::ZERO;
        {
            let mut future = pin!(meter.timed(async {
                inside += works();
                tokio::task::yield_now().await;
                inside += works();
            }));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut cx).is_pending());
            let outside = works();
            assert!(future.as_mut().poll(&mut cx).is_ready());
            assert!(Duration::from_micros(meter.cpu_us()) + outside <= begun.elapsed());
        }
        assert!(u128::from(meter.cpu_us()) >= inside.as_micros());
    }

    #[test]
    fn a_connection_has_what_was_added_since_it_began() {
        let meter = Meter::default();
        meter.received(100);
        let before = meter.traffic();
        meter.received(20);
        meter.sent(7);
        meter.connected(before);
        let traffic = meter.traffic();
        assert_eq!((traffic.bytes_in, traffic.bytes_out), (120, 7));
        let connection = meter.connection(traffic).unwrap().traffic;
        assert_eq!((connection.bytes_in, connection.bytes_out), (20, 7));
        meter.disconnected();
        assert_eq!(meter.connection(meter.traffic()), None);
        assert_eq!(meter.connects(), (1, 0));
    }
}
