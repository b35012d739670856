//! A fleet under test: what both sides have in common, and what is measured of them.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    gateway::Gateway,
    machine::cpu_seconds,
    probe::{Latency, Probes},
    sandbox::Control,
    usage::Usage,
};

/// How often it is asked how far a fleet is.
const GLANCE: Duration = Duration::from_millis(250);
/// How long the work may go on that a client does after its login: it checks its prekeys, for one.
const TAIL: Duration = Duration::from_secs(3);
/// How long a fleet may take to come back.
const PATIENCE: Duration = Duration::from_mins(30);

/// A side of the comparison.
pub(crate) trait Fleet {
    /// The number of its process.
    fn id(&self) -> u32;

    /// What the process takes up.
    async fn usage(&mut self) -> Usage;

    /// How many of its sessions work, as it says.
    async fn working(&mut self) -> usize;

    /// What its store has written; a side without a file has nothing to tell.
    async fn written(&mut self) -> Option<Written>;
}

/// What a store has written since its process started.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Written {
    pub(crate) writes: u64,
    pub(crate) commits: u64,
}

impl Written {
    /// What came after `before`.
    fn since(self, before: Self) -> Self {
        Self { writes: self.writes - before.writes, commits: self.commits - before.commits }
    }
}

impl Fleet for Gateway {
    fn id(&self) -> u32 {
        self.id()
    }

    async fn usage(&mut self) -> Usage {
        Gateway::usage(self).await
    }

    async fn working(&mut self) -> usize {
        self.api.working().await
    }

    async fn written(&mut self) -> Option<Written> {
        let (writes, commits) = self.api.writes().await;
        Some(Written { writes, commits })
    }
}

/// What the process takes up with so many sessions.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    pub(crate) sessions: usize,
    #[serde(flatten)]
    pub(crate) usage: Usage,
}

/// What a span of idleness cost.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Idle {
    seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) latency: Option<Latency>,
}

impl Idle {
    /// What so many seconds of idleness cost.
    fn cost(&self, seconds: f64) -> f64 {
        self.cpu_seconds / self.seconds * seconds
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms of CPU a second", self.cost(1.0) * 1e3)?;
        match &self.latency {
            Some(latency) => write!(f, "; {latency}"),
            None => Ok(()),
        }
    }
}

/// How a fleet came back.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recovery {
    /// Until all of them worked.
    pub(crate) seconds: f64,
    /// What it cost, with the work that a login leaves behind and without what idleness costs.
    pub(crate) cpu_seconds: f64,
    sandbox_cpu_seconds: f64,
    pub(crate) written: Option<Written>,
    pub(crate) logins_per_cpu_second: f64,
    pub(crate) latency: Option<Latency>,
    /// Seconds, and how many worked then by the server's count of connections.
    pub(crate) curve: Vec<(f64, usize)>,
}

/// Leaves a side alone for so long.
pub(crate) async fn idle(side: &impl Fleet, span: Duration) -> Idle {
    let (before, begun) = (cpu_seconds(side.id()), Instant::now());
    tokio::time::sleep(span).await;
    Idle {
        seconds: begun.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(side.id()) - before,
        latency: None,
    }
}

/// What callers wait for while nothing else happens.
pub(crate) async fn calm(gateway: &Gateway, groups: &[String], span: Duration) -> Latency {
    let probes = Probes::begin(&gateway.api, groups);
    tokio::time::sleep(span).await;
    probes.end().await
}

/// A fleet that is on its way: what it was before it left.
pub(crate) struct Departure {
    begun: Instant,
    /// Seconds of CPU that the fleet's process, and the sandbox's, had used by then.
    ours: f64,
    theirs: f64,
    written: Written,
    sandbox: u32,
}

impl Departure {
    /// Of a fleet that loses its connections now.
    pub(crate) async fn of(side: &mut impl Fleet, sandbox: u32) -> Self {
        let written = side.written().await.unwrap_or_default();
        Self { ours: cpu_seconds(side.id()), written, ..Self::of_none(sandbox) }
    }

    /// Of a fleet whose process starts now.
    pub(crate) fn of_none(sandbox: u32) -> Self {
        let (begun, theirs) = (Instant::now(), cpu_seconds(sandbox));
        Self { begun, ours: 0.0, theirs, written: Written::default(), sandbox }
    }

    /// Waits until all sessions work, and gives what their callers saw meanwhile.
    pub(crate) async fn watched(
        self,
        side: &mut impl Fleet,
        control: &Control,
        sessions: usize,
        probes: Probes,
    ) -> Latency {
        self.waits(side, control, sessions).await;
        probes.end().await
    }

    /// Waits until all sessions work, and measures what that took.
    pub(crate) async fn arrives(
        self,
        side: &mut impl Fleet,
        control: &Control,
        sessions: usize,
        idle: &Idle,
    ) -> Recovery {
        let curve = self.waits(side, control, sessions).await;
        let seconds = self.begun.elapsed().as_secs_f64();
        tokio::time::sleep(TAIL).await;
        let ours = cpu_seconds(side.id()) - self.ours - idle.cost(TAIL.as_secs_f64());
        let theirs = cpu_seconds(self.sandbox) - self.theirs;
        let written = side.written().await.map(|written| written.since(self.written));
        #[expect(clippy::cast_precision_loss, reason = "a fleet is far smaller than 2^53")]
        let logins_per_cpu_second = sessions as f64 / ours;
        Recovery {
            seconds,
            cpu_seconds: ours,
            sandbox_cpu_seconds: theirs,
            written,
            logins_per_cpu_second,
            latency: None,
            curve,
        }
    }

    /// Waits until all sessions work, by their own word and by the server's count, which have to agree. Gives how many
    /// did at each glance.
    async fn waits(
        &self,
        side: &mut impl Fleet,
        control: &Control,
        sessions: usize,
    ) -> Vec<(f64, usize)> {
        let mut rhythm = tokio::time::interval(GLANCE);
        let mut curve = vec![(0.0, 0)];
        loop {
            rhythm.tick().await;
            let (connected, working) = (control.connections().await, side.working().await);
            let elapsed = self.begun.elapsed();
            curve.push((elapsed.as_secs_f64(), connected.min(working)));
            if connected == sessions && working == sessions {
                return curve;
            }
            assert!(
                elapsed < PATIENCE,
                "{working} of {sessions} say that they work, {connected} are connected"
            );
        }
    }
}
