//! Places among the connections on their way: asked for by sessions, given out in the order of the [`Schedule`].
//!
//! One task owns the schedule. It begins to give places once it is told that the fleet is in line, so that the first
//! ones go to whom they belong.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use ractor::ActorRef;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender, WeakUnboundedSender},
    time::{Instant, timeout_at},
};
use wharf_storage::{Distribution, Histogram};

use crate::{
    schedule::{Budget, Claim, Schedule, Turn},
    session::SessionMessage,
};

/// Bounds of the time that a session waits for its place, in microseconds.
const MICROSECONDS: &[u64] = &[
    1_000,
    10_000,
    100_000,
    1_000_000,
    5_000_000,
    15_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
];

/// Where sessions ask for a place.
pub(crate) struct Admissions {
    words: UnboundedSender<Word>,
    tickets: AtomicU64,
    progress: Arc<Progress>,
}

/// How far those are that connect.
#[derive(Debug)]
struct Progress {
    waiting: [AtomicUsize; Turn::ALL.len()],
    under_way: AtomicUsize,
    waited: Histogram,
}

/// What is counted of those that connect.
#[derive(Debug, Clone)]
pub struct ConnectFigures {
    /// How many wait for a place, by whose turn it is: `caller`, `fleet` or `failing`.
    pub waiting: Vec<(&'static str, usize)>,
    /// How many have one.
    pub under_way: usize,
    /// Microseconds from asking for a place to having it.
    pub waited: Distribution,
}

/// A session that waits, until it is dropped.
pub(crate) struct Application {
    ticket: u64,
    words: UnboundedSender<Word>,
}

impl Drop for Application {
    fn drop(&mut self) {
        // Without the task nobody waits.
        drop(self.words.send(Word::Leave(self.ticket)));
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    turn: Turn,
    words: UnboundedSender<Word>,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.words.send(Word::Free(self.turn)));
    }
}

/// What the task is told.
#[derive(Debug)]
enum Word {
    Open,
    Join { ticket: u64, claim: Claim, waiting: Waiting },
    Leave(u64),
    Free(Turn),
}

/// Who is told of the place.
#[derive(Debug)]
struct Waiting {
    actor: ActorRef<SessionMessage>,
    generation: u64,
    since: Instant,
}

impl Admissions {
    /// Starts the task; it ends with the last that could tell it something.
    pub(crate) fn start(budget: Budget) -> Self {
        let (words, heard) = mpsc::unbounded_channel();
        let progress = Arc::new(Progress {
            waiting: Default::default(),
            under_way: AtomicUsize::new(0),
            waited: Histogram::new(MICROSECONDS),
        });
        let desk = Desk {
            schedule: Schedule::new(budget, Instant::now()),
            open: false,
            waiting: HashMap::new(),
            words: words.downgrade(),
            progress: Arc::clone(&progress),
        };
        tokio::spawn(desk.serve(heard));
        Self { words, tickets: AtomicU64::new(0), progress }
    }

    /// From now on places are given out.
    pub(crate) fn open(&self) {
        drop(self.words.send(Word::Open));
    }

    /// Puts the session in line; its actor is told when there is a place for the connection of this generation.
    pub(crate) fn apply(
        &self,
        claim: Claim,
        generation: u64,
        actor: ActorRef<SessionMessage>,
    ) -> Application {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting { actor, generation, since: Instant::now() };
        drop(self.words.send(Word::Join { ticket, claim, waiting }));
        Application { ticket, words: self.words.clone() }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.progress.waiting.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How many have a place.
    pub(crate) fn under_way(&self) -> usize {
        self.progress.under_way.load(Ordering::Relaxed)
    }

    pub(crate) fn figures(&self) -> ConnectFigures {
        let waiting = Turn::ALL.into_iter().zip(&self.progress.waiting);
        ConnectFigures {
            waiting: waiting
                .map(|(turn, count)| (turn.as_str(), count.load(Ordering::Relaxed)))
                .collect(),
            under_way: self.under_way(),
            waited: self.progress.waited.distribution(),
        }
    }
}

/// What the task holds.
struct Desk {
    schedule: Schedule,
    open: bool,
    waiting: HashMap<u64, Waiting>,
    words: WeakUnboundedSender<Word>,
    progress: Arc<Progress>,
}

impl Desk {
    async fn serve(mut self, mut heard: UnboundedReceiver<Word>) {
        loop {
            let now = Instant::now();
            if self.open {
                self.admit(now);
            }
            self.show();
            let word = match self.schedule.next_at(now).filter(|_| self.open) {
                // Nothing was said in time: it is time.
                Some(at) => match timeout_at(at, heard.recv()).await {
                    Ok(word) => word,
                    Err(_) => continue,
                },
                None => heard.recv().await,
            };
            let Some(word) = word else { return };
            self.take(word);
            while let Ok(word) = heard.try_recv() {
                self.take(word);
            }
        }
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Open => self.open = true,
            Word::Join { ticket, claim, waiting } => {
                self.schedule.join(ticket, &claim);
                self.waiting.insert(ticket, waiting);
            }
            Word::Leave(ticket) => {
                self.schedule.leave(ticket);
                self.waiting.remove(&ticket);
            }
            Word::Free(turn) => self.schedule.free(turn),
        }
    }

    /// Gives out what the budget has. A place whose session is gone comes back by its own end.
    fn admit(&mut self, now: Instant) {
        let Some(words) = self.words.upgrade() else { return };
        while let Some((ticket, turn)) = self.schedule.admit(now) {
            let place = Place { turn, words: words.clone() };
            let Some(Waiting { actor, generation, since }) = self.waiting.remove(&ticket) else {
                continue;
            };
            self.progress.waited.add_duration(now.saturating_duration_since(since));
            drop(actor.cast(SessionMessage::Admitted { generation, place }));
        }
    }

    fn show(&self) {
        for (turn, count) in Turn::ALL.into_iter().zip(&self.progress.waiting) {
            count.store(self.schedule.waiting(turn), Ordering::Relaxed);
        }
        self.progress.under_way.store(self.schedule.under_way(), Ordering::Relaxed);
    }
}
