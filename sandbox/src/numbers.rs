//! A change of number: the account keeps its LID, its groups and its devices, and has another phone number.
//!
//! Who knows the account gets a `notification` `contacts` `modify` (whatsapp-rust `handlers/notification/profile.rs`), and
//! its groups one of type `w:gp2` with `modify` (`handlers/notification/groups.rs`: it names the new participants). No client
//! tells how the account's own devices hear of it: they go on under the number that they know, which is the account's
//! nowhere else.

use std::sync::Arc;

use serde_json::json;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent, NodeValue, Server};

use crate::state::{AccountId, State};
use crate::{Error, Result, devices, groups, phone, stanza};

/// Digits of a phone number: those of E.164, and enough of them to be told from a short code.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Gives an account another number, and tells everybody whom it concerns. The one that it has changes nothing.
pub(crate) fn change(state: &mut State, id: AccountId, number: &str) -> Result<()> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_number = DIGITS.contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number {
        return Err(Error::InvalidNumber(number.to_owned()));
    }
    let before =
        groups::person_of(state, id).ok_or_else(|| Error::NoSuchPhone(id.0.to_string()))?;
    if before.phone.user == digits {
        return Ok(());
    }
    if !state.accounts.renumber(id, digits) {
        return Err(Error::NumberTaken(digits.to_owned()));
    }
    for (link, alias) in state.accounts.aliases(id) {
        state.links.alias(link, alias);
    }
    phone::renumbered(state, &before.phone.user, digits);
    let now = Jid::pn(digits);
    let detail = json!({ "from": before.phone.user.as_str(), "to": digits });
    state.journal.record(state.clock.now_ms(), &before.name, "account.number", digits, detail);
    let told = NodeBuilder::new("modify")
        .attr("old", &before.phone)
        .attr("new", &now)
        .attr("old_lid", &before.lid)
        .attr("new_lid", &before.lid)
        .build();
    devices::tell_peers(state, id, |account, stanza_id| {
        let node = stanza::notification(account.pn(), "contacts", stanza_id);
        Some(node.children([told]).build())
    });
    let pushes = groups::renumber(state, &before, &now);
    state.push_all(pushes);
    Ok(())
}

/// The two numbers of an account between which the server translates for a device that was linked under the older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alias {
    /// What the device knows.
    pub(crate) known: String,
    /// What the account has.
    pub(crate) real: String,
}

impl Alias {
    /// What the device gets.
    pub(crate) fn outward(&self, node: Arc<Node>) -> Arc<Node> {
        if !names(&node, &self.real) {
            return node;
        }
        let mut node = Arc::unwrap_or_clone(node);
        rename(&mut node, &self.real, &self.known);
        node.into()
    }

    /// What the device has said.
    pub(crate) fn inward(&self, mut node: Node) -> Node {
        rename(&mut node, &self.known, &self.real);
        node
    }
}

fn is(value: &NodeValue, number: &str) -> bool {
    value.to_jid().is_some_and(|jid| jid.server == Server::Pn && jid.user == number)
}

/// Whether it asks or tells of this number, which is a text there (`iq/usync.rs`).
fn is_contact(node: &Node, number: &str) -> bool {
    let text = (node.tag == "contact").then(|| stanza::bytes(node)).flatten();
    text.and_then(|text| text.strip_prefix(b"+")) == Some(number.as_bytes())
}

fn names(node: &Node, number: &str) -> bool {
    let children = node.children().unwrap_or_default();
    is_contact(node, number)
        || node.attrs.iter().any(|(_, value)| is(value, number))
        || children.iter().any(|child| names(child, number))
}

fn rename(node: &mut Node, from: &str, to: &str) {
    for (_, value) in &mut node.attrs.0 {
        if let Some(jid) = value.to_jid().filter(|jid| jid.server == Server::Pn && jid.user == from)
        {
            *value = NodeValue::from(Jid { user: to.into(), ..jid });
        }
    }
    if is_contact(node, from) {
        node.content = Some(NodeContent::String(format!("+{to}").into()));
    }
    if let Some(NodeContent::Nodes(children)) = &mut node.content {
        for child in children {
            rename(child, from, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::attr;
    use crate::state::Device;

    fn alias() -> Alias {
        Alias { known: "15550000001".to_owned(), real: "4917000000".to_owned() }
    }

    #[test]
    fn the_number_is_another_one_on_the_way_out_and_in_wherever_it_stands() {
        let item = NodeBuilder::new("to").attr("jid", Jid::pn("4917000000").with_device(2)).build();
        let node = NodeBuilder::new("message")
            .attr("from", "4917000000@s.whatsapp.net")
            .attr("participant", Jid::lid("4917000000"))
            .attr("id", "4917000000")
            .children([item])
            .build();
        let out = alias().outward(Arc::new(node.clone()));
        assert_eq!(attr(&out, "from").as_deref(), Some("15550000001@s.whatsapp.net"));
        assert_eq!(attr(&out, "participant").as_deref(), Some("4917000000@lid"));
        assert_eq!(attr(&out, "id").as_deref(), Some("4917000000"));
        let child = &out.children().expect("a child")[0];
        assert_eq!(attr(child, "jid").as_deref(), Some("15550000001:2@s.whatsapp.net"));
        // What no address can be is a text on the wire, and ends nobody's connection (wacore-binary `encoder.rs`).
        let far = NodeBuilder::new("call").attr("from", "4917000000:300@s.whatsapp.net").build();
        let far = alias().outward(Arc::new(far));
        assert_eq!(attr(&far, "from").as_deref(), Some("15550000001:300@s.whatsapp.net"));
        assert!(crate::wire::write(&far).is_ok());
        let back = alias().inward(Node::clone(&out));
        let child = &back.children().expect("a child")[0];
        assert_eq!(attr(child, "jid").as_deref(), Some("4917000000:2@s.whatsapp.net"));
    }

    #[test]
    fn what_names_nobody_of_that_number_is_not_copied() {
        let node = Arc::new(NodeBuilder::new("message").attr("from", Jid::pn("1555")).build());
        assert!(Arc::ptr_eq(&alias().outward(Arc::clone(&node)), &node));
    }

    #[test]
    fn a_number_is_one_that_nobody_has_or_is_to_get() {
        let mut state = State::default();
        let [shop, mia] = ["shop", "mia"].map(|name| state.accounts.add(name).expect("free"));
        for wrong in
            ["", "+", "123456", "0123456789", "1234567890123456", "49 170 0000", "49x7000000"]
        {
            let refused = change(&mut state, shop, wrong);
            assert!(matches!(refused, Err(Error::InvalidNumber(_))), "{wrong}: {refused:?}");
        }
        // That of another phone, and that which the next phone is to have.
        for taken in ["15550000002", "+15550000003"] {
            let refused = change(&mut state, shop, taken);
            assert!(matches!(refused, Err(Error::NumberTaken(_))), "{taken}: {refused:?}");
        }
        change(&mut state, shop, "+4917000000").expect("a free number");
        let told = state.journal.all().len();
        change(&mut state, shop, "4917000000").expect("its own");
        assert_eq!(state.journal.all().len(), told);
        assert!(matches!(change(&mut state, mia, "4917000000"), Err(Error::NumberTaken(_))));
        let found =
            |state: &State, number: &str| state.accounts.by_jid(&Jid::pn(number)).map(|it| it.id);
        assert_eq!(found(&state, "4917000000"), Some(shop));
        assert_eq!(found(&state, "15550000001"), None);
        // Back again, but a device was linked under that number. Once it is gone the number is free for the other one.
        let device = Device::new(1, 1, 7);
        state.accounts.get_mut(shop).expect("known").devices.push(device);
        change(&mut state, shop, "15550000001").expect("its own");
        assert!(matches!(change(&mut state, mia, "4917000000"), Err(Error::NumberTaken(_))));
        state.accounts.get_mut(shop).expect("known").devices.clear();
        change(&mut state, mia, "4917000000").expect("a free number");
        assert_eq!(found(&state, "4917000000"), Some(mia));
        assert_eq!(found(&state, "15550000001"), Some(shop));
    }
}
