//! The process as the operating system sees it. Where the system has no `/proc` there is nothing to tell.

use std::{fs, sync::OnceLock, time::Instant};

use tokio::runtime::Handle;

/// Units of CPU time a second, as Linux counts them for programs.
const TICKS: f64 = 100.0;

/// What counts allocated bytes, in a program that does.
static ALLOCATED: OnceLock<fn() -> usize> = OnceLock::new();

/// Has the figures tell how many bytes are allocated; the first one to be named counts.
pub fn tell_allocated(count: fn() -> usize) {
    ALLOCATED.get_or_init(|| count);
}

/// Bytes that are allocated, where they are counted.
pub(super) fn allocated_bytes() -> Option<u64> {
    ALLOCATED.get().map(|count| count() as u64)
}

/// When the process started, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    at: Instant,
    /// Epoch milliseconds.
    at_ms: i64,
}

impl Started {
    /// `now_ms`: epoch milliseconds.
    pub(crate) fn now(now_ms: i64) -> Self {
        Self { at: Instant::now(), at_ms: now_ms }
    }

    /// Seconds since the epoch.
    #[expect(clippy::cast_precision_loss, reason = "a double holds any date to the millisecond")]
    pub(super) fn at_seconds(&self) -> f64 {
        self.at_ms as f64 / 1_000.0
    }

    /// Seconds since then.
    pub(super) fn uptime(&self) -> f64 {
        self.at.elapsed().as_secs_f64()
    }
}

/// Memory that the process occupies, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Descriptors that are open.
pub(crate) fn open_descriptors() -> Option<u64> {
    // Linux has told by the length of the folder since 6.2, which costs nothing.
    if let Some(open) =
        fs::metadata("/proc/self/fd").ok().map(|all| all.len()).filter(|open| *open > 0)
    {
        return Some(open);
    }
    // The listing itself has one open.
    fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as u64).saturating_sub(1))
}

/// Descriptors that may be open; absent when there is no limit.
pub(super) fn most_descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Tasks that have not ended, of this runtime and of that of the sessions where they have one.
pub(super) fn tasks(workers: Option<&Handle>) -> usize {
    let alive = |runtime: &Handle| runtime.metrics().num_alive_tasks();
    alive(&Handle::current()) + workers.map_or(0, alive)
}

/// Seconds of CPU, user and system, of all threads.
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    // Fields 14 and 15 of the line, of which two went before.
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    ticks.sum::<Result<f64, _>>().ok().map(|ticks| ticks / TICKS)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(open_descriptors().unwrap() > 2);
        assert!(most_descriptors().is_none_or(|most| most > 2));
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
