//! The least that durable group commit can cost: take what is queued, one transaction, one commit, answer all.

use std::{path::Path, sync::mpsc, thread, time::Instant};

use redb::{Database, TableDefinition};
use tokio::sync::oneshot;

use crate::load::{Load, PAYLOAD, PRODUCERS};

const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");

type Request = (u64, Vec<u8>, oneshot::Sender<()>);

/// Writes a second.
pub(crate) async fn rate(path: &Path, load: Load) -> f64 {
    let database = Database::create(path).expect("the file can be made");
    let (queue, requests) = mpsc::channel::<Request>();
    let writer = thread::spawn(move || commit_in_groups(&database, &requests));
    let begun = Instant::now();
    let mut producers = Vec::new();
    for producer in 0..PRODUCERS {
        let queue = queue.clone();
        producers.push(tokio::spawn(async move {
            for write in 0..load.each {
                let (done, committed) = oneshot::channel();
                let row = u64::from(producer * load.each + write);
                queue.send((row, vec![0; PAYLOAD], done)).expect("the writer lives");
                committed.await.expect("the write is answered");
            }
        }));
    }
    for producer in producers {
        producer.await.expect("a producer does not panic");
    }
    let elapsed = begun.elapsed().as_secs_f64();
    drop(queue);
    writer.join().expect("the writer does not panic");
    f64::from(load.writes()) / elapsed
}

#[expect(clippy::disallowed_methods, reason = "the baseline is redb without our writer")]
fn commit_in_groups(database: &Database, requests: &mpsc::Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let batch: Vec<Request> = std::iter::once(first).chain(requests.try_iter()).collect();
        let transaction = database.begin_write().expect("a transaction begins");
        {
            let mut rows = transaction.open_table(ROWS).expect("the table opens");
            for (key, value, _) in &batch {
                rows.insert(key, value.as_slice()).expect("the row goes in");
            }
        }
        transaction.commit().expect("the commit succeeds");
        for (_, _, done) in batch {
            let _ = done.send(());
        }
    }
}
