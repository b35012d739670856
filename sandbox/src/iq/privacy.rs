//! What an account lets others see and do, and whom it has blocked.
//!
//! Categories and values are those of whatsapp-rust 0.7 (`wacore/src/iq/privacy.rs`); others are refused with 400.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::stanza::{self, Answer, Push, attr, jid};
use crate::state::{AccountId, DeviceAddr, State};

/// Every category, with the value of a new account.
const CATEGORIES: [(&str, &str); 9] = [
    ("last", "all"),
    ("online", "all"),
    ("profile", "all"),
    ("status", "contacts"),
    ("readreceipts", "all"),
    ("groupadd", "all"),
    ("calladd", "all"),
    ("messages", "all"),
    ("defense", "off"),
];

/// The name of a category that there is, if it may have this value.
fn allowed(category: &str, value: &str) -> Option<&'static str> {
    let (name, _) = CATEGORIES.iter().find(|(name, _)| *name == category)?;
    let may = match *name {
        "online" => matches!(value, "all" | "match_last_seen"),
        "readreceipts" => matches!(value, "all" | "none"),
        "calladd" => matches!(value, "all" | "known"),
        "messages" => matches!(value, "all" | "contacts"),
        "defense" => matches!(value, "off" | "on_standard"),
        _ => matches!(value, "all" | "contacts" | "contact_blacklist" | "none"),
    };
    may.then_some(*name)
}

/// The settings of one account; what was never set is as in a new one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Privacy {
    #[serde(deserialize_with = "categories")]
    set: Vec<(&'static str, String)>,
    /// Who was blocked, and when in epoch seconds.
    blocked: Vec<(AccountId, i64)>,
}

/// Reads the categories that were set.
fn categories<'de, D>(from: D) -> Result<Vec<(&'static str, String)>, D::Error>
where
    D: Deserializer<'de>,
{
    let unknown = |name: &str| D::Error::custom(format!("there is no such value of `{name}`"));
    let known = |(name, value): (String, String)| match allowed(&name, &value) {
        Some(name) => Ok((name, value)),
        None => Err(unknown(&name)),
    };
    Vec::<(String, String)>::deserialize(from)?.into_iter().map(known).collect()
}

impl Privacy {
    /// The value of a category; empty if there is none of this name.
    pub(crate) fn value(&self, category: &str) -> &str {
        let set =
            self.set.iter().find(|(name, _)| *name == category).map(|(_, value)| value.as_str());
        let usual =
            || CATEGORIES.iter().find(|(name, _)| *name == category).map(|(_, usual)| *usual);
        set.or_else(usual).unwrap_or_default()
    }

    /// Sets a category; says whether there is such a category and it may have this value.
    pub(crate) fn set(&mut self, category: &str, value: &str) -> bool {
        let Some(name) = allowed(category, value) else { return false };
        self.set.retain(|(other, _)| *other != name);
        self.set.push((name, value.to_owned()));
        true
    }

    /// Whether this account is blocked.
    pub(crate) fn blocks(&self, account: AccountId) -> bool {
        self.blocked.iter().any(|(blocked, _)| *blocked == account)
    }

    /// Whether what this category is about is shown to another account. There are no contacts here: it is shown to all who
    /// are not blocked, or to nobody.
    pub(crate) fn shows(&self, category: &str, to: AccountId) -> bool {
        self.value(category) != "none" && !self.blocks(to)
    }

    fn block(&mut self, account: AccountId, on: bool, now: i64) {
        self.blocked.retain(|(blocked, _)| *blocked != account);
        if on {
            self.blocked.push((account, now));
        }
    }
}

/// Answers what is asked of the settings; tokens are none: see `tokens.rs`.
pub(super) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let child = stanza::first_child(iq)?;
    let account = state.accounts.get_mut(from.account)?;
    match (attr(iq, "type")?.as_str(), child.tag.as_ref()) {
        ("get", "privacy") => {
            let categories = CATEGORIES.map(|(name, _)| category(&account.privacy, name));
            let settings = NodeBuilder::new("privacy").children(categories).build();
            Some(stanza::result_with(iq, settings))
        }
        ("set", "privacy") => {
            // All of them or none.
            let asked = child.get_children_by_tag("category").map(|node| {
                let asked = (attr(node, "name")?, attr(node, "value")?);
                allowed(&asked.0, &asked.1).is_some().then_some(asked)
            });
            let asked = asked.collect::<Option<Vec<_>>>().filter(|asked| !asked.is_empty());
            let Some(asked) = asked else {
                return Some(stanza::error(iq, 400, "bad-request"));
            };
            for (name, value) in &asked {
                account.privacy.set(name, value);
            }
            let categories = asked.iter().map(|(name, _)| category(&account.privacy, name));
            let settings = NodeBuilder::new("privacy").children(categories).build();
            Some(stanza::result_with(iq, settings))
        }
        _ => None,
    }
}

fn category(privacy: &Privacy, name: &str) -> Node {
    NodeBuilder::new("category").attr("name", name).attr("value", privacy.value(name)).build()
}

/// Answers what is asked of the list of blocked people. The account's other devices hear of changes.
pub(super) fn blocklist(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Answer> {
    if attr(iq, "type")? == "get" {
        return Some(stanza::result_with(iq, list(state, from.account)?).into());
    }
    let item = iq.get_optional_child("item")?;
    let on = match attr(item, "action").as_deref() {
        Some("block") => true,
        Some("unblock") => false,
        _ => return Some(stanza::error(iq, 400, "bad-request").into()),
    };
    let whom = jid(item, "jid").and_then(|jid| Some(state.accounts.by_jid(&jid)?.id));
    let Some(whom) = whom.filter(|whom| *whom != from.account) else {
        return Some(stanza::error(iq, 404, "item-not-found").into());
    };
    block(state, from.account, whom, on);
    let push = told(state, from, whom, on)?;
    let reply = stanza::result_with(iq, list(state, from.account)?);
    Some(Answer { reply, pushes: vec![push] })
}

/// An account blocks another, or does not any more.
pub(crate) fn block(state: &mut State, account: AccountId, whom: AccountId, on: bool) {
    if let Some(account) = state.accounts.get_mut(account) {
        account.privacy.block(whom, on, state.clock.now());
    }
}

/// What the account's other devices hear.
fn told(state: &mut State, from: DeviceAddr, whom: AccountId, on: bool) -> Option<Push> {
    let stamp = state.stamp();
    let account = state.accounts.get(from.account)?;
    let item = NodeBuilder::new("item")
        .attr("jid", state.accounts.get(whom)?.lid())
        .attr("action", if on { "block" } else { "unblock" })
        .build();
    let list = NodeBuilder::new("blocklist").children([item]).build();
    let node = stanza::notification(account.pn(), "account_sync", &stamp).children([list]).build();
    Some(Push { account: account.id, except: Some(from), node: node.into() })
}

fn list(state: &State, account: AccountId) -> Option<Node> {
    let blocked = &state.accounts.get(account)?.privacy.blocked;
    let items = blocked.iter().filter_map(|(id, at)| {
        let jid: Jid = state.accounts.get(*id)?.lid();
        Some(NodeBuilder::new("item").attr("jid", jid).attr("t", *at).build())
    });
    Some(NodeBuilder::new("list").children(items.collect::<Vec<_>>()).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_has_a_value_of_its_own_or_the_usual_one() {
        let mut privacy = Privacy::default();
        assert_eq!(privacy.value("last"), "all");
        assert!(privacy.set("last", "none") && privacy.set("online", "match_last_seen"));
        assert_eq!((privacy.value("last"), privacy.value("online")), ("none", "match_last_seen"));
        assert!(!privacy.set("online", "none") && !privacy.set("hair", "all"));
        assert_eq!(privacy.value("hair"), "");
    }

    #[test]
    fn who_is_blocked_twice_is_unblocked_once() {
        let mut privacy = Privacy::default();
        let you = AccountId(3);
        privacy.block(you, true, 7);
        privacy.block(you, true, 7);
        assert!(privacy.blocks(you) && privacy.blocked.len() == 1);
        privacy.block(you, false, 7);
        assert!(!privacy.blocks(you));
    }

    #[test]
    fn what_is_hidden_from_all_or_from_one_is_not_shown() {
        let mut privacy = Privacy::default();
        let you = AccountId(3);
        assert!(privacy.shows("status", you));
        privacy.block(you, true, 7);
        assert!(!privacy.shows("status", you) && privacy.shows("status", AccountId(4)));
        privacy.set("status", "none");
        assert!(!privacy.shows("status", AccountId(4)) && privacy.shows("last", AccountId(4)));
    }
}
