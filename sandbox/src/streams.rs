//! Streams that the server ends, and the stanza with which it does.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::state::{DeviceAddr, LinkId, State};

/// The last stanza of a connection. The server closes the connection behind each but [`StreamEnd::Ack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// `stream:error` with a number: 401 and 516 for a device that was removed, 409 for one that was replaced, 429 for
    /// too much, 503 for a server that goes down, 515 for a client that is to come back at once.
    Code(u16),
    /// A conflict: another connection has taken the place of this one.
    Replaced,
    /// A conflict: the device is linked no more. That is what the client hears; the device stays, unlike after
    /// [`Phone::unlinks`](crate::Phone::unlinks).
    DeviceRemoved,
    /// A `stream:error` that names a stanza whose acknowledgement is owed. It is a complaint and no end: the real
    /// server sends [`StreamEnd::Plain`] later.
    Ack,
    /// A `stream:error` that calls what the client sent no XML.
    NotWellFormed,
    /// `xmlstreamend`, without an error.
    Plain,
}

impl StreamEnd {
    fn node(self) -> Node {
        let error = || NodeBuilder::new("stream:error");
        let conflict = |kind| NodeBuilder::new("conflict").attr("type", kind).build();
        match self {
            Self::Code(code) => error().attr("code", code).build(),
            Self::Replaced => error().children([conflict("replaced")]).build(),
            Self::DeviceRemoved => {
                error().attr("code", 401).children([conflict("device_removed")]).build()
            }
            Self::Ack => {
                let ack = NodeBuilder::new("ack").attr("class", "message").attr("id", "sandbox");
                error().children([ack.build()]).build()
            }
            Self::NotWellFormed => {
                error().children([NodeBuilder::new("xml-not-well-formed").build()]).build()
            }
            Self::Plain => NodeBuilder::new("xmlstreamend").build(),
        }
    }
}

/// Ends one connection.
pub(crate) fn end(state: &mut State, link: LinkId, end: StreamEnd) {
    state.links.send(link, end.node());
    if end != StreamEnd::Ack {
        state.links.close(link);
    }
}

/// Ends connections, by who is logged in; says how many were open.
pub(crate) fn end_all(
    state: &mut State,
    which: impl Fn(Option<DeviceAddr>) -> bool,
    with: StreamEnd,
) -> usize {
    let links: Vec<LinkId> = state.links.running(which).collect();
    let open: Vec<LinkId> = links.into_iter().filter(|link| state.links.is_open(*link)).collect();
    for link in &open {
        end(state, *link, with);
    }
    open.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::{attr, first_child};

    #[test]
    fn an_end_is_the_last_stanza_and_a_complaint_is_not() {
        let mut state = State::default();
        let (ended, other) = (state.links.open(false).link, state.links.open(false));
        end(&mut state, ended, StreamEnd::Code(503));
        assert!(!state.links.is_open(ended) && state.links.is_open(other.link));
        end(&mut state, other.link, StreamEnd::Ack);
        assert!(state.links.is_open(other.link));
        assert_eq!(end_all(&mut state, |_| true, StreamEnd::Plain), 1);
        assert_eq!(state.links.len(), 0);
    }

    #[test]
    fn a_conflict_names_its_kind() {
        let kind = |end: StreamEnd| attr(first_child(&end.node())?, "type");
        assert_eq!(kind(StreamEnd::Replaced).as_deref(), Some("replaced"));
        assert_eq!(kind(StreamEnd::DeviceRemoved).as_deref(), Some("device_removed"));
        assert_eq!(attr(&StreamEnd::Code(515).node(), "code").as_deref(), Some("515"));
    }
}
