//! Accounts: who has a phone number here.

mod numbers;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, Server};

use super::device::{Device, DeviceAddr};
use super::names::{is_for_a_client, visible};
use crate::app_state::Collections;
use crate::devices::SignedList;
use crate::iq::privacy::Privacy;
use crate::iq::props::Props;
use crate::logins::Ban;
use crate::numbers::Alias;
use crate::phone::{Handset, History, Keys, Settings};
use crate::profile::Profile;
use crate::random::Source;
use crate::tokens::{self, Tokens};

/// Devices that one account may link beside the phone.
pub(crate) const MAX_DEVICES: u16 = 4;

/// Position of an account; accounts are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AccountId(pub(crate) usize);

/// An account and its phone.
#[derive(Serialize, Deserialize)]
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
    #[serde(skip)]
    pub(crate) hangs: bool,
    /// What others may see and do, and who may nothing.
    pub(crate) privacy: Privacy,
    /// The privacy tokens that it demands, gives and makes.
    pub(crate) tokens: Tokens,
    /// What it tells of itself.
    pub(crate) profile: Profile,
    /// The settings that its devices share, as the server has them.
    pub(crate) app_state: Collections,
    /// The same settings as the phone reads them.
    pub(crate) settings: Settings,
    /// What was before: the phone sends it to a device that it links.
    pub(crate) history: Option<History>,
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

    /// The numbers between which is translated for a device that was linked under another one.
    pub(crate) fn alias(&self, device: &Device) -> Option<Alias> {
        let known = device.known_as.clone()?;
        Some(Alias { known, real: self.phone.clone() })
    }

    /// Whether there is a device of this number; 0 is the phone.
    pub(crate) fn has(&self, id: u16) -> bool {
        id == 0 || self.device(id).is_some()
    }

    /// Every linked device.
    pub(crate) fn linked(&self) -> impl Iterator<Item = DeviceAddr> + use<'_> {
        let account = self.id;
        self.devices.iter().map(move |device| DeviceAddr { account, device: device.id })
    }

    /// The phone and every linked device.
    pub(crate) fn everywhere(&self) -> impl Iterator<Item = DeviceAddr> + use<'_> {
        std::iter::once(DeviceAddr::phone(self.id)).chain(self.linked())
    }

    /// The lowest number that no device has and none was promised; `None` if the account is full.
    pub(crate) fn free_device(&self, promised: &[u16]) -> Option<u16> {
        (1..=MAX_DEVICES).find(|id| self.device(*id).is_none() && !promised.contains(id))
    }
}

/// All accounts, in the order in which they were made.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Accounts {
    all: Vec<Account>,
    by_name: HashMap<String, AccountId>,
    /// By the push name that devices register with to join it.
    by_push_name: HashMap<String, AccountId>,
    /// Who has, or had before, a number by a change of number.
    renumbered: HashMap<String, Vec<AccountId>>,
    /// Where the keys of phones come from.
    #[serde(skip)]
    source: Source,
}

impl Accounts {
    /// No accounts yet; their keys are of this source.
    pub(crate) fn new(source: Source) -> Self {
        Self { source, ..Self::default() }
    }

    /// Gives an account, whose phone is set up anew, other keys.
    pub(crate) fn renew_keys(&mut self, id: AccountId) {
        if let Some((account, source)) = self.with_source(id) {
            let old = account.keys.public();
            account.keys = Keys::generate(&mut source.stream("new keys of a phone", &old));
        }
    }

    /// An account, and where its phone's random numbers come from.
    pub(crate) fn with_source(&mut self, id: AccountId) -> Option<(&mut Account, Source)> {
        let source = self.source;
        Some((self.get_mut(id)?, source))
    }

    /// Makes an account; the name must be free. Number and LID follow from its position.
    pub(crate) fn add(&mut self, name: &str) -> Option<AccountId> {
        if self.by_name(name).is_some() {
            return None;
        }
        let id = AccountId(self.all.len());
        let number = self.all.len() + 1;
        self.by_name.insert(name.to_owned(), id);
        // An account on demand may have come first, with a name of its own.
        self.by_push_name.entry(name.to_owned()).or_insert(id);
        self.all.push(Account {
            id,
            name: name.to_owned(),
            phone: format!("1555{number:07}"),
            lid: format!("1{number:014}"),
            push_name: visible(name).to_owned(),
            keys: Keys::generate(&mut self.source.stream("keys of a phone", name.as_bytes())),
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
            tokens: Tokens::default(),
            profile: Profile::default(),
            app_state: Collections::default(),
            settings: Settings::default(),
            history: None,
        });
        Some(id)
    }

    /// The account that devices of this push name join, made if there is none. It is called like that if people can type
    /// it, and `phone-N` otherwise; what others see is the push name, whatever it holds. Without a name it is a new account.
    /// What a push name asks for beside a name is not done here: see [`tokens::join`].
    pub(crate) fn joined_as(&mut self, push_name: Option<&str>) -> AccountId {
        let push_name = push_name.filter(|name| !name.trim().is_empty());
        if let Some(id) = push_name.and_then(|name| self.of_push_name(name)) {
            return id;
        }
        let own = push_name.map(tokens::person);
        let own = own.filter(|name| is_for_a_client(name) && self.by_name(name).is_none());
        let name = own.map_or_else(|| self.free_name(), str::to_owned);
        let id = self.add(&name).expect("the name is free");
        if let Some(push_name) = push_name.filter(|push_name| *push_name != name) {
            self.by_push_name.remove(&name);
            self.by_push_name.insert(push_name.to_owned(), id);
            visible(push_name).clone_into(&mut self.all[id.0].push_name);
        }
        id
    }

    /// The account that devices of this push name join, if there is one.
    pub(crate) fn of_push_name(&self, push_name: &str) -> Option<AccountId> {
        self.by_push_name.get(push_name).copied()
    }

    /// `phone-N`, with the number of the account to come, or the next one that is neither a name nor a push name.
    fn free_name(&self) -> String {
        let mut number = self.all.len() + 1;
        loop {
            let name = format!("phone-{number}");
            if !self.by_name.contains_key(&name) && !self.by_push_name.contains_key(&name) {
                return name;
            }
            number += 1;
        }
    }

    pub(crate) fn get(&self, id: AccountId) -> Option<&Account> {
        self.all.get(id.0)
    }

    pub(crate) fn get_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.all.get_mut(id.0)
    }

    /// The account that a phone-number JID or a LID belongs to, whatever its device part.
    pub(crate) fn by_jid(&self, jid: &Jid) -> Option<&Account> {
        let user = jid.user.as_str();
        match jid.server {
            Server::Pn => {
                let is_its = |account: &&Account| account.phone == user;
                self.made_with(user).filter(is_its).or_else(|| self.once(user).find(is_its))
            }
            Server::Lid => {
                let digits = user.strip_prefix('1').filter(|digits| digits.len() >= 14)?;
                self.all.get(place(digits)?).filter(|account| account.lid == user)
            }
            _ => None,
        }
    }

    /// The account of the number with which one of this number was made.
    fn made_with(&self, number: &str) -> Option<&Account> {
        self.all.get(place_of(number)?)
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

/// The position of the account that is made with this number.
fn place_of(number: &str) -> Option<usize> {
    place(number.strip_prefix("1555").filter(|digits| digits.len() >= 7)?)
}

fn place(digits: &str) -> Option<usize> {
    digits.parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The account that devices of this push name join, by its name and with what others see.
    fn joined(accounts: &mut Accounts, push_name: Option<&str>) -> (String, String) {
        let id = accounts.joined_as(push_name);
        let account = accounts.get(id).expect("just joined");
        (account.name.clone(), account.push_name.clone())
    }

    #[test]
    fn equal_push_names_share_an_account_and_no_name_makes_one() {
        let mut accounts = Accounts::default();
        let shop = accounts.add("shop").expect("a free name");
        assert_eq!(accounts.joined_as(Some("shop")), shop);
        let crew = accounts.joined_as(Some("Crew"));
        assert_eq!(accounts.joined_as(Some("Crew")), crew);
        assert_ne!(accounts.joined_as(Some("crew")), crew);
        let mut nameless = |push_name| accounts.joined_as(push_name);
        let made = [nameless(None), nameless(None), nameless(Some("")), nameless(Some(" "))];
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]), "{made:?}");
    }

    #[test]
    fn what_nobody_can_type_is_a_push_name_and_no_name() {
        let mut accounts = Accounts::default();
        let plain = |name: &str| (name.to_owned(), name.to_owned());
        assert_eq!(joined(&mut accounts, Some("Shop_1")), plain("Shop_1"));
        let long = "x".repeat(65);
        for (number, text) in (2..).zip(["Käthe & Söhne 🛒", "a/b", "15550000001", "..", &long])
        {
            let expected = (format!("phone-{number}"), visible(text).to_owned());
            assert_eq!(joined(&mut accounts, Some(text)), expected);
            assert_eq!(joined(&mut accounts, Some(text)), expected);
        }
    }

    #[test]
    fn others_see_25_characters_of_a_push_name_and_all_of_it_names_the_account() {
        let mut accounts = Accounts::default();
        let fits = "🛒".repeat(25);
        assert_eq!(visible(&fits), fits);
        let longer = ["a", "b"].map(|end| format!("{fits}{end}"));
        let [a, b] = longer.each_ref().map(|name| joined(&mut accounts, Some(name)));
        assert_eq!((&a.1, &b.1), (&fits, &fits));
        assert_ne!(a.0, b.0);
        assert_eq!(joined(&mut accounts, Some(&longer[0])), a);
        assert_eq!(visible(""), "");
    }

    #[test]
    fn a_name_that_was_made_up_is_nobodys_push_name() {
        let mut accounts = Accounts::default();
        let cafe = accounts.joined_as(Some("Café"));
        assert_eq!(accounts.get(cafe).expect("joined").name, "phone-1");
        let other = accounts.joined_as(Some("phone-1"));
        assert_ne!(other, cafe);
        assert_eq!(joined(&mut accounts, Some("phone-1")).1, "phone-1");
        // A name of a person's own choice is taken only by accounts.
        assert!(accounts.add("Café").is_some());
        assert_eq!(accounts.joined_as(Some("Café")), cafe);
        accounts.add("phone-4").expect("a free name");
        assert_eq!(joined(&mut accounts, None), ("phone-5".to_owned(), "phone-5".to_owned()));
    }

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
