//! A fleet under test: what both sides have in common, and what is measured of them.

use std::time::{Duration, Instant};

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

/// How a fleet came back.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recovery {
    /// Until all of them worked.
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    sandbox_cpu_seconds: f64,
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
    sandbox: u32,
}

impl Departure {
    /// `process`: the fleet's, or none for one that is to start now.
    pub(crate) fn now(process: Option<u32>, sandbox: u32) -> Self {
        let ours = process.map_or(0.0, cpu_seconds);
        Self { begun: Instant::now(), ours, theirs: cpu_seconds(sandbox), sandbox }
    }

    /// Waits until all sessions work, by their own word and by the server's count, which have to agree.
    pub(crate) async fn arrives(
        self,
        side: &mut impl Fleet,
        control: &Control,
        sessions: usize,
        probes: Option<Probes>,
    ) -> Recovery {
        let mut rhythm = tokio::time::interval(GLANCE);
        let mut curve = vec![(0.0, 0)];
        loop {
            rhythm.tick().await;
            let (connected, working) = (control.connections().await, side.working().await);
            let elapsed = self.begun.elapsed();
            curve.push((elapsed.as_secs_f64(), connected.min(working)));
            if connected == sessions && working == sessions {
                break;
            }
            assert!(
                elapsed < PATIENCE,
                "{working} of {sessions} say that they work, {connected} are connected"
            );
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let (ours, theirs) =
            (cpu_seconds(side.id()) - self.ours, cpu_seconds(self.sandbox) - self.theirs);
        let latency = match probes {
            Some(probes) => Some(probes.end().await),
            None => None,
        };
        #[expect(clippy::cast_precision_loss, reason = "a fleet is far smaller than 2^53")]
        let logins_per_cpu_second = sessions as f64 / ours;
        Recovery {
            seconds,
            cpu_seconds: ours,
            sandbox_cpu_seconds: theirs,
            logins_per_cpu_second,
            latency,
            curve,
        }
    }
}
