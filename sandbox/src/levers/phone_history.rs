//! What had happened on a phone before its devices were linked.

use crate::phone;
use crate::state;
use crate::{History, Phone, Result};

impl Phone {
    /// Gives the account a past, in the place of an earlier one: every device that is linked from now on gets it. The
    /// phone then hears a `hist_sync` receipt for each part.
    pub fn has_history(&self, history: &History) -> Result<()> {
        let account = self.account()?;
        phone::remember(&mut state::lock(&self.shared), account, history)
    }
}
