//! The runtime of the library's own tasks, watched: a panic in one of them is a panic of the session.
//!
//! The library spawns its receive path and its background work through this. Without it such a panic would end one
//! task in silence and leave a connection that looks alive.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use whatsapp_rust::{
    Runtime, TokioRuntime,
    wacore::runtime::{AbortHandle, BoxFuture},
};

use super::meter::Meter;

/// What is called, on the panicking task's thread, when a task of the library panics.
pub(super) type OnPanic = Arc<dyn Fn() + Send + Sync>;

/// Tokio, with an alarm on every task, whose time is counted.
pub(super) struct Watched {
    pub(super) panicked: OnPanic,
    pub(super) meter: Arc<Meter>,
}

impl Watched {
    fn spawn_watched(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let alarm = Alarm(Arc::clone(&self.panicked));
        tokio::spawn(self.meter.timed(async move {
            // Lives in the task: a panic of the future unwinds through it.
            let _alarm = alarm;
            future.await;
        }))
    }
}

impl Runtime for Watched {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> AbortHandle {
        let task = self.spawn_watched(future);
        AbortHandle::new(move || task.abort())
    }

    fn spawn_detached(&self, future: BoxFuture<'static, ()>) {
        self.spawn_watched(future);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn spawn_blocking(
        &self,
        work: Box<dyn FnOnce() + Send + 'static>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (alarm, meter) = (Alarm(Arc::clone(&self.panicked)), Arc::clone(&self.meter));
        TokioRuntime.spawn_blocking(Box::new(move || {
            let _alarm = alarm;
            let _lap = meter.lap();
            work();
        }))
    }

    /// The library gives most stanzas that it reads a task of their own. Tokio runs the newest task of a thread first, so of two
    /// stanzas that come together the later one would be told first: a group would keep the older of its two subjects.
    /// The read loop lets each begin, and tell what it has to tell, before it reads the next one.
    fn yield_now(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        Some(Box::pin(tokio::task::yield_now()))
    }

    fn yield_frequency(&self) -> u32 {
        1
    }
}

struct Alarm(OnPanic);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_raises_the_alarm_and_one_that_ends_or_is_cut_does_not() {
        let alarms = Arc::new(AtomicU32::new(0));
        let heard = Arc::clone(&alarms);
        let panicked = Arc::new(move || {
            heard.fetch_add(1, Ordering::SeqCst);
        });
        let runtime = Watched { panicked, meter: Arc::default() };
        runtime.spawn_watched(async {}).await.unwrap();
        let cut = runtime.spawn_watched(std::future::pending());
        cut.abort();
        assert!(cut.await.unwrap_err().is_cancelled());
        assert_eq!(alarms.load(Ordering::SeqCst), 0);

        assert!(runtime.spawn_watched(async { panic!("on purpose") }).await.is_err());
        assert_eq!(alarms.load(Ordering::SeqCst), 1);
        runtime.spawn_blocking(Box::new(|| panic!("on purpose"))).await;
        assert_eq!(alarms.load(Ordering::SeqCst), 2);
    }
}
