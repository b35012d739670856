//! Faults that a test orders: the next requests of a kind go wrong.

mod operation;

use std::collections::VecDeque;
use std::time::Duration;

use wacore_binary::Node;

pub(crate) use operation::Operation;

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

    /// Applied at once, answered after this time.
    pub fn delay(time: Duration) -> Self {
        Self(Effect::Delay(time))
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
    ordered: VecDeque<Ordered>,
}

#[derive(Debug)]
struct Ordered {
    operation: Operation,
    left: usize,
    fault: Fault,
}

impl Faults {
    /// The next `count` requests of this kind meet the fault.
    pub(crate) fn order(&mut self, operation: Operation, count: usize, fault: Fault) {
        if count > 0 {
            self.ordered.push_back(Ordered { operation, left: count, fault });
        }
    }

    /// The fault that a request meets, which is then used up: the one ordered first of those that concern it.
    pub(crate) fn meet(&mut self, iq: &Node) -> Option<Effect> {
        if self.ordered.is_empty() {
            return None;
        }
        let position = self.ordered.iter().position(|ordered| ordered.operation.covers(iq))?;
        let ordered = &mut self.ordered[position];
        let Fault(effect) = ordered.fault.clone();
        ordered.left -= 1;
        if ordered.left == 0 {
            self.ordered.remove(position);
        }
        Some(effect)
    }

    /// Forgets every fault; says how many requests would still have met one.
    pub(crate) fn clear(&mut self) -> usize {
        self.ordered.drain(..).fold(0, |sum, ordered| sum.saturating_add(ordered.left))
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
        faults.order(operation("group.subject"), 1, Fault::code(400));
        faults.order(operation("ping"), 2, Fault::code(401));
        faults.order(operation("any"), 1, Fault::code(402));
        faults.order(operation("ping"), 0, Fault::code(403));
        let met: Vec<_> = (0..4).map(|_| code(faults.meet(&ping()))).collect();
        assert_eq!(met, [Some(401), Some(401), Some(402), None]);
        assert_eq!(faults.clear(), 1);
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
