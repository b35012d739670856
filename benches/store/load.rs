//! The load: producers, of one organization or more, who wait for each write before they begin the next.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::json;
use wharf_storage::{NewEvent, SessionId, Store};

use crate::{
    machine::cpu_seconds,
    measure::{self, median, median_us},
};

/// Who writes at once.
pub(crate) const PRODUCERS: u32 = 64;
/// About the size of an event row.
pub(crate) const PAYLOAD: usize = 256;

/// What the producers write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Writes of each.
    pub(crate) each: u32,
    /// Whose they are.
    pub(crate) organizations: u32,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// Writes a second.
    pub(crate) rate: f64,
    /// How long a write took, in microseconds.
    p50_us: f64,
    p99_us: f64,
    /// CPU time of the process for each write, in microseconds.
    cpu_us: f64,
    /// Writes in a commit.
    writes_a_commit: f64,
    /// Commits a second, of all files together.
    commits: f64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, p50_us, p99_us, cpu_us, writes_a_commit, commits } = self;
        write!(
            f,
            "{rate:.0} writes/s, p50 {p50_us:.0} µs, p99 {p99_us:.0} µs, {cpu_us:.1} µs of CPU each, {commits:.0} commits/s \
             of {writes_a_commit:.1}"
        )
    }
}

/// The median of each figure.
pub(crate) fn medians(outcomes: &[Outcome]) -> Outcome {
    let of = |figure: fn(&Outcome) -> f64| median(&outcomes.iter().map(figure).collect::<Vec<_>>());
    Outcome {
        rate: of(|outcome| outcome.rate),
        p50_us: of(|outcome| outcome.p50_us),
        p99_us: of(|outcome| outcome.p99_us),
        cpu_us: of(|outcome| outcome.cpu_us),
        writes_a_commit: of(|outcome| outcome.writes_a_commit),
        commits: of(|outcome| outcome.commits),
    }
}

impl Load {
    /// How many writes there are.
    pub(crate) fn writes(self) -> u32 {
        PRODUCERS * self.each
    }

    /// Spreads the producers over the stores, and closes these at the end. One event a write: a row, its index row, and
    /// the ids that the writer gives out.
    pub(crate) async fn run(self, stores: &[Store]) -> Outcome {
        let (process, begun) = (std::process::id(), Instant::now());
        let cpu = cpu_seconds(process);
        let producers: Vec<_> = (0..PRODUCERS)
            .zip(stores.iter().cycle())
            .map(|(number, store)| tokio::spawn(self.produce(store.clone(), number)))
            .collect();
        let mut took = Vec::new();
        for producer in producers {
            took.extend(producer.await.expect("a producer does not panic"));
        }
        let elapsed = begun.elapsed().as_secs_f64();
        let cpu = cpu_seconds(process) - cpu;
        let mut commits = 0;
        for store in stores {
            commits += store.figures().commits;
            store.close().await.expect("the store closes");
        }
        let (writes, commits) =
            (f64::from(self.writes()), u32::try_from(commits).map_or(f64::MAX, f64::from));
        took.sort_unstable();
        Outcome {
            rate: writes / elapsed,
            p50_us: median_us(&took),
            p99_us: took[took.len() * 99 / 100].as_secs_f64() * 1e6,
            cpu_us: measure::each(cpu, self.writes()),
            writes_a_commit: writes / commits,
            commits: commits / elapsed,
        }
    }

    async fn produce(self, store: Store, producer: u32) -> Vec<Duration> {
        let session = SessionId::generate(i64::from(producer));
        let organization = producer % self.organizations;
        let mut took = Vec::new();
        for write in 0..self.each {
            let begun = Instant::now();
            let written = store.record_events(vec![event(session, organization, write)]).await;
            written.expect("the write succeeds");
            took.push(begun.elapsed());
        }
        took
    }
}

/// An event about a group.
pub(crate) fn event(session: SessionId, organization: u32, at: u32) -> NewEvent {
    NewEvent {
        session,
        organization: format!("organization-{organization}"),
        name: "group.update".to_owned(),
        at: i64::from(at),
        payload: json!({ "subject": "x".repeat(PAYLOAD) }),
    }
}
