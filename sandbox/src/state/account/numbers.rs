//! Accounts that change their number, and devices that were linked under an older one.

use super::{Account, AccountId, Accounts, Device};
use crate::numbers::Alias;
use crate::state::LinkId;

impl Accounts {
    /// The accounts that have, or had before, this number by a change of number.
    pub(crate) fn once(&self, number: &str) -> impl Iterator<Item = &Account> {
        let ids = self.renumbered.get(number).into_iter().flatten();
        ids.filter_map(|id| self.get(*id))
    }

    /// Gives an account another number, unless somebody has it or is to get it, or somebody's device was linked under it; says
    /// whether it has it.
    pub(crate) fn renumber(&mut self, id: AccountId, number: &str) -> bool {
        let foreign = super::place_of(number).is_some_and(|place| place != id.0);
        // A device that knows its account by a number would take somebody else who has it for itself.
        let is_known = |account: &Account| {
            let mut devices = account.devices.iter();
            account.id != id && devices.any(|device| device.known_as.as_deref() == Some(number))
        };
        let has = |account: &Account| account.phone == number || is_known(account);
        if foreign || self.once(number).any(has) {
            return false;
        }
        let Some(account) = self.all.get_mut(id.0) else { return false };
        let old = std::mem::replace(&mut account.phone, number.to_owned());
        for device in &mut account.devices {
            let known = device.known_as.take().unwrap_or_else(|| old.clone());
            device.known_as = Some(known).filter(|known| known != number);
        }
        account.relist();
        for number in [old, number.to_owned()] {
            let ids = self.renumbered.entry(number).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        true
    }

    /// What the connections of an account's devices are to put for its number.
    pub(crate) fn aliases(&self, id: AccountId) -> Vec<(LinkId, Option<Alias>)> {
        let Some(account) = self.get(id) else { return Vec::new() };
        let of = |device: &Device| Some((device.link?, account.alias(device)));
        account.devices.iter().filter_map(of).collect()
    }
}
