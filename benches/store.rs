//! Strict writes from 64 producers, beside a bare redb group-commit loop on the same disk in the same run.
//!
//! `cargo bench --bench store` prints writes per second of both and their ratio.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use redb::{Database, TableDefinition};
use serde_json::json;
use tokio::sync::oneshot;
use wharf_storage::{NewEvent, Options, SessionId, Store};

const PRODUCERS: u64 = 64;
const WRITES_EACH: u64 = 500;
const ROUNDS: usize = 7;
/// About the size of an event row.
const PAYLOAD: usize = 256;
const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");

type Request = (u64, Vec<u8>, oneshot::Sender<()>);

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let total = PRODUCERS * WRITES_EACH;
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let bare = bare(&folder.path().join(format!("bare-{round}"))).await;
        let ours = ours(&folder.path().join(format!("ours-{round}"))).await;
        let rate = |elapsed: Duration| Duration::from_secs(total).div_duration_f64(elapsed);
        let ratio = rate(ours) / rate(bare);
        println!(
            "round {round}: bare redb {:.0}/s, store {:.0}/s, ratio {ratio:.2}",
            rate(bare),
            rate(ours)
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{PRODUCERS} producers, {total} strict writes a round: median ratio {:.2}",
        ratios[ROUNDS / 2]
    );
}

/// One event a write: a row, its index row, and the ids that the writer gives out.
async fn ours(path: &Path) -> Duration {
    let store = Store::open(path, &Options::default()).expect("the store opens");
    let begun = Instant::now();
    let mut producers = Vec::new();
    for producer in 0..PRODUCERS {
        let store = store.clone();
        producers.push(tokio::spawn(async move {
            let session = SessionId::generate(i64::try_from(producer).expect("a small number"));
            for write in 0..WRITES_EACH {
                let event = NewEvent {
                    session,
                    organization: "acme".to_owned(),
                    name: "group.update".to_owned(),
                    at: i64::try_from(write).expect("a small number"),
                    payload: json!({ "subject": "x".repeat(PAYLOAD) }),
                };
                store.record_events(vec![event]).await.expect("the write succeeds");
            }
        }));
    }
    for producer in producers {
        producer.await.expect("a producer does not panic");
    }
    let elapsed = begun.elapsed();
    store.close().await.expect("the store closes");
    elapsed
}

/// The least that durable group commit can cost: take what is queued, one transaction, one commit, answer all.
async fn bare(path: &Path) -> Duration {
    let database = Database::create(path).expect("the file can be made");
    let (queue, requests) = mpsc::channel::<Request>();
    let writer = thread::spawn(move || commit_in_groups(&database, &requests));
    let begun = Instant::now();
    let mut producers = Vec::new();
    for producer in 0..PRODUCERS {
        let queue = queue.clone();
        producers.push(tokio::spawn(async move {
            for write in 0..WRITES_EACH {
                let (done, committed) = oneshot::channel();
                queue
                    .send((producer * WRITES_EACH + write, vec![0; PAYLOAD], done))
                    .expect("the writer lives");
                committed.await.expect("the write is answered");
            }
        }));
    }
    for producer in producers {
        producer.await.expect("a producer does not panic");
    }
    let elapsed = begun.elapsed();
    drop(queue);
    writer.join().expect("the writer does not panic");
    elapsed
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
