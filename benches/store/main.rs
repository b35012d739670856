//! The store under strict writes of 64 producers: beside a bare redb group-commit loop, spread over several files, and
//! encrypted; with what a sync of the disk and a cache of its own for each file cost.
//!
//! `cargo bench --bench store` prints the figures; `-- --quick` shows that the bench works, `-- --json FILE` writes them too,
//! and `-- --folder FOLDER` says which disk is measured.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod bare;
mod load;
#[path = "../gateway/machine.rs"]
mod machine;
#[path = "../gateway/measure.rs"]
mod measure;
mod memory;
mod reads;
mod syncs;

use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::{Value, json};
use wharf_storage::{MasterKey, Options as StoreOptions, Store};

use load::Load;
use measure::median;

/// The allocator of the `wharf` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many files the same load is spread over.
const FILES: [usize; 4] = [1, 2, 4, 8];
/// The cache of all files together.
const CACHE: usize = 64 << 20;

#[derive(Debug, Parser)]
struct Options {
    /// Fewer writes: shows that the bench works, not what things cost.
    #[arg(long)]
    quick: bool,
    /// Where the raw figures go.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the stores are made; the folder for temporary files when absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Of a process that the bench starts itself: over how many files its memory is measured.
    #[arg(long, hide = true)]
    memory_of: Option<usize>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(&parent).expect("a temporary folder can be made");
    if let Some(files) = options.memory_of {
        println!("{}", memory::measured(folder.path(), files, options.quick).await);
        return;
    }
    let (rounds, each) = if options.quick { (1, 20) } else { (7, 500) };
    let load = Load { each, organizations: load::PRODUCERS };
    let syncs = syncs::measured(folder.path(), &FILES, if options.quick { 20 } else { 400 });
    let writes = writes(folder.path(), load, rounds).await;
    let reads =
        reads::measured(folder.path(), if options.quick { 100 } else { 20_000 }, rounds).await;
    let singles = singles(folder.path(), if options.quick { 20 } else { 1_000 }).await;
    let memory = memory::of_each(&FILES, &parent, options.quick);
    if let Some(file) = &options.json {
        let figures = json!({
            "machine": machine::machine(), "quick": options.quick, "rounds": rounds, "producers": load::PRODUCERS,
            "writesEach": each, "syncs": syncs, "writes": writes, "reads": reads, "singleCommitUs": singles,
            "memory": memory,
        });
        std::fs::write(file, format!("{figures:#}\n")).expect("the figures can be written");
    }
}

/// The same load on bare redb, on one store and more, and on an encrypted one, taking turns.
async fn writes(folder: &Path, load: Load, rounds: usize) -> Value {
    let (mut bare, mut beside_bare) = (Vec::new(), Vec::new());
    let mut spread: Vec<Vec<load::Outcome>> = FILES.map(|_| Vec::new()).into();
    let mut encrypted = Vec::new();
    for round in 0..rounds {
        let rate = bare::rate(&folder.join(format!("bare-{round}")), load).await;
        println!("round {round}: bare redb {rate:.0} writes/s");
        bare.push(rate);
        let stores = opened(folder, &format!("{round}-beside"), 1, None);
        let outcome = Load { organizations: 1, ..load }.run(&stores).await;
        println!("round {round}: one organization: {outcome}");
        beside_bare.push(outcome);
        for (files, outcomes) in FILES.iter().zip(&mut spread) {
            let stores = opened(folder, &format!("{round}-of-{files}"), *files, None);
            let outcome = load.run(&stores).await;
            println!("round {round}: over {files}: {outcome}");
            outcomes.push(outcome);
        }
        let stores = opened(folder, &format!("{round}-encrypted"), 1, Some(key()));
        let outcome = load.run(&stores).await;
        println!("round {round}: encrypted: {outcome}");
        encrypted.push(outcome);
    }
    let rates = |outcomes: &[load::Outcome]| -> Vec<f64> {
        outcomes.iter().map(|outcome| outcome.rate).collect()
    };
    let beside = |rates: &[f64], base: &[f64]| {
        let ratios: Vec<f64> = rates.iter().zip(base).map(|(rate, base)| rate / base).collect();
        median(&ratios)
    };
    let one = rates(&spread[0]);
    let to_bare = beside(&rates(&beside_bare), &bare);
    println!(
        "one organization: {}; {to_bare:.2} × the rate of bare redb",
        load::medians(&beside_bare)
    );
    for (files, outcomes) in FILES.iter().zip(&spread) {
        let (rates, medians) = (rates(outcomes), load::medians(outcomes));
        println!("over {files}: {medians}; {:.2} × the rate of one file", beside(&rates, &one));
    }
    let medians = load::medians(&encrypted);
    println!("encrypted: {medians}; {:.2} × the rate in clear", beside(&rates(&encrypted), &one));
    let spread: Vec<Value> = FILES
        .iter()
        .zip(&spread)
        .map(|(files, outcomes)| json!({"files": files, "rounds": outcomes, "median": load::medians(outcomes)}))
        .collect();
    json!({
        "bareRates": bare, "oneOrganization": beside_bare, "ratioToBare": to_bare, "spread": spread,
        "encrypted": {"rounds": encrypted, "median": medians, "ratio": beside(&rates(&encrypted), &one)},
    })
}

/// The commit of one change with nobody beside it, in microseconds.
async fn singles(folder: &Path, count: u32) -> Value {
    let mut found = Vec::new();
    for (name, key) in [("plain", None), ("encrypted", Some(key()))] {
        let stores = opened(folder, &format!("single-{name}"), 1, key);
        found.push(measure::commit(&stores[0], count).await);
    }
    println!("one change at a time: {:.0} µs, encrypted {:.0} µs", found[0], found[1]);
    json!({"plain": found[0], "encrypted": found[1]})
}

/// New stores, which share the cache.
fn opened(folder: &Path, name: &str, files: usize, master_key: Option<MasterKey>) -> Vec<Store> {
    let options =
        StoreOptions { cache_bytes: CACHE / files, master_key, ..StoreOptions::default() };
    let open = |number| Store::open(&folder.join(format!("{name}-{number}")), &options);
    (0..files).map(|number| open(number).expect("the store opens")).collect()
}

fn key() -> MasterKey {
    MasterKey::new([7; 32])
}
