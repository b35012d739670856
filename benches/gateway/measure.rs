//! CPU time, medians, and what the disk takes for one commit.

use std::time::{Duration, Instant};

use redb::{Database, TableDefinition};
use serde_json::{Value, json};

/// Units of CPU time a second, as Linux counts them for programs.
const TICKS: f64 = 100.0;

/// The CPU time that a process had used when this was made.
pub(crate) struct Cpu {
    process: u32,
    seconds: f64,
}

impl Cpu {
    pub(crate) fn of(process: u32) -> Self {
        Self { process, seconds: used(process) }
    }

    /// Seconds of CPU that the process has used since.
    pub(crate) fn since(&self) -> Spent {
        Spent(used(self.process) - self.seconds)
    }
}

/// Seconds of CPU.
pub(crate) struct Spent(f64);

impl Spent {
    /// Microseconds for each of so many.
    pub(crate) fn each(&self, count: u32) -> f64 {
        self.0 * 1e6 / f64::from(count)
    }
}

/// User and system time of all threads, in seconds.
fn used(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(") ").expect("the name ends");
    let of = |index: usize| -> f64 {
        let field = fields.split(' ').nth(index).expect("the field is there");
        field.parse().expect("a number of ticks")
    };
    // Fields 14 and 15 of the line, of which two went before.
    (of(11) + of(12)) / TICKS
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The duration in the middle, in microseconds.
pub(crate) fn median_us(durations: &[Duration]) -> f64 {
    let values: Vec<f64> = durations.iter().map(|took| took.as_secs_f64() * 1e6).collect();
    median(&values)
}

/// What one durable commit of a few rows takes on this disk: the median of `count`, in microseconds.
#[expect(clippy::disallowed_methods, reason = "the baseline is redb without our writer")]
pub(crate) fn commit(count: u32) -> f64 {
    const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let database = Database::create(folder.path().join("bare")).expect("the file can be made");
    let took: Vec<Duration> = (0..u64::from(count))
        .map(|index| {
            let begun = Instant::now();
            let transaction = database.begin_write().expect("a transaction begins");
            {
                let mut rows = transaction.open_table(ROWS).expect("the table opens");
                for row in 0..3 {
                    rows.insert(index * 3 + row, [0; 256].as_slice()).expect("the row goes in");
                }
            }
            transaction.commit().expect("the commit succeeds");
            begun.elapsed()
        })
        .collect();
    median_us(&took)
}

/// The machine, in words.
pub(crate) fn machine() -> Value {
    let line = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned()
    };
    json!({
        "cpu": line("/proc/cpuinfo", "model name"),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": line("/proc/meminfo", "MemTotal"),
        "kernel": line("/proc/sys/kernel/osrelease", ""),
    })
}
