//! What the server refuses because the real one does, and what a lenient server lets through.
//!
//! A lenient server does three things that a strict one does not, and counts each of them:
//! - a request that it does not know gets an empty `result`, in the place of 501;
//! - a stanza that it does not know gets a plain `ack`, in the place of one with `error` 488;
//! - a message that is refused as malformed (400 or 479) is taken, if it has an `id`, a receiver who is there and a
//!   ciphertext: what is wrong in it is passed on as it came, and devices in its list that are nobody's are left out.
//!
//! Rights, addresses that nobody has, groups, media, settings and GraphQL are the same in both.

use std::collections::BTreeMap;

use tracing::warn;
use wacore_binary::Node;

use crate::relay;
use crate::stanza;

/// How much the server minds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// It refuses what the real server refuses.
    #[default]
    Strict,
    /// It takes what it can make something of.
    Lenient,
}

/// Names that are kept; beyond that they are only counted, as clients choose them.
const NAMES: usize = 256;

/// What a name may have, in bytes.
const NAME: usize = 100;

/// What clients have sent that the server does not know, or has taken although it is malformed.
#[derive(Debug, Default)]
pub(crate) struct Oddities {
    /// Requests that are not known.
    pub(crate) iqs: u64,
    /// Other stanzas that are not known.
    pub(crate) stanzas: u64,
    /// Malformed messages that a lenient server has taken.
    pub(crate) forgiven: u64,
    names: BTreeMap<String, u64>,
}

impl Oddities {
    /// A request that the server does not know.
    pub(crate) fn iq(&mut self, what: &str) {
        self.iqs += 1;
        self.note(format!("iq {what}"));
    }

    /// What the server did not know, by name, and how often: `iq`, type, namespace and first child of a request, the tag
    /// of another stanza.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|(name, count)| (name.as_str(), *count))
    }

    fn note(&mut self, name: String) {
        if name.len() <= NAME && (self.names.len() < NAMES || self.names.contains_key(&name)) {
            *self.names.entry(name).or_default() += 1;
        }
    }
}

impl Strictness {
    /// The reply to a request that the server does not know.
    pub(crate) fn unknown_iq(self, oddities: &mut Oddities, iq: &Node) -> Node {
        let attr = |name| stanza::attr(iq, name).unwrap_or_default();
        let (namespace, kind) = (attr("xmlns"), attr("type"));
        let child = stanza::first_child(iq).map(|child| child.tag.as_ref()).unwrap_or_default();
        warn!(xmlns = namespace, child, "unknown IQ `{child}` in `{namespace}`");
        oddities.iq(format!("{kind} {namespace} {child}").trim_end());
        match self {
            Self::Strict => stanza::error(iq, 501, "feature-not-implemented"),
            Self::Lenient => stanza::result(iq),
        }
    }

    /// The word on a stanza that the server does not know, if it has an id by which to name it (488 is `UnrecognizedStanza`
    /// in wacore 0.7 `protocol/nack.rs`).
    pub(crate) fn unknown_stanza(self, oddities: &mut Oddities, node: &Node) -> Option<Node> {
        warn!(tag = %node.tag, "unknown stanza `{}`", node.tag);
        oddities.stanzas += 1;
        oddities.note(node.tag.to_string());
        let ack = stanza::has_id(node).then(|| relay::ack(node.tag.to_string(), node))?;
        Some(match self {
            Self::Strict => ack.attr("error", 488).build(),
            Self::Lenient => ack.build(),
        })
    }

    /// Whether something passes that is in order, or not.
    pub(crate) fn passes(self, in_order: bool) -> bool {
        in_order || self == Self::Lenient
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    #[test]
    fn what_is_not_known_is_counted_by_name_and_refused_or_not() {
        let mut oddities = Oddities::default();
        let child = NodeBuilder::new("beam").build();
        let iq = NodeBuilder::new("iq").attr("xmlns", "w:future").attr("type", "get");
        let iq = iq.attr("id", "1").children([child]).build();
        let kind = |node: &Node| stanza::attr(node, "type");
        let refused = Strictness::Strict.unknown_iq(&mut oddities, &iq);
        let taken = Strictness::Lenient.unknown_iq(&mut oddities, &iq);
        assert_eq!(kind(&refused).as_deref(), Some("error"));
        assert!(kind(&taken).as_deref() == Some("result") && taken.children().is_none());

        let named = NodeBuilder::new("teleport").attr("id", "2").build();
        let error = |node: Option<Node>| stanza::attr(&node.expect("an ack"), "error");
        let refused = Strictness::Strict.unknown_stanza(&mut oddities, &named);
        assert_eq!(error(refused).as_deref(), Some("488"));
        assert_eq!(error(Strictness::Lenient.unknown_stanza(&mut oddities, &named)), None);
        let nameless = NodeBuilder::new("teleport").build();
        assert_eq!(Strictness::Strict.unknown_stanza(&mut oddities, &nameless), None);
        assert_eq!((oddities.iqs, oddities.stanzas), (2, 3));
        let seen: Vec<_> = oddities.names().collect();
        assert_eq!(seen, [("iq get w:future beam", 2), ("teleport", 3)]);
    }

    #[test]
    fn names_are_bounded_and_counts_are_not() {
        let mut oddities = Oddities::default();
        for number in 0..2 * NAMES {
            oddities.iq(&number.to_string());
        }
        oddities.iq(&"x".repeat(NAME));
        assert_eq!((oddities.names().count(), oddities.iqs), (NAMES, 513));
    }
}
