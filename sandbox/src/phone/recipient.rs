//! Whom a phone writes to.

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, JidExt as _};

use crate::relay::Addressing;
use crate::state::{Account, AccountId, State};
use crate::{Error, Result};

/// What the index of a contact begins with.
const CONTACT: &str = "contact";

/// A person, a group or a newsletter, and how the stanza names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Recipient {
    /// A person, by LID or by phone number.
    Person {
        /// Whose devices.
        account: AccountId,
        /// Which of their addresses.
        way: Addressing,
    },
    /// A group, or the status of everybody.
    Group(Jid),
    /// A newsletter.
    Newsletter(Jid),
}

impl Recipient {
    /// Finds whom somebody means: by the name of an account, a JID (LID or phone number) or the digits of a number. A
    /// name stands for the LID, which phones have come to use.
    pub(crate) fn find(state: &State, to: &str) -> Result<Self> {
        if let Some(account) = state.accounts.by_name(to) {
            return Ok(Self::Person { account: account.id, way: Addressing::Lid });
        }
        let unknown = || Error::NoSuchChat(to.to_owned());
        let digits = to.strip_prefix('+').unwrap_or(to);
        let jid = if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            Jid::pn(digits)
        } else {
            to.parse().map_err(|_| unknown())?
        };
        if jid.is_group() {
            return match state.groups.find(&jid) {
                Ok(_) => Ok(Self::Group(jid)),
                Err(_) => Err(unknown()),
            };
        }
        if jid.is_status_broadcast() {
            return Ok(Self::Group(jid));
        }
        if jid.is_newsletter() {
            let known = state.newsletters.find(&jid).is_ok();
            return if known { Ok(Self::Newsletter(jid)) } else { Err(unknown()) };
        }
        let account = state.accounts.by_jid(&jid).ok_or_else(unknown)?;
        let way = Addressing::of(&jid).ok_or_else(unknown)?;
        Ok(Self::Person { account: account.id, way })
    }

    /// Whether it is the same chat, by whichever address.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Person { account, .. }, Self::Person { account: other, .. }) => account == other,
            _ => self == other,
        }
    }

    /// By which of their addresses people are known there.
    pub(super) fn way(&self, state: &State) -> Addressing {
        match self {
            Self::Person { way, .. } => *way,
            Self::Group(status) if status.is_status_broadcast() => Addressing::Lid,
            Self::Group(gid) => {
                state.groups.find(gid).map_or(Addressing::Phone, |group| group.addressing)
            }
            // Nobody is named there.
            Self::Newsletter(_) => Addressing::Lid,
        }
    }

    /// What the phone's chats call it: the JID of the group or the newsletter, or the person's phone-number JID.
    pub(super) fn name(&self, state: &State) -> String {
        match self {
            Self::Group(jid) | Self::Newsletter(jid) => jid.to_string(),
            Self::Person { account, .. } => {
                Self::Person { account: *account, way: Addressing::Phone }.jid(state).to_string()
            }
        }
    }

    /// What stanzas call it, without a device part.
    pub(crate) fn jid(&self, state: &State) -> Jid {
        match self {
            Self::Group(jid) | Self::Newsletter(jid) => jid.clone(),
            Self::Person { account, way } => {
                let account = state.accounts.get(*account);
                account.map(|account| way.person(account)).unwrap_or_default()
            }
        }
    }
}

/// Who reads what an account writes in a group: its members. Its status is for those whom its phone has among its contacts,
/// and for itself.
pub(super) fn readership<'a>(state: &'a State, account: AccountId, gid: &Jid) -> Vec<&'a Account> {
    if !gid.is_status_broadcast() {
        let group = state.groups.find(gid).ok();
        return group.into_iter().flat_map(|group| state.members(group)).collect();
    }
    let Some(own) = state.accounts.get(account) else { return Vec::new() };
    let contacts = own.settings.all().filter_map(|setting| match &setting.index[..] {
        [action, jid, ..] if action == CONTACT => state.accounts.by_jid(&jid.parse().ok()?),
        _ => None,
    });
    let others = contacts.filter(|other| other.id != account && !own.privacy.blocks(other.id));
    std::iter::once(own).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_by_name_number_and_both_addresses() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        let find = |to: &str| Recipient::find(&state, to);
        let person = |way| Recipient::Person { account: shop, way };
        for to in ["15550000001", "+15550000001", "15550000001@s.whatsapp.net"] {
            assert_eq!(find(to).expect(to), person(Addressing::Phone));
        }
        for to in ["shop", "100000000000001@lid", "100000000000001:3@lid"] {
            assert_eq!(find(to).expect(to), person(Addressing::Lid));
        }
        for to in ["nobody", "", "+", "15550000002", "1@g.us", "1@newsletter"] {
            assert!(matches!(find(to), Err(Error::NoSuchChat(name)) if name == to), "{to}");
        }
    }
}
