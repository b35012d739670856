//! Order and bounds of a session's operations: one at a time on a group, in order of arrival; different groups side by
//! side; a few running, a bounded number waiting.

use std::collections::{HashSet, VecDeque};

/// Operations under way at once in one session.
pub(crate) const RUNNING: usize = 8;
/// Operations that may wait in one session.
pub(crate) const WAITING: usize = 64;

/// What waits and what runs. `K` names a lane, `J` is a job.
#[derive(Debug)]
pub(crate) struct Lanes<K, J> {
    busy: HashSet<K>,
    waiting: VecDeque<(K, J)>,
}

impl<K, J> Default for Lanes<K, J> {
    fn default() -> Self {
        Self { busy: HashSet::new(), waiting: VecDeque::new() }
    }
}

impl<K: Clone + Eq + std::hash::Hash, J> Lanes<K, J> {
    /// Queues a job; gives it back when too many wait.
    pub(crate) fn submit(&mut self, lane: K, job: J) -> Result<(), J> {
        if self.waiting.len() >= WAITING {
            return Err(job);
        }
        self.waiting.push_back((lane, job));
        Ok(())
    }

    /// The next job that may run now. Its lane stays busy until [`Self::finished`].
    pub(crate) fn next(&mut self) -> Option<(K, J)> {
        if self.busy.len() >= RUNNING {
            return None;
        }
        let index = self.waiting.iter().position(|(lane, _)| !self.busy.contains(lane))?;
        let (lane, job) = self.waiting.remove(index)?;
        self.busy.insert(lane.clone());
        Some((lane, job))
    }

    /// Takes out all that waits.
    pub(crate) fn clear(&mut self) -> Vec<J> {
        self.waiting.drain(..).map(|(_, job)| job).collect()
    }

    /// Whether a job runs in the lane.
    pub(crate) fn is_busy(&self, lane: &K) -> bool {
        self.busy.contains(lane)
    }

    /// The lanes in which a job runs or waits; one may come more than once.
    pub(crate) fn taken(&self) -> impl Iterator<Item = &K> {
        self.busy.iter().chain(self.waiting.iter().map(|(lane, _)| lane))
    }

    /// How many jobs run, and how many wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        (self.busy.len(), self.waiting.len())
    }

    /// A lane's job is over.
    pub(crate) fn finished(&mut self, lane: &K) {
        self.busy.remove(lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_runs_one_job_at_a_time_in_order_of_arrival() {
        let mut lanes = Lanes::default();
        for job in 1..=3 {
            lanes.submit("crew", job).unwrap();
        }
        assert_eq!(lanes.next(), Some(("crew", 1)));
        assert_eq!(lanes.next(), None);
        lanes.finished(&"crew");
        assert_eq!(lanes.next(), Some(("crew", 2)));
        lanes.finished(&"crew");
        assert_eq!(lanes.next(), Some(("crew", 3)));
    }

    #[test]
    fn different_lanes_run_side_by_side() {
        let mut lanes = Lanes::default();
        lanes.submit("crew", 1).unwrap();
        lanes.submit("crew", 2).unwrap();
        lanes.submit("board", 3).unwrap();
        assert_eq!(lanes.next(), Some(("crew", 1)));
        assert_eq!(lanes.next(), Some(("board", 3)));
        assert_eq!(lanes.next(), None);
    }

    #[test]
    fn what_runs_and_what_waits_is_bounded() {
        let mut lanes = Lanes::default();
        for lane in 0..WAITING {
            lanes.submit(lane, lane).unwrap();
        }
        assert_eq!(lanes.submit(WAITING, WAITING), Err(WAITING));
        let running = std::iter::from_fn(|| lanes.next()).count();
        assert_eq!(running, RUNNING);
        let mut taken: Vec<_> = lanes.taken().copied().collect();
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..WAITING), "those that wait are taken, too");
    }
}
