//! What a process takes up, as the operating system counts it.

use std::fs;

use serde::Serialize;

/// What a process takes up at one moment.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    /// Bytes in memory, those shared with other processes counted whole.
    pub(crate) rss: u64,
    /// The same, shared ones counted by share.
    pub(crate) pss: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// Tasks of the async runtime, where the process tells.
    pub(crate) tasks: Option<u64>,
}

impl Usage {
    pub(crate) fn of(process: u32, tasks: Option<u64>) -> Self {
        let status = read(process, "status");
        let rollup = read(process, "smaps_rollup");
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("the process runs");
        Self {
            rss: line(&status, "VmRSS:") << 10,
            pss: line(&rollup, "Pss:") << 10,
            descriptors: descriptors.count() as u64,
            threads: line(&status, "Threads:"),
            tasks,
        }
    }
}

fn read(process: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/{file}")).expect("the process runs")
}

/// The first number behind this name.
fn line(text: &str, name: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    let number = found.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}
