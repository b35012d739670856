//! The issuer's key set, kept: fetched by one task, one fetch at a time, and read by every request.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Refusal, Settings,
    keyset::{Key, KeySet},
    source::Source,
    unknown::{Unknown, Verdict},
};

/// How many requests may wait for a fetch; more are told to come back.
const WAITING: usize = 256;

/// The longest pause after a fetch that failed, however many failed before.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// The keys by which login tokens are verified.
#[derive(Debug)]
pub(super) struct KeyRing {
    state: watch::Receiver<State>,
    demand: Arc<Demand>,
    places: Semaphore,
    _task: AbortOnDropHandle<()>,
}

/// What the task has come to.
#[derive(Debug, Clone)]
struct State {
    /// The last set that was usable.
    keys: Option<Arc<KeySet>>,
    fetching: bool,
    /// How many fetches have ended.
    ended: u64,
    /// When the next fetch is due at the latest.
    next: Instant,
}

/// What requests tell the task.
#[derive(Debug)]
struct Demand {
    unknown: Mutex<Unknown>,
    asked: Notify,
}

impl KeyRing {
    /// Begins to fetch; must be called within a runtime.
    pub(super) fn start(source: Source, settings: &Settings) -> Self {
        let now = Instant::now();
        let first = State { keys: None, fetching: true, ended: 0, next: now };
        let (sender, state) = watch::channel(first);
        let demand = Arc::new(Demand {
            unknown: Mutex::new(Unknown::new(settings.unknown_key_pause, now)),
            asked: Notify::new(),
        });
        let pace = Pace { refresh: settings.refresh, retry: settings.retry, failures: 0 };
        let task = tokio::spawn(keep(source, pace, sender, Arc::clone(&demand)));
        Self { state, demand, places: Semaphore::new(WAITING), _task: AbortOnDropHandle::new(task) }
    }

    /// The key of this name. May wait for a fetch.
    pub(super) async fn find(&self, kid: &str) -> Result<Arc<Key>, Refusal> {
        if let Some(key) = self.state.borrow().keys.as_ref().and_then(|keys| keys.get(kid)) {
            return Ok(key);
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Refusal::Unavailable { retry_after: Duration::from_secs(1) });
        };
        let mut changes = self.state.clone();
        loop {
            let State { keys, fetching, ended, next } = changes.borrow_and_update().clone();
            let Some(keys) = keys else {
                if !fetching {
                    let retry_after = next.saturating_duration_since(Instant::now());
                    return Err(Refusal::Unavailable { retry_after });
                }
                wait(&mut changes, ended).await?;
                continue;
            };
            if let Some(key) = keys.get(kid) {
                return Ok(key);
            }
            let verdict = self.demand.lock().ask(kid, Instant::now());
            if verdict != Verdict::Absent {
                self.demand.asked.notify_one();
            }
            if verdict == Verdict::Absent || (verdict == Verdict::Later && !fetching) {
                return Err(Refusal::Invalid("the login token is signed by an unknown key"));
            }
            wait(&mut changes, ended).await?;
        }
    }
}

/// Waits until one more fetch has ended.
async fn wait(changes: &mut watch::Receiver<State>, ended: u64) -> Result<(), Refusal> {
    let waited = changes.wait_for(|state| state.ended > ended).await;
    // The task ends with the gateway alone.
    waited.map(drop).map_err(|_| Refusal::Unavailable { retry_after: LONGEST_RETRY })
}

impl Demand {
    fn lock(&self) -> MutexGuard<'_, Unknown> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until names ask for a fetch and it may be made.
    async fn due(&self) {
        loop {
            let wanted = self.lock().wanted();
            match wanted {
                Some(allowed) => {
                    sleep_until(allowed).await;
                    return self.lock().spend(Instant::now());
                }
                None => self.asked.notified().await,
            }
        }
    }
}

/// When to fetch without being asked.
#[derive(Debug)]
struct Pace {
    refresh: Duration,
    retry: Duration,
    /// Fetches that failed since the last that did not.
    failures: u32,
}

impl Pace {
    fn after_success(&mut self) -> Duration {
        self.failures = 0;
        self.refresh
    }

    fn after_failure(&mut self) -> Duration {
        let pause = self.retry.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        pause.min(LONGEST_RETRY).min(self.refresh)
    }
}

/// The task: fetches at once, then whenever it is due.
async fn keep(source: Source, mut pace: Pace, state: watch::Sender<State>, demand: Arc<Demand>) {
    loop {
        let began = Instant::now();
        demand.lock().fetch_begins();
        state.send_modify(|state| state.fetching = true);
        let outcome = source.fetch().await;
        let pause = match &outcome {
            Ok(keys) => {
                let (count, again) = (keys.len(), pace.failures > 0);
                if again || state.borrow().keys.is_none() {
                    tracing::info!("login keys: {count} fetched");
                }
                pace.after_success()
            }
            Err(fault) => {
                tracing::warn!("login keys: not fetched: {fault}");
                pace.after_failure()
            }
        };
        let next = Instant::now() + pause;
        state.send_modify(|state| {
            state.fetching = false;
            state.ended += 1;
            state.next = next;
            // What fails leaves the last good set in place.
            if let Ok(keys) = outcome {
                state.keys = Some(Arc::new(keys));
                // Before anybody is woken: a name that the new set lacks must not ask for another.
                demand.lock().fetch_succeeded(began);
            }
        });
        tokio::select! {
            () = sleep_until(next) => {}
            () = demand.due() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_failures_grows_to_a_limit_and_a_success_forgives_them() {
        let mut pace =
            Pace { refresh: Duration::from_mins(5), retry: Duration::from_secs(1), failures: 0 };
        let pauses: Vec<u64> = (0..40).map(|_| pace.after_failure().as_secs()).collect();
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 32, 60]);
        assert!(pauses[7..].iter().all(|pause| *pause == 60));
        assert_eq!(pace.after_success(), Duration::from_mins(5));
        assert_eq!(pace.after_failure(), Duration::from_secs(1));
    }
}
