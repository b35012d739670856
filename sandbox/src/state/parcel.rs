//! A stanza on its way to the task of a connection.

use std::sync::Arc;
use std::time::Duration;

use wacore_binary::Node;

/// A stanza, and what a test has ordered to become of it.
pub(crate) struct Parcel {
    pub(crate) node: Arc<Node>,
    pub(crate) oddity: Option<Oddity>,
}

/// How a stanza is written, if not at once and as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// After this time.
    Late(Duration),
    /// After the stanza that comes next, of its own kind if it is no answer, or after a while if none does.
    OutOfTurn,
    /// So that nobody can decrypt its frame.
    Damaged,
}
