//! The audit log, from a request to the store.
//!
//! A request leaves a [`Trail`] on its way through the layers: which operation it is, on what, who asks. Its end makes an
//! entry of the trail. No request waits until that is written: entries gather for [`PAUSE`] and go to the store in one
//! write, which shares the commit of whatever else is written then. A process that is killed loses what waits; one that
//! is told to end writes it.

mod operations;
mod refusals;
mod trail;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::sleep,
};
use wharf_storage::{Actor, AuditRecord, Store};

pub(crate) use operations::operation;
pub(crate) use trail::{Made, Recording, Trail};

use crate::auth::Principal;
use refusals::Refusals;

/// How long an entry waits for others.
const PAUSE: Duration = Duration::from_millis(50);
/// How many entries are written at once; so many do not wait for others. A list that is much longer is one that the
/// allocator has from the system each time, and that costs more than the entries.
const AT_ONCE: usize = 256;
/// How many entries may wait, those of operations under way included. An operation that finds no place waits for one, so
/// that none goes unrecorded.
const CAPACITY: usize = 4_096;

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        match principal {
            Principal::Key(id) => Self::Key(*id),
            Principal::Person { subject } => Self::Person(subject.clone()),
        }
    }
}

/// Where entries go; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AuditLog {
    queue: mpsc::Sender<Message>,
    hurry: Arc<Notify>,
}

/// The place of one entry.
#[derive(Debug)]
struct Place(mpsc::OwnedPermit<Message>);

#[derive(Debug)]
enum Message {
    /// Write this, of this organization.
    Write(String, AuditRecord),
    /// Say when all before is written.
    Tell(oneshot::Sender<()>),
}

impl AuditLog {
    /// Starts writing to the store; ends when the last clone is gone.
    pub(crate) fn start(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(CAPACITY);
        let hurry = Arc::new(Notify::new());
        tokio::spawn(write(store, waiting, Arc::clone(&hurry)));
        Self { queue, hurry }
    }

    /// Has everything written that was noted so far.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        // Where nobody writes any more there is nothing to wait for.
        if self.queue.send(Message::Tell(done)).await.is_ok() {
            self.hurry.notify_one();
            let _ = written.await;
        }
    }

    /// A place for an entry; none when nobody writes any more.
    async fn place(&self) -> Option<Place> {
        self.queue.clone().reserve_owned().await.ok().map(Place)
    }
}

impl Place {
    fn fill(self, organization: String, record: AuditRecord) {
        self.0.send(Message::Write(organization, record));
    }
}

/// Writes what comes, as much at once as there is, up to [`AT_ONCE`].
async fn write(store: Store, mut queue: mpsc::Receiver<Message>, hurry: Arc<Notify>) {
    let (mut batch, mut refusals) = (Vec::with_capacity(AT_ONCE), Refusals::default());
    while queue.recv_many(&mut batch, AT_ONCE).await > 0 {
        if batch.len() < AT_ONCE {
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = hurry.notified() => {}
            }
        }
        while batch.len() < AT_ONCE
            && let Ok(message) = queue.try_recv()
        {
            batch.push(message);
        }
        let (mut records, mut told) = (Vec::with_capacity(batch.len()), Vec::new());
        for message in batch.drain(..) {
            match message {
                Message::Write(organization, record) => {
                    if refusals.admit(&organization, &record) {
                        records.push((organization, record));
                    }
                }
                Message::Tell(done) => told.push(done),
            }
        }
        let count = records.len();
        if count > 0
            && let Err(error) = store.record_audit(records).await
        {
            tracing::error!("{count} entries of the audit log could not be written: {error}");
        }
        for done in told {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use wharf_storage::AuditFilter;

    use super::*;

    #[tokio::test]
    async fn an_operation_that_finds_no_place_waits_until_there_is_one() {
        let (queue, _waiting) = mpsc::channel(1);
        let log = AuditLog { queue, hurry: Arc::default() };
        let first = log.place().await.unwrap();
        let mut second = pin!(log.place());
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.await.is_some());
    }

    #[tokio::test]
    async fn all_that_was_noted_is_written_in_order_however_many_lists_it_takes() {
        let store = Store::in_memory().unwrap();
        let log = AuditLog::start(store.clone());
        let many = i64::try_from(2 * AT_ONCE + 7).unwrap();
        for at in 0..many {
            let record = AuditRecord {
                at,
                actor: Actor::Person("p".to_owned()),
                operation: "stopSession".to_owned(),
                object: [("session".to_owned(), "s".to_owned())].into(),
                address: None,
                status: Some(200),
                code: None,
                request: "r".to_owned(),
            };
            log.place().await.unwrap().fill("acme".to_owned(), record);
        }
        log.flush().await;
        let page = store.audit_page("acme", None, AuditFilter::default(), 4 * AT_ONCE).await;
        let times: Vec<i64> = page.unwrap().entries.iter().map(|entry| entry.record.at).collect();
        assert_eq!(times, (0..many).rev().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_log_that_is_written_no_more() {
        let (queue, waiting) = mpsc::channel(1);
        let log = AuditLog { queue, hurry: Arc::default() };
        drop(waiting);
        assert!(log.place().await.is_none());
        log.flush().await;
    }
}
