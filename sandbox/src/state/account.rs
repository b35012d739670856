//! Accounts: who has a phone number here.

use std::collections::{HashMap, HashSet};

use wacore_binary::{Jid, Server};

use super::device::{Device, DeviceAddr};
use crate::app_state::Collections;
use crate::devices::SignedList;
use crate::iq::privacy::Privacy;
use crate::iq::props::Props;
use crate::logins::Ban;
use crate::phone::{Handset, HistoryPart, Keys, Settings};

/// Devices that one account may link beside the phone.
pub(crate) const MAX_DEVICES: u16 = 4;

/// Position of an account; accounts are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AccountId(pub(crate) usize);

/// An account and its phone.
pub(crate) struct Account {
    pub(crate) id: AccountId,
    /// What tests call it.
    pub(crate) name: String,
    /// Digits of the phone number.
    pub(crate) phone: String,
    /// Digits of the LID.
    pub(crate) lid: String,
    /// The name that others see.
    pub(crate) push_name: String,
    /// What the phone signs with.
    pub(crate) keys: Keys,
    /// The phone as a peer, once it has sent or received something.
    pub(crate) handset: Option<Box<Handset>>,
    /// Linked devices, the phone (device 0) not among them.
    pub(crate) devices: Vec<Device>,
    /// The key index of the device linked last: it is never given out twice.
    pub(crate) key_index: u32,
    /// The list of them that the phone has signed, until they change.
    pub(crate) list: Option<SignedList>,
    /// Accounts that hear when its devices change, beside the members of its groups.
    pub(crate) peers: HashSet<AccountId>,
    /// Its chats are addressed by LID: devices that are linked from now on are told so.
    pub(crate) lid_migrated: bool,
    /// Switches that its clients ask for.
    pub(crate) props: Props,
    /// Why its devices are not let in, and for how long.
    pub(crate) ban: Option<Ban>,
    /// Half-open: nothing is read, answered or sent on the connections of its devices.
    pub(crate) hangs: bool,
    /// What others may see and do, and who may nothing.
    pub(crate) privacy: Privacy,
    /// The settings that its devices share, as the server has them.
    pub(crate) app_state: Collections,
    /// The same settings as the phone reads them.
    pub(crate) settings: Settings,
    /// What the phone sends to a device of what was before.
    pub(crate) history: Vec<HistoryPart>,
}

impl Account {
    /// Phone-number JID, without a device part.
    pub(crate) fn pn(&self) -> Jid {
        Jid::pn(self.phone.as_str())
    }

    /// LID, without a device part.
    pub(crate) fn lid(&self) -> Jid {
        Jid::lid(self.lid.as_str())
    }

    /// The linked device with this number.
    pub(crate) fn device(&self, id: u16) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// Whether there is a device of this number; 0 is the phone.
    pub(crate) fn has(&self, id: u16) -> bool {
        id == 0 || self.device(id).is_some()
    }

    /// The numbers of the phone and of every linked device.
    pub(crate) fn all_devices(&self) -> impl Iterator<Item = u16> + '_ {
        std::iter::once(0).chain(self.devices.iter().map(|device| device.id))
    }

    /// The lowest number that no device has; `None` if the account is full.
    pub(crate) fn free_device(&self) -> Option<u16> {
        (1..=MAX_DEVICES).find(|id| self.device(*id).is_none())
    }
}

/// All accounts, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Accounts {
    all: Vec<Account>,
    by_name: HashMap<String, AccountId>,
}

impl Accounts {
    /// Makes an account; the name must be free. Number and LID follow from its position.
    pub(crate) fn add(&mut self, name: &str) -> Option<AccountId> {
        if self.by_name(name).is_some() {
            return None;
        }
        let id = AccountId(self.all.len());
        let number = self.all.len() + 1;
        self.by_name.insert(name.to_owned(), id);
        self.all.push(Account {
            id,
            name: name.to_owned(),
            phone: format!("1555{number:07}"),
            lid: format!("1{number:014}"),
            push_name: name.to_owned(),
            keys: Keys::generate(),
            handset: None,
            devices: Vec::new(),
            key_index: 0,
            list: None,
            peers: HashSet::new(),
            lid_migrated: false,
            props: Props::default(),
            hangs: false,
            ban: None,
            privacy: Privacy::default(),
            app_state: Collections::default(),
            settings: Settings::default(),
            history: Vec::new(),
        });
        Some(id)
    }

    pub(crate) fn get(&self, id: AccountId) -> Option<&Account> {
        self.all.get(id.0)
    }

    pub(crate) fn get_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.all.get_mut(id.0)
    }

    /// The account that a phone-number JID or a LID belongs to, whatever its device part.
    pub(crate) fn by_jid(&self, jid: &Jid) -> Option<&Account> {
        let number = match jid.server {
            Server::Pn => jid.user.strip_prefix("1555").filter(|digits| digits.len() >= 7)?,
            Server::Lid => jid.user.strip_prefix('1').filter(|digits| digits.len() >= 14)?,
            _ => return None,
        };
        let account = self.all.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        (account.phone == jid.user.as_str() || account.lid == jid.user.as_str()).then_some(account)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Account> {
        self.get(*self.by_name.get(name)?)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        self.all.iter_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.all.iter()
    }

    pub(crate) fn device(&self, addr: DeviceAddr) -> Option<&Device> {
        self.get(addr.account)?.device(addr.device)
    }

    pub(crate) fn device_mut(&mut self, addr: DeviceAddr) -> Option<&mut Device> {
        let account = self.get_mut(addr.account)?;
        account.devices.iter_mut().find(|device| device.id == addr.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_name_number_and_lid() {
        let mut accounts = Accounts::default();
        accounts.add("shop").expect("a free name");
        let mia = accounts.add("mia").expect("a free name");
        assert!(accounts.add("mia").is_none());
        assert_eq!(accounts.by_name("mia").map(|account| account.id), Some(mia));
        let found = |jid: Jid| accounts.by_jid(&jid).map(|account| account.id);
        assert_eq!(found(Jid::pn_device("15550000002", 3)), Some(mia));
        assert_eq!(found(Jid::lid("100000000000002")), Some(mia));
        assert_eq!(found(Jid::pn("15550000003")), None);
        assert_eq!(found(Jid::pn("100000000000002")), None);
        assert_eq!(found(Jid::group("15550000002")), None);
    }
}
