//! Whatever happens in whatever order, the machine keeps its promises.

use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};
use wharf_storage::{Reason, Status, Wanted};

use super::{Effect, Input, Limits, Machine, Stored, Verdict, Word};
use crate::{session::LONGEST_SILENCE, whatsapp::DialFailure};

const LIMITS: Limits = Limits {
    connect: 60_000,
    place: 10_000,
    pairing: 180_000,
    probe_after: 32_000,
    probe_timeout: 20_000,
};
/// Longer than anything that has an end may take.
const AN_HOUR: i64 = 3_600_000;

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    Start,
    Restart,
    Stop,
    Leave,
    /// The next connection gets its place.
    Place,
    /// A place comes for a connection that is none any more.
    LatePlace,
    /// The connection says something; `stale`: one that was before.
    Word {
        word: Word,
        stale: bool,
    },
    /// The run ends.
    End {
        failure: Option<DialFailure>,
        linked: bool,
    },
    /// Something comes from WhatsApp.
    Frame,
    /// Time passes.
    Pass(i64),
    /// Time passes while the process is stopped.
    Sleep(i64),
    /// The process ends, and another takes the session up.
    Crash {
        given_up: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let reason = prop::sample::select(vec![
        Verdict::LoggedOutByPhone,
        Verdict::LoggedOutByUser,
        Verdict::Replaced,
        Verdict::Banned,
        Verdict::Outdated,
        Verdict::Odd,
    ]);
    let word = prop_oneof![
        3 => Just(Word::Code { until: 60_000 }),
        1 => any::<bool>().prop_map(|closes| Word::CodesOver { closes }),
        1 => Just(Word::PairingCode { until: 180_000 }),
        2 => Just(Word::Linked),
        4 => Just(Word::Proven),
        1 => Just(Word::Unproven),
        2 => Just(Word::Answered),
        1 => reason.prop_map(Word::Refused),
    ];
    let failure = prop::option::of(prop::sample::select(vec![
        DialFailure::Dns,
        DialFailure::Tls,
        DialFailure::Connect,
        DialFailure::Fenced,
    ]));
    prop_oneof![
        3 => Just(Step::Start),
        1 => Just(Step::Restart),
        1 => Just(Step::Stop),
        1 => Just(Step::Leave),
        6 => Just(Step::Place),
        1 => Just(Step::LatePlace),
        10 => (word, prop::bool::weighted(0.2)).prop_map(|(word, stale)| Step::Word { word, stale }),
        3 => (failure, prop::bool::weighted(0.2))
            .prop_map(|(failure, linked)| Step::End { failure, linked }),
        2 => Just(Step::Frame),
        4 => (1..100_000_i64).prop_map(Step::Pass),
        1 => (1..200_000_i64).prop_map(Step::Sleep),
        1 => prop::bool::weighted(0.3).prop_map(|given_up| Step::Crash { given_up }),
    ]
}

/// The actor and the network around a machine, as far as they matter to it.
struct World {
    machine: Machine,
    now: i64,
    heard: i64,
    wanted: Wanted,
    /// What was shown last.
    shown: (Status, Option<Reason>),
    /// The connection that was asked for and is not begun.
    asked: Option<u64>,
    generation: u64,
    /// The run of the present client.
    run: Option<u64>,
    /// A run of a client that was closed and may not be over.
    leaving: bool,
    /// A start that waits for the end of a run.
    promised: bool,
    attempts: u32,
    /// Whether the process was stopped at some time.
    slept: bool,
}

impl World {
    fn new() -> Self {
        let stored = Stored {
            wanted: Wanted::Stopped,
            status: Status::Stopped,
            reason: None,
            paired: false,
        };
        let (machine, effects) = Machine::resume(stored, LIMITS, false, 0);
        let mut world = Self {
            machine,
            now: 0,
            heard: 0,
            wanted: Wanted::Stopped,
            shown: (Status::Stopped, None),
            asked: None,
            generation: 0,
            run: None,
            leaving: false,
            promised: false,
            attempts: 0,
            slept: false,
        };
        world.carry_out(effects);
        world
    }

    fn step(&mut self, step: &Step) {
        let before = self.shown;
        let by_caller =
            matches!(step, Step::Start | Step::Restart | Step::Stop | Step::Leave) || self.promised;
        match step {
            Step::Start => {
                self.promised |= self.run.is_some() && rests(self.shown.0);
                self.feed(Input::Start);
            }
            Step::Restart => self.feed(Input::Restart),
            Step::Stop => self.feed(Input::Stop),
            Step::Leave => self.feed(Input::Leave),
            Step::Place => self.place(),
            Step::LatePlace => {
                self.feed(Input::Admitted { generation: self.generation.saturating_sub(1) });
            }
            Step::Word { word, stale } => self.word(*word, *stale),
            Step::End { failure, linked } => self.end(*failure, *linked),
            Step::Frame => self.heard = self.now,
            Step::Pass(time) => self.pass(*time),
            Step::Sleep(time) => self.sleep(*time),
            Step::Crash { given_up } => self.crash(*given_up),
        }
        if rests(before.0) && !by_caller {
            assert_eq!(before, self.shown, "it left by itself");
        }
        self.check();
    }

    /// The place comes once no older client is left.
    fn place(&mut self) {
        self.leaving = false;
        if let Some(generation) = self.asked.take() {
            self.feed(Input::Admitted { generation });
        }
    }

    fn word(&mut self, word: Word, stale: bool) {
        let word = match word {
            Word::Code { until } => Word::Code { until: self.now + until },
            Word::PairingCode { until } => Word::PairingCode { until: self.now + until },
            other => other,
        };
        let generation = if stale { self.generation.saturating_sub(1) } else { self.generation };
        if self.run == Some(generation) {
            self.heard = self.now;
        }
        self.feed(Input::Heard { generation, word });
    }

    fn end(&mut self, failure: Option<DialFailure>, linked: bool) {
        if let Some(generation) = self.run.take() {
            self.feed(Input::Ended { generation, failure, linked });
            self.promised = false;
        } else {
            // The end of an older one.
            let generation = self.generation.saturating_sub(1);
            self.feed(Input::Ended { generation, failure, linked });
        }
    }

    /// Time passes, and the machine is told whenever it wants to be.
    fn pass(&mut self, time: i64) {
        let end = self.now + time;
        while let Some(due) = self.machine.due(self.heard, self.now).filter(|due| *due <= end) {
            assert!(due > self.now, "it is due again at once: {:?}", self.machine);
            self.now = due;
            self.feed(Input::Tick { heard: self.heard, failure: None });
        }
        self.now = end;
    }

    /// Time passes, and the machine is told afterwards, if it wanted to be.
    fn sleep(&mut self, time: i64) {
        let due = self.machine.due(self.heard, self.now);
        self.now += time;
        if due.is_some_and(|due| due <= self.now) {
            self.feed(Input::Tick { heard: self.heard, failure: None });
        }
        self.slept = true;
    }

    fn crash(&mut self, given_up: bool) {
        let stored = Stored {
            wanted: self.wanted,
            status: self.shown.0,
            reason: self.shown.1,
            paired: self.machine.paired(),
        };
        let (machine, effects) = Machine::resume(stored, LIMITS, given_up, self.now);
        self.machine = machine;
        (self.asked, self.generation, self.run, self.promised) = (None, 0, None, false);
        self.carry_out(effects);
    }

    fn feed(&mut self, input: Input) {
        let effects = self.machine.take(input, self.now);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Want(wanted) => self.wanted = wanted,
                Effect::Show { status, reason } => self.shown = (status, reason),
                Effect::Connect { generation, attempt } => {
                    self.asked = Some(generation);
                    self.generation = generation;
                    self.attempts += u32::from(attempt.is_some());
                }
                Effect::Run { generation } => {
                    assert_eq!((self.run, self.leaving), (None, false), "a second run");
                    self.run = Some(generation);
                }
                Effect::Probe { generation } => assert_eq!(self.run, Some(generation)),
                Effect::Cut => self.end(None, false),
                Effect::Discard => assert_eq!(self.run, None, "a client was let go while it ran"),
                Effect::Close => {
                    self.leaving |= self.run.take().is_some();
                    (self.asked, self.promised) = (None, false);
                }
                Effect::FreePlace | Effect::Hang | Effect::Clear | Effect::Forget => {}
            }
        }
    }

    /// What must hold after every step.
    fn check(&self) {
        let (status, reason) = self.shown;
        assert_eq!(status, self.machine.status());
        let due = self.machine.due(self.heard, self.now);
        match status {
            Status::Starting | Status::ScanQrCode => {
                assert_eq!(self.wanted, Wanted::Running);
                assert!(
                    due.is_some() || self.asked.is_some(),
                    "{status:?} has no end: {:?}",
                    self.machine
                );
            }
            Status::Working => {
                assert!(self.run.is_some(), "it works without a connection");
                let silence = self.now - self.heard;
                let within = LIMITS.probe_after + LIMITS.probe_timeout;
                let longest = if self.slept { LONGEST_SILENCE } else { within };
                assert!(silence <= longest, "{silence} ms of silence");
            }
            Status::Failed | Status::LoggedOut => assert!(reason.is_some()),
            Status::Stopped => {
                assert_eq!((self.wanted, self.run, due), (Wanted::Stopped, None, None));
            }
        }
        let silent = matches!(status, Status::Stopped | Status::ScanQrCode | Status::Working);
        assert!(!silent || reason.is_none(), "{status:?} has a reason");
    }

    /// WhatsApp is gone: nothing is answered any more, and nothing ends by itself.
    fn loses_whatsapp(&mut self) {
        let end = self.now + AN_HOUR;
        while self.now < end {
            self.place();
            self.pass(10_000);
            self.check();
        }
    }
}

fn rests(status: Status) -> bool {
    matches!(status, Status::Stopped | Status::Failed | Status::LoggedOut)
}

fn config() -> Config {
    let kept = FileFailurePersistence::Direct("proptest-regressions/machine.txt");
    Config { failure_persistence: Some(Box::new(kept)), ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_machine_keeps_its_promises(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        let paired = world.machine.paired();
        let attempts = world.attempts;
        world.loses_whatsapp();
        let status = world.shown.0;
        if !rests(status) {
            // It knocks on, for it has an account to come back to.
            prop_assert!(paired && status == Status::Starting, "{status:?}");
            prop_assert!(world.attempts > attempts + 10);
        }
    }
}
