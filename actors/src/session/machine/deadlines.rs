//! How long each state may last, and what ends it.

use std::time::Duration;

use wharf_storage::{Reason, Status};

use super::{Connection, Effect, Machine, Then, Verdict, moves::By};
use crate::{config::Config, session::LONGEST_SILENCE, whatsapp::DialFailure};

/// How long a connection that was told to end may take before it is cut.
pub(super) const END_GRACE: i64 = 10_000;
/// How long after the last code's end the client may take to say that it was the last.
const CODE_GRACE: i64 = 10_000;

/// What the operator allows, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Limits {
    /// From the dial to a code or to a working session.
    pub(super) connect: i64,
    /// From the dial to the end of its place among the connections on their way.
    pub(super) place: i64,
    /// From the beginning of a pairing to its first code, over all attempts.
    pub(super) pairing: i64,
    /// Silence after which WhatsApp is asked.
    pub(super) probe_after: i64,
    /// How long it may take to answer.
    pub(super) probe_timeout: i64,
}

impl Limits {
    pub(in crate::session) fn of(config: &Config) -> Self {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self {
            connect: ms(config.connect_timeout),
            place: ms(config.place_timeout),
            pairing: ms(config.pairing_timeout),
            probe_after: ms(config.probe_after),
            probe_timeout: ms(config.probe_timeout),
        }
    }
}

/// A connection that runs.
#[derive(Debug)]
pub(super) struct Open {
    begun_at: i64,
    /// When what is under way has taken too long; absent once the session works.
    deadline: Option<i64>,
    /// When the last code known so far ends; zero before the first.
    codes_until: i64,
    /// Whether it still has its place among the connections on their way.
    placed: bool,
    /// When WhatsApp was asked whether it is there, and has not answered.
    pub(super) probed_at: Option<i64>,
    /// When it was told to end.
    ending_since: Option<i64>,
    /// The state that its end leads to, when that is not "try again".
    pub(super) verdict: Option<Verdict>,
    pub(super) then: Then,
    /// Its client runs no other connection.
    pub(super) spent: bool,
}

impl Open {
    pub(super) fn new(now: i64, limits: &Limits) -> Self {
        Self {
            begun_at: now,
            deadline: Some(now.saturating_add(limits.connect)),
            codes_until: 0,
            placed: true,
            probed_at: None,
            ending_since: None,
            verdict: None,
            then: Then::Retry,
            spent: false,
        }
    }

    /// Whether it was neither refused nor told to end.
    pub(super) fn goes_on(&self) -> bool {
        self.ending_since.is_none() && self.verdict.is_none()
    }

    /// Whether it led to nothing: neither to a code nor to a session that works.
    pub(super) fn failed(&self) -> bool {
        self.codes_until == 0 && self.deadline.is_some()
    }

    pub(super) fn is_refused(&self) -> bool {
        self.verdict.is_some()
    }

    /// There is a code, to scan or to type, until then.
    pub(super) fn code_until(&mut self, until: i64) {
        // Of a code to scan and one to type the longer one counts.
        self.codes_until = self.codes_until.max(until);
        self.deadline = Some(self.codes_until.saturating_add(CODE_GRACE));
        self.placed = false;
    }

    pub(super) fn linked(&mut self, now: i64, limit: i64) {
        if self.verdict == Some(Verdict::Unpaired(Reason::QrExpired)) {
            self.verdict = None;
        }
        self.deadline = Some(now.saturating_add(limit));
    }

    pub(super) fn works(&mut self) {
        self.deadline = None;
        self.placed = false;
        self.probed_at = None;
    }

    pub(super) fn refuse(&mut self, verdict: Verdict, now: i64) {
        self.verdict = Some(verdict);
        self.ending_since.get_or_insert(now);
    }

    pub(super) fn hang(&mut self, now: i64, out: &mut Vec<Effect>) {
        self.ending_since.get_or_insert(now);
        out.push(Effect::Hang);
    }

    /// Whether an answer, asked for now, might come too late for a session that says all the while that it works.
    fn is_lost(&self, heard: i64, now: i64, limits: &Limits) -> bool {
        let silence = now.saturating_sub(heard.max(self.begun_at));
        silence.saturating_add(limits.probe_timeout) > LONGEST_SILENCE
    }

    /// When there is something to ask or to give up, unless WhatsApp says something before.
    fn next_probe(&self, heard: i64, limits: &Limits) -> i64 {
        match self.probed_at {
            Some(at) => at.saturating_add(limits.probe_timeout),
            None => heard.max(self.begun_at).saturating_add(limits.probe_after),
        }
    }
}

impl Machine {
    /// When [`super::Input::Tick`] is due; absent when nothing is waited for.
    pub(in crate::session) fn due(&self, heard: i64, now: i64) -> Option<i64> {
        let open = match &self.connection {
            Connection::None => return None,
            Connection::Awaited => return self.pairing_ends(),
            Connection::Open(open) => open,
        };
        let place = open.placed.then(|| open.begun_at.saturating_add(self.limits.place));
        let next = match (open.ending_since, self.status) {
            (Some(since), _) => Some(since.saturating_add(END_GRACE)),
            // What was heard in the future was heard before the clock was set back.
            (None, Status::Working) => Some(open.next_probe(heard.min(now), &self.limits)),
            (None, Status::Starting) => earlier(open.deadline, self.pairing_ends()),
            (None, _) => open.deadline,
        };
        earlier(place, next)
    }

    /// Ends what has taken too long, and asks WhatsApp when it is silent.
    pub(super) fn tick(
        &mut self,
        heard: i64,
        failure: Option<DialFailure>,
        now: i64,
        out: &mut Vec<Effect>,
    ) {
        if matches!(self.connection, Connection::Awaited) {
            if let Some(reason) = self.overdue(self.reason, now) {
                self.leave_connection(out);
                self.discard(out);
                self.go(By::Session, Status::Failed, Some(reason), out);
            }
            return;
        }
        let hopeless = self.overdue(failure.map(DialFailure::reason), now);
        let (generation, status, limits) = (self.generation, self.status, self.limits);
        let Connection::Open(open) = &mut self.connection else { return };
        if open.placed && now >= open.begun_at.saturating_add(limits.place) {
            // Nobody waits behind one that hangs.
            open.placed = false;
            out.push(Effect::FreePlace);
        }
        if let Some(since) = open.ending_since {
            if now >= since.saturating_add(END_GRACE) {
                open.ending_since = Some(now);
                open.spent = true;
                out.push(Effect::Cut);
            }
            return;
        }
        let late = open.deadline.is_some_and(|deadline| now >= deadline);
        match status {
            Status::Working => {
                if open.probed_at.is_some_and(|at| heard > at) {
                    // Whatever came since proves that WhatsApp is there.
                    open.probed_at = None;
                }
                let silent = heard > now || now >= open.next_probe(heard, &limits);
                match open.probed_at {
                    _ if !silent => {}
                    None if !open.is_lost(heard, now, &limits) => {
                        open.probed_at = Some(now);
                        out.push(Effect::Probe { generation });
                    }
                    _ => {
                        open.hang(now, out);
                        self.go(By::Session, Status::Starting, None, out);
                    }
                }
            }
            Status::Starting if hopeless.is_some() => {
                if let Some(reason) = hopeless {
                    self.give_up(reason, now, out);
                }
            }
            Status::Starting if late => open.hang(now, out),
            Status::ScanQrCode if late => self.give_up(Reason::QrExpired, now, out),
            _ => {}
        }
    }

    /// Pairing comes to nothing while its connection is still there.
    fn give_up(&mut self, reason: Reason, now: i64, out: &mut Vec<Effect>) {
        if let Connection::Open(open) = &mut self.connection {
            open.refuse(Verdict::Unpaired(reason), now);
            open.hang(now, out);
        }
        self.go(By::Session, Status::Failed, Some(reason), out);
    }

    /// A session that nobody ever paired does not knock forever; an address that must not be dialled is not dialled
    /// twice.
    pub(super) fn hopeless(&self, failure: Option<DialFailure>, now: i64) -> Option<Reason> {
        if failure == Some(DialFailure::Fenced) {
            return Some(Reason::Connect);
        }
        self.overdue(failure.map(DialFailure::reason), now)
    }

    fn overdue(&self, cause: Option<Reason>, now: i64) -> Option<Reason> {
        let ends = self.pairing_ends()?;
        (now >= ends).then_some(cause.unwrap_or(Reason::PairingTimeout))
    }

    fn pairing_ends(&self) -> Option<i64> {
        Some(self.pairing_since?.saturating_add(self.limits.pairing))
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use wharf_storage::Wanted;

    use super::super::{Input, Stored, Word};
    use super::*;

    /// A session that works, since 0, over its first connection.
    fn working() -> Machine {
        let stored =
            Stored { wanted: Wanted::Running, status: Status::Working, reason: None, paired: true };
        let limits = Limits::of(&Config::default());
        let (mut machine, _) = Machine::resume(stored, limits, false, 0);
        machine.take(Input::Admitted { generation: 1 }, 0);
        machine.take(Input::Heard { generation: 1, word: Word::Proven }, 0);
        assert_eq!(machine.status(), Status::Working);
        machine
    }

    fn tick(machine: &mut Machine, heard: i64, now: i64) -> Vec<Effect> {
        machine.take(Input::Tick { heard, failure: None }, now)
    }

    #[test]
    fn silence_is_asked_about_and_an_answer_or_any_frame_ends_the_question() {
        let mut machine = working();
        assert_eq!(machine.due(0, 0), Some(32_000));
        assert_eq!(tick(&mut machine, 5_000, 32_000), []);
        assert_eq!(tick(&mut machine, 5_000, 37_000), [Effect::Probe { generation: 1 }]);
        machine.take(Input::Heard { generation: 1, word: Word::Answered }, 38_000);
        assert_eq!(machine.due(38_000, 38_000), Some(70_000));
        assert_eq!(tick(&mut machine, 38_000, 70_000), [Effect::Probe { generation: 1 }]);
        assert_eq!(tick(&mut machine, 76_000, 95_999), []);
        assert_eq!(machine.status(), Status::Working);
    }

    #[test]
    fn a_question_without_an_answer_ends_the_connection_and_one_that_does_not_end_is_cut() {
        let mut machine = working();
        tick(&mut machine, 0, 32_000);
        assert_eq!(machine.due(0, 32_000), Some(52_000));
        let effects = tick(&mut machine, 0, 52_000);
        assert_eq!(
            effects,
            [Effect::Hang, Effect::Show { status: Status::Starting, reason: None }]
        );
        assert_eq!(tick(&mut machine, 0, 62_000), [Effect::Cut]);
        let ended = Input::Ended { generation: 1, failure: None, linked: true };
        let effects = machine.take(ended, 62_001);
        // A client that was cut runs no more.
        assert!(effects.contains(&Effect::Discard), "{effects:?}");
        assert!(effects.contains(&Effect::Connect { generation: 2, attempt: Some(0) }));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait() {
        let mut machine = working();
        assert_eq!(machine.due(3_600_000, 1_000), Some(33_000));
        assert_eq!(tick(&mut machine, 3_600_000, 33_000), [Effect::Probe { generation: 1 }]);
    }

    #[test]
    fn after_a_stop_of_the_process_it_is_asked_only_while_the_answer_may_come_in_time() {
        let mut machine = working();
        assert_eq!(tick(&mut machine, 0, 70_000), [Effect::Probe { generation: 1 }]);
        assert_eq!(machine.due(0, 70_000), Some(90_000));
        let lost = [Effect::Hang, Effect::Show { status: Status::Starting, reason: None }];
        let mut machine = working();
        assert_eq!(tick(&mut machine, 0, 70_001), lost);
        // What waited in the socket meanwhile is a sign of life like any other.
        let mut machine = working();
        assert_eq!(tick(&mut machine, 3_600_000, 3_600_001), []);
    }

    #[test]
    fn nothing_works_through_a_minute_of_silence() {
        let limits = Limits::of(&Config::default());
        assert!(limits.probe_after + limits.probe_timeout < 60_000);
    }
}
