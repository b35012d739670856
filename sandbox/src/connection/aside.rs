//! Stanzas that a test has ordered to come later than their turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wacore_binary::Node;

use crate::state::{Oddity, Parcel};

/// How long a stanza waits for the one that is to overtake it.
const TURN: Duration = Duration::from_secs(3);

/// Answers, which whatever comes next overtakes; a message, a receipt and so on is overtaken by its like, as a client's own
/// acknowledgements bring about answers at any time.
const ANSWERS: [&str; 2] = ["iq", "ack"];

/// What waits, in the order in which it came.
#[derive(Default)]
pub(super) struct Aside(Vec<Waiting>);

struct Waiting {
    until: Instant,
    /// It goes as soon as another one has gone.
    overtaken: bool,
    node: Arc<Node>,
}

impl Waiting {
    fn is_overtaken_by(&self, node: &Node) -> bool {
        self.overtaken && (self.node.tag == node.tag || ANSWERS.contains(&self.node.tag.as_ref()))
    }
}

/// A stanza that is to be written now, and whether its frame is to be damaged.
pub(super) type Written = (Arc<Node>, bool);

impl Aside {
    /// What is to be written now that this has come.
    pub(super) fn take(&mut self, Parcel { node, oddity }: Parcel) -> Vec<Written> {
        let now = Instant::now();
        let (until, overtaken) = match oddity {
            None | Some(Oddity::Damaged) => {
                let overtaken = self.leave(|waiting| waiting.is_overtaken_by(&node));
                return std::iter::once((node, oddity.is_some())).chain(overtaken).collect();
            }
            Some(Oddity::Late(time)) => (now + time, false),
            Some(Oddity::OutOfTurn) => (now + TURN, true),
        };
        self.0.push(Waiting { until, overtaken, node });
        Vec::new()
    }

    /// What has waited long enough.
    pub(super) fn ready(&mut self) -> Vec<Written> {
        let now = Instant::now();
        self.leave(|waiting| waiting.until <= now)
    }

    /// All that waits, whatever it waits for.
    pub(super) fn rest(&mut self) -> Vec<Written> {
        self.leave(|_| true)
    }

    /// Waits until something has waited long enough.
    pub(super) async fn due(&self) {
        match self.0.iter().map(|waiting| waiting.until).min() {
            // Boxed, as most connections never come here.
            Some(until) => Box::pin(tokio::time::sleep_until(until)).await,
            None => std::future::pending().await,
        }
    }

    fn leave(&mut self, goes: impl Fn(&Waiting) -> bool) -> Vec<Written> {
        let (mut going, stay): (Vec<_>, Vec<_>) = self.0.drain(..).partition(goes);
        self.0 = stay;
        going.sort_by_key(|waiting| waiting.until);
        going.into_iter().map(|waiting| (waiting.node, false)).collect()
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;
    use crate::stanza::attr;

    fn parcel(id: &str, oddity: Option<Oddity>) -> Parcel {
        tagged("message", id, oddity)
    }

    fn tagged(tag: &'static str, id: &str, oddity: Option<Oddity>) -> Parcel {
        Parcel { node: NodeBuilder::new(tag).attr("id", id).build().into(), oddity }
    }

    fn ids(written: &[Written]) -> Vec<String> {
        written.iter().filter_map(|(node, _)| attr(node, "id")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_out_of_turn_comes_after_the_next_one() {
        let mut aside = Aside::default();
        assert!(aside.take(parcel("1", Some(Oddity::OutOfTurn))).is_empty());
        assert_eq!(ids(&aside.take(parcel("2", None))), ["2", "1"]);
        assert_eq!(ids(&aside.take(parcel("3", None))), ["3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_at_the_end_is_not_lost() {
        let mut aside = Aside::default();
        aside.take(parcel("1", Some(Oddity::Late(2 * TURN))));
        aside.take(parcel("2", Some(Oddity::OutOfTurn)));
        assert_eq!(ids(&aside.rest()), ["2", "1"]);
        assert!(aside.rest().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_overtaken_by_a_message_and_an_answer_by_anything() {
        let mut aside = Aside::default();
        aside.take(parcel("1", Some(Oddity::OutOfTurn)));
        aside.take(tagged("iq", "2", Some(Oddity::OutOfTurn)));
        assert_eq!(ids(&aside.take(tagged("ack", "3", None))), ["3", "2"]);
        assert_eq!(ids(&aside.take(parcel("4", None))), ["4", "1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nothing_overtakes_comes_after_a_while() {
        let mut aside = Aside::default();
        let began = Instant::now();
        aside.take(parcel("1", Some(Oddity::OutOfTurn)));
        aside.take(parcel("2", Some(Oddity::Late(Duration::from_secs(1)))));
        assert!(aside.ready().is_empty());
        for (id, seconds) in [("2", 1), ("1", TURN.as_secs())] {
            aside.due().await;
            assert_eq!(ids(&aside.ready()), [id]);
            assert_eq!(began.elapsed().as_secs(), seconds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_to_be_is_damaged_and_what_is_late_is_not_overtaken() {
        let mut aside = Aside::default();
        aside.take(parcel("1", Some(Oddity::Late(Duration::from_secs(1)))));
        let written = aside.take(parcel("2", Some(Oddity::Damaged)));
        assert_eq!((ids(&written), written[0].1), (vec!["2".to_owned()], true));
        assert!(!aside.take(parcel("3", None))[0].1);
    }
}
