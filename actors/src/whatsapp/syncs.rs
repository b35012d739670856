//! Work that the library hands to its host: parts of the history, and collections of the app state that are asked for by
//! name. All sessions of a process share the places for it, because each part is held in memory as a whole.

use std::sync::Weak;

use async_channel::Receiver;
use tokio::sync::Semaphore;
use whatsapp_rust::sync_task::MajorSyncTask;

/// Works a client's parts off, one by one, for as long as there is the client.
pub(super) async fn work_off(
    client: Weak<whatsapp_rust::Client>,
    handed: Receiver<MajorSyncTask>,
    places: &Semaphore,
) {
    each(handed, places, |task| {
        let client = client.upgrade();
        async move {
            if let Some(client) = client {
                // In a box of its own: it is 13 kB, which each client would hold for as long as it lives.
                Box::pin(client.process_sync_task(task)).await;
            }
        }
    })
    .await;
}

/// Does something with each, while it has a place.
async fn each<F: Future<Output = ()>>(
    handed: Receiver<MajorSyncTask>,
    places: &Semaphore,
    work: impl Fn(MajorSyncTask) -> F,
) {
    while let Ok(task) = handed.recv().await {
        let _place = places.acquire().await.expect("the places are never closed");
        work(task).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::task::JoinSet;
    use whatsapp_rust::wacore::appstate::patch_decode::WAPatchName;

    use super::*;

    fn task() -> MajorSyncTask {
        MajorSyncTask::AppStateSync { name: WAPatchName::Regular, full_sync: false }
    }

    /// How many parts were worked on, and how many at once, when 3 sessions have 4 each.
    async fn worked(places: usize) -> (usize, usize) {
        let places = Arc::new(Semaphore::new(places));
        let (under_way, most, done) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::default());
        let mut sessions = JoinSet::new();
        for _ in 0..3 {
            let (sender, handed) = async_channel::unbounded();
            for _ in 0..4 {
                sender.try_send(task()).unwrap();
            }
            let (places, under_way, most) =
                (Arc::clone(&places), Arc::clone(&under_way), Arc::clone(&most));
            let done: Arc<AtomicUsize> = Arc::clone(&done);
            sessions.spawn(async move {
                let work = |_task| async {
                    most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                };
                each(handed, &places, work).await;
            });
        }
        sessions.join_all().await;
        (done.load(Ordering::SeqCst), most.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn parts_of_all_sessions_share_the_places() {
        assert_eq!(worked(1).await, (12, 1));
        assert_eq!(worked(2).await, (12, 2));
    }

    #[test]
    fn what_waits_for_work_in_each_client_is_small() {
        fn size<F>(_: impl Fn(Weak<whatsapp_rust::Client>, Receiver<MajorSyncTask>) -> F) -> usize {
            size_of::<F>()
        }
        static PLACES: Semaphore = Semaphore::const_new(1);
        let size = size(|client, handed| work_off(client, handed, &PLACES));
        assert!(size < 1_024, "{size} bytes");
    }
}
