//! What a connection says, and what follows its end.

use wharf_storage::{Reason, Status};

use super::{Connection, Effect, Machine, Then, Verdict, Word, moves::By};
use crate::whatsapp::DialFailure;

impl Machine {
    pub(super) fn hear(&mut self, generation: u64, word: Word, now: i64, out: &mut Vec<Effect>) {
        match word {
            Word::Refused(verdict) => return self.refused(generation, verdict, now, out),
            Word::Linked if self.minds_pairing(generation) => return self.linked(now, out),
            _ if !self.relies_on(generation) => return,
            _ => {}
        }
        let Connection::Open(open) = &mut self.connection else { return };
        match word {
            Word::Code { until } if !self.paired => {
                open.code_until(until);
                out.push(Effect::FreePlace);
                self.go(By::Session, Status::ScanQrCode, None, out);
            }
            Word::CodesOver { closes: true } => {
                open.spent = true;
                if !self.paired {
                    open.refuse(Verdict::Unpaired(Reason::QrExpired), now);
                }
            }
            Word::PairingCode { until } if self.status == Status::ScanQrCode => {
                open.code_until(until);
            }
            Word::Proven => {
                open.works();
                out.push(Effect::FreePlace);
                self.paired = true;
                self.pairing_since = None;
                self.attempts = 0;
                self.failures = 0;
                self.hurried = false;
                if self.status == Status::ScanQrCode {
                    // Linked, though the word of it was never heard.
                    self.go(By::Session, Status::Starting, None, out);
                }
                self.go(By::Session, Status::Working, None, out);
            }
            Word::Unproven if self.status != Status::Working => open.hang(now, out),
            Word::Answered => open.probed_at = None,
            _ => {}
        }
    }

    /// A phone has linked the device; its first login follows at once.
    fn linked(&mut self, now: i64, out: &mut Vec<Effect>) {
        // One that was given up stays so until somebody starts it; it has its account by then.
        let given_up = self.status == Status::Failed;
        let limit = self.limits.connect;
        if let Connection::Open(open) = &mut self.connection
            && !given_up
        {
            if !self.paired {
                open.then = Then::Login;
            }
            open.linked(now, limit);
        }
        self.paired = true;
        self.hurried = true;
        self.pairing_since = None;
        if self.status == Status::ScanQrCode {
            self.go(By::Session, Status::Starting, None, out);
        }
    }

    /// WhatsApp refused. The first such word counts, and one that comes when its connection is over still does.
    fn refused(&mut self, generation: u64, verdict: Verdict, now: i64, out: &mut Vec<Effect>) {
        let (status, reason) = verdict.state();
        match &mut self.connection {
            Connection::Open(open) if generation == self.generation && !open.is_refused() => {
                open.refuse(verdict, now);
            }
            Connection::Awaited if generation >= self.born => {
                self.leave_connection(out);
                self.discard(out);
            }
            _ => return,
        }
        self.go(verdict.by(), status, Some(reason), out);
    }

    /// The connection is over: on to the next, or to the state that it ended in.
    pub(super) fn ended(
        &mut self,
        failure: Option<DialFailure>,
        linked: bool,
        now: i64,
        out: &mut Vec<Effect>,
    ) {
        let ended = std::mem::replace(&mut self.connection, Connection::None);
        let Connection::Open(open) = ended else {
            self.connection = ended;
            return;
        };
        out.push(Effect::Clear);
        // What was dialled before a code came or the account answered says nothing any more.
        let failure = failure.filter(|_| self.status == Status::Starting);
        if let Some(verdict) = open.verdict {
            // The library is done with this client.
            self.discard(out);
            let (status, reason) = verdict.state();
            self.go(verdict.by(), status, Some(reason), out);
            if open.then == Then::Anew {
                self.begin_anew(now, out);
            }
            return;
        }
        self.failures = self.failures.saturating_add(u32::from(open.failed()));
        let logs_in = open.then == Then::Login || (linked && !self.paired);
        if linked {
            self.paired = true;
            self.pairing_since = None;
        }
        if let Some(reason) = self.hopeless(failure, now) {
            self.discard(out);
            self.go(By::Session, Status::Failed, Some(reason), out);
            return;
        }
        if !self.paired || open.spent {
            // The library's rotation of codes outlives its connection and would end the next one, and a client that
            // was cut runs no more: another client.
            self.discard(out);
        }
        self.go(By::Session, Status::Starting, failure.map(DialFailure::reason), out);
        let attempt = (!logs_in).then_some(self.attempts);
        self.attempts = self.attempts.saturating_add(u32::from(!logs_in));
        self.await_next(attempt, out);
    }
}

#[cfg(test)]
mod tests {
    use wharf_storage::Wanted;

    use super::super::{Input, Limits, Stored};
    use super::*;
    use crate::{config::Config, schedule::Turn};

    /// A linked session that waits for its turn after the start of the process.
    fn in_line() -> Machine {
        let stored =
            Stored { wanted: Wanted::Running, status: Status::Working, reason: None, paired: true };
        Machine::resume(stored, Limits::of(&Config::default()), false, 0).0
    }

    #[test]
    fn an_attempt_that_led_to_nothing_loses_its_turn_until_the_session_works() {
        let mut machine = in_line();
        assert_eq!((machine.turn(), machine.failures()), (Turn::Fleet, 0));
        machine.take(Input::Admitted { generation: 1 }, 0);
        machine.take(Input::Ended { generation: 1, failure: None, linked: true }, 1);
        assert_eq!((machine.turn(), machine.failures()), (Turn::Failing, 1));
        machine.take(Input::Admitted { generation: 2 }, 2);
        machine.take(Input::Heard { generation: 2, word: Word::Proven }, 3);
        machine.take(Input::Ended { generation: 2, failure: None, linked: true }, 4);
        assert_eq!((machine.turn(), machine.failures()), (Turn::Fleet, 0));
    }

    #[test]
    fn a_caller_who_starts_what_waits_already_moves_it_forward_once() {
        let mut machine = in_line();
        let again = [Effect::Connect { generation: 1, attempt: None }];
        assert_eq!(machine.take(Input::Start, 1), again);
        assert_eq!(machine.turn(), Turn::Caller);
        assert_eq!(machine.take(Input::Start, 2), []);
    }
}
