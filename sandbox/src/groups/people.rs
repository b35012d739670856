//! Accounts as groups see them.

use wacore_binary::Jid;

use super::answer;
use super::group::Person;
use crate::stanza::Push;
use crate::state::{Account, AccountId, State};

/// An account.
pub(crate) fn of_account(state: &State, account: AccountId) -> Option<Person> {
    state.accounts.get(account).map(person)
}

/// Somebody has another number: every group that names them has it, and those that they are in are told.
pub(crate) fn renumber(state: &mut State, who: &Person, number: &Jid) -> Vec<Push> {
    let at_ms = state.clock.now_ms();
    let notices = state.groups.renumber(who, number, at_ms);
    answer::all_pushes(state, notices, None)
}

/// The account behind a phone-number JID or a LID.
pub(super) fn of_jid(state: &State, jid: &Jid) -> Option<Person> {
    state.accounts.by_jid(jid).map(person)
}

/// Whether the account behind this address has to be invited by name.
pub(super) fn lets_nobody_add(state: &State, jid: &Jid) -> bool {
    let account = state.accounts.by_jid(jid);
    account.is_some_and(|account| account.privacy.value("groupadd") == "none")
}

/// The account of this name.
pub(crate) fn of_name(state: &State, name: &str) -> Option<Person> {
    state.accounts.by_name(name).map(person)
}

fn person(account: &Account) -> Person {
    Person { name: account.name.clone(), lid: account.lid(), phone: account.pn() }
}
