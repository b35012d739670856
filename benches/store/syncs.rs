//! What the disk itself takes: a page written and synced, by one thread and by several, each on a file of its own.

use std::{
    fs::File,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::measure::median_us;

/// So many syncs by each of so many threads.
pub(crate) fn measured(folder: &Path, threads: &[usize], each: u32) -> Value {
    let found = threads.iter().map(|&threads| {
        let begun = Instant::now();
        let took = thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|number| {
                    scope.spawn(move || {
                        syncs(&folder.join(format!("sync-{threads}-{number}")), each)
                    })
                })
                .collect();
            let ended = running.into_iter().map(|one| one.join().expect("a thread does not panic"));
            ended.flatten().collect::<Vec<_>>()
        });
        let count = u32::try_from(took.len()).expect("few syncs");
        let rate = f64::from(count) / begun.elapsed().as_secs_f64();
        let median = median_us(&took);
        println!("over {threads}: {rate:.0} syncs/s together, each {median:.0} µs");
        json!({"files": threads, "rate": rate, "p50Us": median})
    });
    found.collect()
}

fn syncs(path: &Path, count: u32) -> Vec<Duration> {
    let mut file = File::create(path).expect("the file can be made");
    let page = [7; 4096];
    // As a store does, into room that the file has already.
    file.set_len(u64::from(count) * 4096).expect("the file grows");
    file.sync_all().expect("the file is synced");
    let sync = |_| {
        let begun = Instant::now();
        file.write_all(&page).and_then(|()| file.sync_data()).expect("the page is written");
        begun.elapsed()
    };
    (0..count).map(sync).collect()
}
