//! Whom a phone writes to.

use wacore_binary::{Jid, JidExt as _};

use crate::relay::Addressing;
use crate::state::{AccountId, State};
use crate::{Error, Result};

/// A person or a group, and how the stanza names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// A person, by LID or by phone number.
    Person {
        /// Whose devices.
        account: AccountId,
        /// Named by the LID.
        by_lid: bool,
    },
    /// A group.
    Group(Jid),
}

impl Recipient {
    /// Finds whom somebody means: by the name of an account, a JID (LID or phone number) or the digits of a number. A
    /// name stands for the LID, which phones have come to use.
    pub(crate) fn find(state: &State, to: &str) -> Result<Self> {
        if let Some(account) = state.accounts.by_name(to) {
            return Ok(Self::Person { account: account.id, by_lid: true });
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
        let account = state.accounts.by_jid(&jid).ok_or_else(unknown)?;
        Ok(Self::Person { account: account.id, by_lid: jid.is_lid() })
    }

    /// Whether people have their LID as an address there, and not their phone number.
    pub(super) fn by_lid(&self, state: &State) -> bool {
        match self {
            Self::Person { by_lid, .. } => *by_lid,
            Self::Group(gid) => {
                let group = state.groups.find(gid);
                group.is_ok_and(|group| group.addressing == Addressing::Lid)
            }
        }
    }

    /// What the phone's chats call it: the group's JID, or the person's phone-number JID.
    pub(super) fn name(&self, state: &State) -> String {
        match self {
            Self::Group(gid) => gid.to_string(),
            Self::Person { account, .. } => {
                Self::Person { account: *account, by_lid: false }.jid(state).to_string()
            }
        }
    }

    /// What stanzas call it, without a device part.
    pub(crate) fn jid(&self, state: &State) -> Jid {
        match self {
            Self::Group(gid) => gid.clone(),
            Self::Person { account, by_lid } => {
                let account = state.accounts.get(*account);
                let jid = account.map(|account| if *by_lid { account.lid() } else { account.pn() });
                jid.unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_by_name_number_and_both_addresses() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        let find = |to: &str| Recipient::find(&state, to);
        let person = |by_lid| Recipient::Person { account: shop, by_lid };
        for to in ["15550000001", "+15550000001", "15550000001@s.whatsapp.net"] {
            assert_eq!(find(to).expect(to), person(false));
        }
        for to in ["shop", "100000000000001@lid", "100000000000001:3@lid"] {
            assert_eq!(find(to).expect(to), person(true));
        }
        for to in ["nobody", "", "+", "15550000002", "1@g.us"] {
            assert!(matches!(find(to), Err(Error::NoSuchChat(name)) if name == to), "{to}");
        }
    }
}
