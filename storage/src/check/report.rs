//! What a check has found.

use serde::{Deserialize, Serialize};

/// How many findings are told one by one.
const MOST: usize = 1_000;

/// What a check has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many rows were looked at.
    pub rows: u64,
    /// One line for each finding, without phone numbers.
    pub findings: Vec<String>,
    /// How many more there were.
    pub more: u64,
    /// Why the records were not looked at, if they were not and nothing is wrong with that.
    #[serde(default)]
    pub unwalked: Option<String>,
}

impl Report {
    /// How many findings there are.
    pub fn count(&self) -> usize {
        self.findings.len().saturating_add(usize::try_from(self.more).unwrap_or(usize::MAX))
    }

    pub(super) fn found(&mut self, finding: String) {
        if self.findings.len() < MOST {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.more += other.more;
        other.findings.into_iter().for_each(|finding| self.found(finding));
    }
}
