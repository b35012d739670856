//! Callers who read and change groups all the while, and how long they wait.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::gateway::Api;

/// How often a stored group is read.
const READ_EVERY: Duration = Duration::from_millis(10);
/// How often a group is changed.
const CHANGE_EVERY: Duration = Duration::from_millis(50);

/// What callers saw.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    read: Times,
    change: Times,
}

impl Latency {
    /// The slowest of a hundred reads, in milliseconds.
    pub(crate) fn slow_read(&self) -> f64 {
        self.read.p99_ms
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a read {}; a change {}", self.read, self.change)
    }
}

/// How long answers took.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Times {
    answered: usize,
    /// Changes of a session that was away, answered at once.
    away: usize,
    /// Anything else.
    failed: usize,
    p50_ms: f64,
    p99_ms: f64,
    longest_ms: f64,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, away, failed, p50_ms, p99_ms, longest_ms } = self;
        write!(f, "{p50_ms:.1} ms, p99 {p99_ms:.1}, longest {longest_ms:.1}, of {answered}")?;
        write!(f, " ({away} away, {failed} failed)")
    }
}

/// Probes that run until they are asked for what they saw.
pub(crate) struct Probes {
    end: CancellationToken,
    reads: JoinHandle<Times>,
    changes: JoinHandle<Times>,
}

impl Probes {
    /// Begins to read and change these groups, one after the other.
    pub(crate) fn begin(api: &Api, groups: &[String]) -> Self {
        let end = CancellationToken::new();
        let groups: Arc<[String]> = groups.into();
        let (reader, read) = (api.clone(), Arc::clone(&groups));
        let reads = tokio::spawn(timed(READ_EVERY, end.clone(), async move |turn| {
            reader.reads(&read[turn % read.len()]).await.as_u16()
        }));
        let writer = api.clone();
        let changes = tokio::spawn(timed(CHANGE_EVERY, end.clone(), async move |turn| {
            let group = &groups[turn % groups.len()];
            writer.changes(group, &format!("Turn {turn}")).await.as_u16()
        }));
        Self { end, reads, changes }
    }

    /// Ends them.
    pub(crate) async fn end(self) -> Latency {
        self.end.cancel();
        let read = self.reads.await.expect("the readers end");
        Latency { read, change: self.changes.await.expect("the changers end") }
    }
}

/// Asks at this rhythm, whether or not the last answer has come late.
async fn timed(every: Duration, end: CancellationToken, ask: impl AsyncFn(usize) -> u16) -> Times {
    let mut rhythm = tokio::time::interval(every);
    rhythm.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let (mut took, mut away, mut failed): (Vec<Duration>, usize, usize) = (Vec::new(), 0, 0);
    for turn in 0.. {
        tokio::select! {
            () = end.cancelled() => break,
            _ = rhythm.tick() => {}
        }
        let begun = Instant::now();
        match ask(turn).await {
            200 | 204 => took.push(begun.elapsed()),
            501 => away += 1,
            _ => failed += 1,
        }
    }
    took.sort_unstable();
    let of_thousand = |part: usize| {
        let place = (took.len() * part / 1_000).min(took.len().saturating_sub(1));
        took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    Times {
        answered: took.len(),
        away,
        failed,
        p50_ms: of_thousand(500),
        p99_ms: of_thousand(990),
        longest_ms: of_thousand(1_000),
    }
}
