//! What clients have sent that the server does not know.

use crate::Sandbox;
use crate::state;

impl Sandbox {
    /// How many requests the server did not know: it answered them with 501, or with an empty result if it is lenient.
    pub fn unknown_iqs(&self) -> u64 {
        state::lock(self.state()).oddities.iqs
    }

    /// How many other stanzas the server did not know.
    pub fn unknown_stanzas(&self) -> u64 {
        state::lock(self.state()).oddities.stanzas
    }

    /// What the server did not know, by name, and how often it came: `iq get w:future beam` for a request with its type,
    /// namespace and first child, the tag for another stanza. The first 256 names are kept.
    pub fn unknown(&self) -> Vec<(String, u64)> {
        let state = state::lock(self.state());
        state.oddities.names().map(|(name, count)| (name.to_owned(), count)).collect()
    }

    /// How many malformed messages a lenient server has taken.
    pub fn forgiven(&self) -> u64 {
        state::lock(self.state()).oddities.forgiven
    }
}
