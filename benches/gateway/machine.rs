//! CPU time of a process, and the machine.

use serde_json::{Value, json};

/// Units of CPU time a second, as Linux counts them for programs.
const TICKS: f64 = 100.0;

/// User and system time of all threads of a process, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(") ").expect("the name ends");
    let of = |index: usize| -> f64 {
        let field = fields.split(' ').nth(index).expect("the field is there");
        field.parse().expect("a number of ticks")
    };
    // Fields 14 and 15 of the line, of which two went before.
    (of(11) + of(12)) / TICKS
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
