//! Faults that a test orders: the next requests of a kind go wrong.

mod operation;
mod sending;

use std::collections::VecDeque;
use std::time::Duration;

use wacore_binary::Node;

pub(crate) use operation::Operation;

use crate::clock::WAIT_MAX;
use crate::random::{Source, Stream};
use crate::state::AccountId;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(Effect);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Not applied, and answered with an error.
    Refuse { code: u16, text: String, backoff: Option<u32> },
    /// Applied at once, answered later.
    Delay(Duration),
    /// Never answered.
    Silence(Moment),
    /// The connection breaks, without a closing word.
    Drop(Moment),
    /// The connection stays, and nothing is read, answered or sent on it any more.
    HalfOpen(Moment),
    /// Sent after what is sent next on the connection, or is delivered next of the same kind.
    WrongOrder,
    /// Sent twice.
    Duplicate,
    /// Sent so that the client cannot decrypt it.
    Corrupted,
}

impl Effect {
    /// On which side of the change it is, if it is on one.
    pub(crate) fn moment(&self) -> Option<Moment> {
        match self {
            Self::Silence(moment) | Self::Drop(moment) | Self::HalfOpen(moment) => Some(*moment),
            _ => None,
        }
    }
}

/// On which side of the change the fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The request has no effect.
    Before,
    /// The request has taken effect.
    After,
}

impl Fault {
    /// Not applied, and refused with this number and the word that goes with it.
    pub fn code(code: u16) -> Self {
        Self(Effect::Refuse { code, text: usual_text(code).to_owned(), backoff: None })
    }

    /// Other words for a [`Fault::code`].
    ///
    /// # Panics
    /// If the fault is of another kind: it answers nothing of its own.
    #[must_use]
    pub fn text(mut self, words: &str) -> Self {
        match &mut self.0 {
            Effect::Refuse { text, .. } => words.clone_into(text),
            other => panic!("{other:?} has no text: only a code has"),
        }
        self
    }

    /// Seconds after which the client is told to try again, for a [`Fault::code`].
    ///
    /// # Panics
    /// If the fault is of another kind: it answers nothing of its own.
    #[must_use]
    pub fn backoff(mut self, seconds: u32) -> Self {
        match &mut self.0 {
            Effect::Refuse { backoff, .. } => *backoff = Some(seconds),
            other => panic!("{other:?} has no backoff: only a code has"),
        }
        self
    }

    /// Applied at once, answered after this time, a year at most.
    pub fn delay(time: Duration) -> Self {
        Self(Effect::Delay(time.min(WAIT_MAX)))
    }

    /// Neither applied nor answered.
    pub fn silence_before() -> Self {
        Self(Effect::Silence(Moment::Before))
    }

    /// Applied, and never answered.
    pub fn silence_after() -> Self {
        Self(Effect::Silence(Moment::After))
    }

    /// Not applied, and the connection breaks.
    pub fn drop_before() -> Self {
        Self(Effect::Drop(Moment::Before))
    }

    /// Applied, and the connection breaks in the place of an answer.
    pub fn drop_after() -> Self {
        Self(Effect::Drop(Moment::After))
    }

    /// Not applied, and the connection is half-open: it stays, and nothing more is read, answered or sent on it.
    pub fn half_open_before() -> Self {
        Self(Effect::HalfOpen(Moment::Before))
    }

    /// Applied, and the connection is half-open in the place of an answer.
    pub fn half_open_after() -> Self {
        Self(Effect::HalfOpen(Moment::After))
    }

    /// Applied, and answered after the next stanza that the server sends on this connection, or after three seconds. What
    /// is delivered comes after the next of its kind: a message after the next message.
    pub fn wrong_order() -> Self {
        Self(Effect::WrongOrder)
    }

    /// Applied, and answered twice.
    pub fn duplicate() -> Self {
        Self(Effect::Duplicate)
    }

    /// Applied, and the frame of the answer is damaged: the client cannot decrypt it.
    pub fn corrupted() -> Self {
        Self(Effect::Corrupted)
    }
}

/// The word that the real server sends with a number.
fn usual_text(code: u16) -> &'static str {
    match code {
        400 => "bad-request",
        401 => "not-authorized",
        403 => "forbidden",
        404 => "item-not-found",
        405 => "not-allowed",
        406 => "not-acceptable",
        408 => "request-timeout",
        409 => "conflict",
        410 => "gone",
        419 => "resource-limit",
        423 => "locked",
        429 => "rate-overlimit",
        452 => "feature-not-available",
        500 => "internal-server-error",
        501 => "feature-not-implemented",
        503 => "service-unavailable",
        _ => "error",
    }
}

/// Faults that no request has met yet, in the order in which they were ordered.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    ordered: VecDeque<Rule>,
    /// Says whether what has a chance strikes.
    dice: Stream,
}

/// What is to go wrong, whose, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) operation: Operation,
    /// Only what the devices of this account ask for; of anybody if there is none.
    pub(crate) account: Option<AccountId>,
    /// How many requests still meet it; all of them, for good, if there is no number.
    pub(crate) left: Option<usize>,
    /// How likely a request meets it, from 0 to 1.
    pub(crate) chance: f64,
    pub(crate) fault: Fault,
}

impl Rule {
    /// The next so many requests of this kind, whoever makes them.
    pub(crate) fn next(operation: Operation, count: usize, fault: Fault) -> Self {
        Self { operation, account: None, left: Some(count), chance: 1.0, fault }
    }

    /// Why this fault makes no sense for this kind of request, and which field of an order says so.
    pub(crate) fn folly(&self) -> Option<(&'static str, &'static str)> {
        match &self.fault.0 {
            Effect::Refuse { .. } if self.operation.is_delivery() => {
                Some(("code", "what the server delivers is not refused"))
            }
            Effect::WrongOrder | Effect::Duplicate if self.operation.is_http() => {
                Some(("kind", "a request over HTTP is answered once, and in order"))
            }
            _ if self.account.is_some() && self.operation.is_before_login() => {
                Some(("phone", "who asks for it is nobody's device yet"))
            }
            _ => None,
        }
    }
}

impl Faults {
    /// No faults yet; this source decides whether those strike that have a chance.
    pub(crate) fn new(source: Source) -> Self {
        Self { dice: source.stream("faults", b""), ..Self::default() }
    }

    /// From now on the rule holds.
    pub(crate) fn order(&mut self, rule: Rule) {
        if rule.left != Some(0) {
            self.ordered.push_back(rule);
        }
    }

    /// The fault that a message or a request from this account meets: of the rules that concern it, the one ordered
    /// first that strikes.
    pub(crate) fn meet(&mut self, from: Option<AccountId>, stanza: &Node) -> Option<Effect> {
        self.take(from, |operation| operation.covers(stanza))
    }

    /// The fault that a stanza meets on its way to a device of this account.
    pub(crate) fn meet_delivery(&mut self, to: AccountId, stanza: &Node) -> Option<Effect> {
        self.take(Some(to), |operation| operation.delivers(stanza))
    }

    /// The fault that a request meets which is no stanza.
    pub(crate) fn meet_named(&mut self, from: Option<AccountId>, name: &str) -> Option<Effect> {
        self.take(from, |operation| operation.is(name))
    }

    fn take(
        &mut self,
        whose: Option<AccountId>,
        concerned: impl Fn(&Operation) -> bool,
    ) -> Option<Effect> {
        let Self { ordered, dice } = self;
        let strikes = |rule: &Rule| {
            rule.account.is_none_or(|account| whose == Some(account))
                && concerned(&rule.operation)
                && dice.strikes(rule.chance)
        };
        let position = ordered.iter().position(strikes)?;
        let rule = &mut ordered[position];
        let Fault(effect) = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left -= 1;
            if *left == 0 {
                ordered.remove(position);
            }
        }
        Some(effect)
    }

    /// Forgets every rule; says how many requests would still have met one, of the rules that have a number.
    pub(crate) fn clear(&mut self) -> usize {
        self.ordered.drain(..).fold(0, |sum, rule| sum.saturating_add(rule.left.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn ping() -> Node {
        NodeBuilder::new("iq").attr("xmlns", "w:p").attr("type", "get").build()
    }

    fn operation(name: &str) -> Operation {
        Operation::named(name).expect("a known operation")
    }

    fn code(effect: Option<Effect>) -> Option<u16> {
        match effect? {
            Effect::Refuse { code, .. } => Some(code),
            other => panic!("not a refusal: {other:?}"),
        }
    }

    #[test]
    fn faults_are_met_in_their_order_and_used_up() {
        let mut faults = Faults::default();
        faults.order(Rule::next(operation("group.subject"), 1, Fault::code(400)));
        faults.order(Rule::next(operation("ping"), 2, Fault::code(401)));
        faults.order(Rule::next(operation("any"), 1, Fault::code(402)));
        faults.order(Rule::next(operation("ping"), 0, Fault::code(403)));
        let met: Vec<_> = (0..4).map(|_| code(faults.meet(None, &ping()))).collect();
        assert_eq!(met, [Some(401), Some(401), Some(402), None]);
        assert_eq!(faults.clear(), 1);
        assert_eq!(faults.clear(), 0);
    }

    #[test]
    fn a_rule_is_of_an_account_or_a_matter_of_luck() {
        let mut faults = Faults::default();
        let mine = Some(AccountId(7));
        let rule = Rule::next(operation("ping"), 1, Fault::code(401));
        faults.order(Rule { account: mine, ..rule.clone() });
        faults.order(Rule { chance: 0.0, left: None, ..rule.clone() });
        assert_eq!(code(faults.meet(Some(AccountId(8)), &ping())), None);
        assert_eq!(code(faults.meet(None, &ping())), None);
        assert_eq!(code(faults.meet(mine, &ping())), Some(401));
        assert_eq!(code(faults.meet(mine, &ping())), None);
        faults.order(Rule { chance: 0.5, left: None, ..rule });
        let met = (0..1000).filter(|_| faults.meet(mine, &ping()).is_some()).count();
        assert!((300..700).contains(&met), "{met} of 1000");
        assert_eq!(faults.clear(), 0);
    }

    #[test]
    fn a_refusal_has_the_word_of_its_number_or_its_own() {
        let refusal = |text: &str, backoff| {
            Fault(Effect::Refuse { code: 429, text: text.to_owned(), backoff })
        };
        assert_eq!(Fault::code(429), refusal("rate-overlimit", None));
        assert_eq!(Fault::code(429).text("slow down").backoff(7), refusal("slow down", Some(7)));
    }

    #[test]
    #[should_panic(expected = "only a code has")]
    fn a_silence_has_no_text() {
        let _ = Fault::silence_after().text("hush");
    }
}
