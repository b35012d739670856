//! The name of an entry, which is its place in the log.

use std::{fmt, str::FromStr};

use ulid::Ulid;

use crate::{
    ids::{self, InvalidId},
    tables::Id,
};

const PREFIX: &str = "aud_";

/// Names an entry of the audit log: a ULID, shown behind `aud_`. The writer gives them out in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(Ulid);

impl AuditId {
    /// An id for an entry of `at`, above the number `last` of the one before, whatever the clock says.
    pub(super) fn generate_above(last: u128, at: i64) -> Self {
        Self(ids::above(last, at))
    }

    /// The lowest id of an entry of `at`.
    pub(super) fn earliest(at: i64) -> Self {
        Self(ids::earliest(at))
    }

    pub(super) fn bytes(self) -> Id {
        self.0.to_bytes()
    }

    pub(super) fn from_bytes(bytes: Id) -> Self {
        Self(Ulid::from_bytes(bytes))
    }

    pub(super) fn number(self) -> u128 {
        self.0.0
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl FromStr for AuditId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        ids::parse(text, PREFIX, "the id of an audit entry").map(Self)
    }
}
