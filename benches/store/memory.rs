//! What files take of the process's memory: opened and empty, and with a cache that is full. Each number of files is measured in
//! a process of its own.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use wharf_storage::{SessionId, Store};

use crate::load;

/// Events over all files: about three times as many bytes as the caches hold.
const EVENTS: u32 = 320_000;
/// Events of one write.
const BATCH: u32 = 1_000;

/// The figures of each number of files.
pub(crate) fn of_each(files: &[usize], folder: &Path, quick: bool) -> Value {
    let found = files.iter().map(|files| {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(["--memory-of", &files.to_string(), "--folder"]).arg(folder);
        if quick {
            command.arg("--quick");
        }
        let output = command.stderr(Stdio::inherit()).output().expect("this program starts again");
        let found: Value = serde_json::from_slice(&output.stdout).expect("its figures are JSON");
        println!("memory, over {files}: {found}");
        found
    });
    found.collect()
}

/// Resident bytes of this process before the files are opened, then, and when their caches are full.
pub(crate) async fn measured(folder: &Path, files: usize, quick: bool) -> Value {
    let before = resident();
    let stores = crate::opened(folder, "memory", files, None);
    let opened = resident();
    let events = if quick { EVENTS / 100 } else { EVENTS };
    for (batch, store) in (0..events / BATCH).zip(stores.iter().cycle()) {
        let session = SessionId::generate(i64::from(batch));
        let of_batch =
            (0..BATCH).map(|at| load::event(session, batch % load::PRODUCERS, at)).collect();
        store.record_events(of_batch).await.expect("the write succeeds");
    }
    for store in &stores {
        // Reads every row.
        walked(store).await;
    }
    let (mut bytes, full) = (0, resident());
    for (number, store) in stores.iter().enumerate() {
        bytes += fs::metadata(folder.join(format!("memory-{number}"))).map_or(0, |file| file.len());
        store.close().await.expect("the store closes");
    }
    json!({
        "files": files, "beforeBytes": before, "openedBytes": opened, "fullBytes": full, "fileBytes": bytes,
    })
}

async fn walked(store: &Store) {
    let report = store.check().await.expect("the store reads");
    assert!(report.rows > 0);
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("the system counts memory") << 10
}
