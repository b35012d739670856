//! What was measured, as data and as a table.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use crate::fleet::{Idle, Point, Recovery, Written};

/// All of a run.
#[derive(Serialize)]
pub(crate) struct Figures {
    pub(crate) machine: Value,
    pub(crate) options: Value,
    pub(crate) ratios: Option<Ratios>,
    pub(crate) gateway: Measured,
    pub(crate) bare: Option<Measured>,
}

/// One side.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    pub(crate) memory: Vec<Point>,
    /// After a restart of the process: without what linking has left behind.
    pub(crate) after_start: Option<Point>,
    pub(crate) idle: Idle,
    pub(crate) dropped: Recovery,
    pub(crate) started: Option<Recovery>,
    pub(crate) store_bytes: Option<u64>,
}

/// The gateway beside the bare client.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ratios {
    memory: f64,
    memory_after_start: f64,
    idle_cpu: f64,
    logins_after_drop: f64,
    logins_at_start: f64,
    reads_after_drop: f64,
    reads_at_start: f64,
}

impl Measured {
    /// What one session takes up beyond the empty process, in kB; of the last point.
    fn kilobytes(&self, last: &Point) -> f64 {
        let first = &self.memory[0];
        let taken = last.usage.pss.saturating_sub(first.usage.pss);
        per(taken, last.sessions) / 1024.0
    }

    fn full(&self) -> &Point {
        self.memory.last().expect("the empty process is the first point")
    }

    /// The last point of the run.
    fn last(&self) -> &Point {
        self.after_start.as_ref().unwrap_or_else(|| self.full())
    }

    /// The ratios of this side, the gateway, to another.
    pub(crate) fn beside(&self, bare: &Self) -> Ratios {
        let started = self.started.as_ref();
        let slow = |recovery: Option<&Recovery>| {
            let reads = recovery.and_then(|recovery| recovery.latency.as_ref());
            let idle = self.idle.latency.as_ref();
            match (reads, idle) {
                (Some(reads), Some(idle)) => reads.slow_read() / idle.slow_read(),
                _ => f64::NAN,
            }
        };
        let logins = |recovery: &Recovery| {
            recovery.logins_per_cpu_second / bare.dropped.logins_per_cpu_second
        };
        let theirs = bare.kilobytes(bare.full());
        Ratios {
            memory: self.kilobytes(self.full()) / theirs,
            memory_after_start: self.kilobytes(self.last()) / theirs,
            idle_cpu: self.idle.cpu_seconds / bare.idle.cpu_seconds,
            logins_after_drop: logins(&self.dropped),
            logins_at_start: started.map_or(f64::NAN, logins),
            reads_after_drop: slow(Some(&self.dropped)),
            reads_at_start: slow(started),
        }
    }
}

/// One side in lines.
pub(crate) fn table(name: &str, side: &Measured) -> String {
    let mut text = format!("\n{name}\n");
    let mut line = |what: &str, value: String| {
        writeln!(text, "  {what:<44} {value}").expect("a string takes all");
    };
    let (empty, full) = (&side.memory[0], side.full());
    line("sessions", full.sessions.to_string());
    line("memory of the empty process", format!("{} kB", empty.usage.pss >> 10));
    line("memory of a session (PSS)", format!("{:.1} kB", side.kilobytes(full)));
    if let Some(after) = &side.after_start {
        line("memory of a session after a restart", format!("{:.1} kB", side.kilobytes(after)));
    }
    let each = |count: fn(&Point) -> u64| {
        let taken = count(full).saturating_sub(count(empty));
        format!("{:.2}", per(taken, full.sessions))
    };
    line("descriptors of a session", each(|point| point.usage.descriptors));
    line("threads of a session", each(|point| point.usage.threads));
    line("tasks of a session", each(|point| point.usage.tasks.unwrap_or(0)));
    line("threads of the process", full.usage.threads.to_string());
    line("idle", side.idle.to_string());
    if let Some(bytes) = side.store_bytes {
        line("file", format!("{:.1} kB a session", per(bytes, full.sessions) / 1024.0));
    }
    let recoveries = [("all dropped", Some(&side.dropped)), ("started", side.started.as_ref())];
    for (what, recovery) in recoveries {
        let Some(recovery) = recovery else { continue };
        let Recovery { seconds, cpu_seconds, logins_per_cpu_second, latency, written, .. } =
            recovery;
        line(
            &format!("{what}: until all work"),
            format!(
                "{seconds:.1} s, {cpu_seconds:.2} s of CPU: {logins_per_cpu_second:.0} logins a CPU second"
            ),
        );
        if let Some(Written { writes, commits }) = written {
            let each = per(*writes, full.sessions);
            line(
                &format!("{what}: store"),
                format!("{each:.1} writes a session, {commits} commits"),
            );
        }
        if let Some(latency) = latency {
            line(&format!("{what}: callers meanwhile"), latency.to_string());
        }
    }
    text
}

/// The ratios in lines, with the goals.
pub(crate) fn ratios(ratios: &Ratios) -> String {
    let lines = [
        ("memory of a session, bare client's = 1", ratios.memory, "at most 1"),
        ("the same after a restart", ratios.memory_after_start, "at most 1"),
        ("idle CPU", ratios.idle_cpu, "at most 1.3"),
        ("logins a CPU second after a drop", ratios.logins_after_drop, "at least 0.8"),
        ("logins a CPU second at a start", ratios.logins_at_start, "at least 0.8"),
        ("slow reads after a drop, idle ones = 1", ratios.reads_after_drop, "at most 5"),
        ("slow reads at a start, idle ones = 1", ratios.reads_at_start, "at most 5"),
    ];
    let mut text = "\nratio\n".to_owned();
    for (what, ratio, goal) in lines {
        writeln!(text, "  {what:<44} {ratio:.2} ({goal})").expect("a string takes all");
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^53")]
fn per(taken: u64, sessions: usize) -> f64 {
    taken as f64 / sessions.max(1) as f64
}
