//! What is to be sent on a connection: at once, or once it has been held back as long as the latency says.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::state::{Latency, Parcel};

/// Stanzas that are held back at once; others stay in the queue, whose bound closes the connection.
const HELD: usize = 2048;

/// The receiving end of a connection's queue.
pub(super) struct Outbox {
    queue: mpsc::Receiver<Parcel>,
    latency: Latency,
    /// In order, with the time at which each came: whatever the latency is then, none overtakes another.
    held: VecDeque<(Instant, Parcel)>,
}

impl Outbox {
    pub(super) fn new(queue: mpsc::Receiver<Parcel>, latency: Latency) -> Self {
        Self { queue, latency, held: VecDeque::new() }
    }

    /// The next stanza when it may go; `None` once the queue is closed and all of it has gone. Nothing is lost when this
    /// is dropped before its end.
    pub(super) async fn next(&mut self) -> Option<Parcel> {
        while self.held.is_empty() {
            let parcel = self.queue.recv().await?;
            if let Some(parcel) = self.passes(parcel) {
                return Some(parcel);
            }
        }
        // Boxed, as most connections never come here.
        Box::pin(self.due()).await
    }

    /// One more that may go now.
    pub(super) fn ready(&mut self) -> Option<Parcel> {
        match self.held.front() {
            Some((came, _)) if *came + self.latency.get() <= Instant::now() => self.release(),
            Some(_) => None,
            None => self.queue.try_recv().ok().and_then(|parcel| self.passes(parcel)),
        }
    }

    /// The stanza, if it may go now; otherwise it is held.
    fn passes(&mut self, parcel: Parcel) -> Option<Parcel> {
        if self.latency.get().is_zero() && self.held.is_empty() {
            return Some(parcel);
        }
        self.held.push_back((Instant::now(), parcel));
        None
    }

    /// The first that is held. Who holds nothing any more keeps no room for it.
    fn release(&mut self) -> Option<Parcel> {
        let (_, parcel) = self.held.pop_front()?;
        if self.held.is_empty() {
            self.held = VecDeque::new();
        }
        Some(parcel)
    }

    /// The first that is held, once its time has come; what comes meanwhile is held, too.
    async fn due(&mut self) -> Option<Parcel> {
        let came = self.held.front().map(|(came, _)| *came)?;
        let mut latency = self.latency.watch();
        let due = sleep_until(came + *latency.borrow_and_update());
        tokio::pin!(due);
        loop {
            tokio::select! {
                () = &mut due => return self.release(),
                // The sender lives as long as this does.
                _ = latency.changed() => due.as_mut().reset(came + *latency.borrow_and_update()),
                Some(parcel) = self.queue.recv(), if self.held.len() < HELD => {
                    self.passes(parcel);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wacore_binary::builder::NodeBuilder;

    use super::*;

    const LONG: Duration = Duration::from_millis(80);

    fn outbox(latency: Duration) -> (mpsc::Sender<Parcel>, Latency, Outbox) {
        let held_back = Latency::default();
        held_back.set(latency);
        let (sender, queue) = mpsc::channel(4 * HELD);
        (sender, held_back.clone(), Outbox::new(queue, held_back))
    }

    fn send(sender: &mpsc::Sender<Parcel>, tag: &'static str) {
        let parcel = Parcel { node: NodeBuilder::new(tag).build().into(), oddity: None };
        sender.try_send(parcel).expect("there is room");
    }

    async fn next(outbox: &mut Outbox) -> String {
        outbox.next().await.expect("one more").node.tag.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn without_latency_everything_goes_at_once() {
        let (sender, _, mut outbox) = outbox(Duration::ZERO);
        let began = Instant::now();
        send(&sender, "one");
        send(&sender, "two");
        assert_eq!(next(&mut outbox).await, "one");
        assert_eq!(outbox.ready().expect("the other").node.tag, "two");
        assert!(outbox.ready().is_none() && outbox.held.capacity() == 0);
        drop(sender);
        assert!(outbox.next().await.is_none() && began.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_held_back_for_as_long_and_none_waits_for_another() {
        let (sender, _, mut outbox) = outbox(LONG);
        let began = Instant::now();
        send(&sender, "one");
        send(&sender, "two");
        assert!(tokio::time::timeout(LONG / 2, outbox.next()).await.is_err());
        send(&sender, "three");
        assert!(outbox.ready().is_none());
        assert_eq!((next(&mut outbox).await.as_str(), began.elapsed()), ("one", LONG));
        assert_eq!(outbox.ready().expect("it came with the first").node.tag, "two");
        assert!(outbox.ready().is_none());
        drop(sender);
        assert_eq!((next(&mut outbox).await.as_str(), began.elapsed()), ("three", LONG * 3 / 2));
        assert!(outbox.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_order_stays_when_the_latency_goes() {
        let (sender, latency, mut outbox) = outbox(LONG);
        send(&sender, "one");
        assert!(tokio::time::timeout(LONG / 2, outbox.next()).await.is_err());
        latency.set(Duration::ZERO);
        send(&sender, "two");
        assert_eq!(
            (next(&mut outbox).await.as_str(), next(&mut outbox).await.as_str()),
            ("one", "two")
        );
        let began = Instant::now();
        send(&sender, "three");
        assert_eq!((next(&mut outbox).await.as_str(), began.elapsed()), ("three", Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_goes_as_soon_as_another_latency_says() {
        let (sender, latency, mut outbox) = outbox(1000 * LONG);
        let began = Instant::now();
        send(&sender, "one");
        assert!(tokio::time::timeout(LONG, outbox.next()).await.is_err());
        let (one, ()) = tokio::join!(next(&mut outbox), async {
            tokio::time::sleep(LONG).await;
            latency.set(3 * LONG);
        });
        assert_eq!((one.as_str(), began.elapsed()), ("one", 3 * LONG));
        send(&sender, "two");
        assert!(outbox.ready().is_none());
        latency.set(Duration::ZERO);
        assert_eq!(outbox.ready().expect("nothing is held back any more").node.tag, "two");
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_nothing_any_more_keeps_no_room_for_it() {
        let (sender, _, mut outbox) = outbox(LONG);
        for _ in 0..100 {
            send(&sender, "one");
        }
        for _ in 0..100 {
            next(&mut outbox).await;
        }
        assert_eq!((outbox.held.len(), outbox.held.capacity()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_held_and_no_more() {
        let (sender, _, mut outbox) = outbox(LONG);
        for _ in 0..HELD + 7 {
            send(&sender, "one");
        }
        assert!(tokio::time::timeout(LONG / 2, outbox.next()).await.is_err());
        assert_eq!((outbox.held.len(), outbox.queue.len()), (HELD, 7));
    }
}
