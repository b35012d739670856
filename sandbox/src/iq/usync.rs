//! Questions about people, by phone number or LID: whether they are here, their LID, their devices.
//!
//! A tag that the server has nothing to say to is left out of a person: whatsapp-rust `iq/usync.rs` takes an empty
//! `business` for a business, and an empty `picture` for an answer that it cannot read.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::pictures::{self, Owner};
use crate::profile::{self, About, Timer};
use crate::state::{AccountId, DeviceAddr, State};
use crate::tokens::Shown;
use crate::{devices, stanza};

/// What clients ask for (wacore `iq/usync/query.rs`); for anything else the answer has an error in its `result`.
const PROTOCOLS: [&str; 12] = [
    "bot",
    "business",
    "contact",
    "devices",
    "disappearing_mode",
    "feature",
    "lid",
    "picture",
    "sidelist",
    "status",
    "text_status",
    "username",
];

/// Digits of the longest phone number.
const DIGITS_MAX: usize = 15;

/// Answers a usync query; `None` if it is none.
pub(super) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let usync = iq.get_optional_child("usync")?;
    let (Some(query), Some(list)) =
        (usync.get_optional_child("query"), usync.get_optional_child("list"))
    else {
        return Some(stanza::error(iq, 400, "bad-request"));
    };
    let protocols: Vec<&str> =
        query.children().unwrap_or_default().iter().map(|child| child.tag.as_ref()).collect();
    if protocols.is_empty() {
        return Some(stanza::error(iq, 400, "bad-request"));
    }
    let users = list.get_children_by_tag("user");
    let users: Vec<Node> = users.filter_map(|user| person(state, from, &protocols, user)).collect();
    let result: Vec<Node> = protocols.iter().map(|protocol| verdict(protocol)).collect();
    let mut reply = NodeBuilder::new("usync");
    for name in ["sid", "mode", "context"] {
        if let Some(value) = usync.attrs.get(name) {
            reply = reply.attr(name, value.clone());
        }
    }
    let reply = reply.attr("index", 0).attr("last", "true").children([
        NodeBuilder::new("result").children(result).build(),
        NodeBuilder::new("list").children(users).build(),
    ]);
    Some(stanza::result_with(iq, reply.build()))
}

/// Whether a protocol is known.
fn verdict(protocol: &str) -> Node {
    let node = NodeBuilder::new_dynamic(protocol.to_owned());
    if PROTOCOLS.contains(&protocol) {
        return node.build();
    }
    let error = NodeBuilder::new("error").attr("code", 501).attr("text", "feature-not-implemented");
    node.children([error.build()]).build()
}

/// Somebody that a client asks about.
enum Asked {
    /// By phone-number JID or LID.
    Jid(Jid),
    /// By the digits of a phone number.
    Number(String),
    /// By what is no phone number.
    Nonsense,
}

/// How a client names somebody: by `jid`, by `pn_jid`, or by a number in `contact`.
fn asked(user: &Node) -> Option<Asked> {
    let jid = |name| stanza::jid(user, name);
    if let Some(jid) = jid("jid").or_else(|| jid("pn_jid")) {
        return Some(Asked::Jid(jid.into_non_ad()));
    }
    let text = stanza::bytes(user.get_optional_child("contact")?).unwrap_or_default();
    let digits = text.strip_prefix(b"+").unwrap_or_default();
    let is_number = (1..=DIGITS_MAX).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits[0] != b'0';
    Some(match std::str::from_utf8(digits) {
        Ok(digits) if is_number => Asked::Number(digits.to_owned()),
        _ => Asked::Nonsense,
    })
}

/// What is said of a person. Who is not here is `out` as a contact, and otherwise left out: whatsapp-rust
/// `iq/usync.rs` takes a LID that is in the answer for a registered one.
fn person(state: &mut State, from: DeviceAddr, protocols: &[&str], user: &Node) -> Option<Node> {
    let jid = match asked(user)? {
        Asked::Jid(jid) => jid,
        Asked::Number(number) => Jid::pn(number),
        Asked::Nonsense => {
            return Some(NodeBuilder::new("user").children([contact("invalid", user)]).build());
        }
    };
    let Some(id) = state.accounts.by_jid(&jid).map(|account| account.id) else {
        let out = protocols.contains(&"contact").then(|| contact("out", user))?;
        return Some(NodeBuilder::new("user").attr("jid", jid).children([out]).build());
    };
    if protocols.contains(&"devices") {
        devices::knows(state, from.account, id);
    }
    let mut answers = Vec::new();
    let mut unchanged = false;
    for protocol in protocols {
        match *protocol {
            "devices" => match devices(state, id, user) {
                Some(devices) => answers.push(devices),
                None => unchanged = true,
            },
            other => answers.extend(told(state, from.account, id, other, user)),
        }
    }
    // A client that has the list keeps it for whom it is not told about.
    if unchanged && answers.is_empty() {
        return None;
    }
    let mut node = NodeBuilder::new("user").attr("jid", &jid);
    if jid.is_lid() {
        node = node.attr("pn_jid", state.accounts.get(id)?.pn());
    }
    Some(node.children(answers).build())
}

/// What there is to say about an account in one protocol, to this asker.
fn told(
    state: &State,
    asker: AccountId,
    id: AccountId,
    protocol: &str,
    user: &Node,
) -> Option<Node> {
    let account = state.accounts.get(id)?;
    match protocol {
        "contact" => Some(contact("in", user)),
        "lid" => Some(NodeBuilder::new("lid").attr("val", account.lid()).build()),
        "status" => About::of(account, asker),
        "disappearing_mode" => Some(Timer::of(account)),
        "business" => profile::verified(account),
        "picture" => {
            let owner = Owner::Account(id);
            let picture = pictures::seen_by(state, asker, &owner, Shown::in_query(user)).ok()?;
            Some(NodeBuilder::new("picture").attr("id", picture.id).build())
        }
        _ => None,
    }
}

fn contact(kind: &'static str, user: &Node) -> Node {
    let node = NodeBuilder::new("contact").attr("type", kind);
    let asked = user.get_optional_child("contact").and_then(Node::content_as_string);
    match asked {
        Some(number) => node.string_content(number).build(),
        None => node.build(),
    }
}

/// The phone, every linked device, and the account's signed word on them; `None` if the client says that it has this
/// list (wacore `iq/usync.rs`: who has not changed is left out).
fn devices(state: &mut State, id: AccountId, user: &Node) -> Option<Node> {
    let now = state.clock.now();
    let account = state.accounts.get_mut(id)?;
    let device = |id: u16| NodeBuilder::new("device").attr("id", id);
    let mut all = vec![device(0).build()];
    all.extend(
        account
            .devices
            .iter()
            .map(|linked| device(linked.id).attr("key-index", linked.key_index).build()),
    );
    let list = account.device_list(now);
    let known =
        user.get_optional_child("devices").and_then(|hint| stanza::attr(hint, "device_hash"));
    if known.as_deref() == Some(&list.hash) {
        return None;
    }
    let children = [
        NodeBuilder::new("device-list").attr("hash", list.hash.as_str()).children(all).build(),
        NodeBuilder::new("key-index-list").attr("ts", list.at).bytes(list.signed.clone()).build(),
    ];
    Some(NodeBuilder::new("devices").children(children).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sandbox with the account `shop`.
    fn shop() -> (State, DeviceAddr) {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        (state, DeviceAddr { account, device: 1 })
    }

    fn query(protocol: &'static str, user: Node) -> Node {
        let usync = NodeBuilder::new("usync").attr("sid", "s").children([
            NodeBuilder::new("query").children([NodeBuilder::new(protocol).build()]).build(),
            NodeBuilder::new("list").children([user]).build(),
        ]);
        NodeBuilder::new("iq").attr("id", "1").children([usync.build()]).build()
    }

    fn users(protocol: &'static str, user: Node) -> Vec<Node> {
        let (mut state, from) = shop();
        let reply = answer(&mut state, from, &query(protocol, user)).expect("an answer");
        let list = reply.get_optional_child_by_tag(&["usync", "list"]).expect("a list");
        list.children().unwrap_or_default().to_vec()
    }

    fn named(jid: Jid) -> NodeBuilder {
        NodeBuilder::new("user").attr("jid", jid)
    }

    #[test]
    fn a_number_is_known_or_not_or_none() {
        let kind = |number: &'static str| {
            let contact = NodeBuilder::new("contact").string_content(number).build();
            let users = users("contact", NodeBuilder::new("user").children([contact]).build());
            stanza::attr(users[0].get_optional_child("contact").expect("contact"), "type")
        };
        assert_eq!(kind("+15550000001").as_deref(), Some("in"));
        assert_eq!(kind("+15550000002").as_deref(), Some("out"));
        for nonsense in ["15550000001", "+", "", "+05550000001", "+1555000000100000", "+1x"] {
            assert_eq!(kind(nonsense).as_deref(), Some("invalid"), "{nonsense}");
        }
    }

    #[test]
    fn the_phone_is_a_device_and_the_list_is_signed() {
        let users = users("devices", named(Jid::lid("100000000000001")).build());
        let devices = users[0].get_optional_child("devices").expect("devices");
        let list = devices.get_optional_child("device-list").expect("a list");
        assert_eq!(list.children().map(<[Node]>::len), Some(1));
        assert!(stanza::child_bytes(devices, "key-index-list").is_some());
        assert_eq!(
            stanza::attr(&users[0], "pn_jid").as_deref(),
            Some("15550000001@s.whatsapp.net")
        );
    }

    #[test]
    fn who_has_the_list_is_not_told_again() {
        let (mut state, from) = shop();
        let hash = state.accounts.get_mut(from.account).expect("known").device_list(7).hash.clone();
        let mut ask = |hash: &str| {
            let hint = NodeBuilder::new("devices").attr("device_hash", hash).build();
            let user = named(Jid::pn("15550000001")).children([hint]).build();
            let reply = answer(&mut state, from, &query("devices", user)).expect("an answer");
            let list = reply.get_optional_child_by_tag(&["usync", "list"]).expect("a list");
            list.children().unwrap_or_default().len()
        };
        assert_eq!((ask(&hash), ask("2:other")), (0, 1));
    }

    #[test]
    fn an_unknown_lid_is_left_out_and_a_person_of_whom_nothing_is_known_is_not() {
        assert!(users("lid", named(Jid::lid("100000000000002")).build()).is_empty());
        let known = users("status", named(Jid::lid("100000000000001")).build());
        assert!(known.len() == 1 && known[0].children().unwrap_or_default().is_empty());
        let by_pn = NodeBuilder::new("user").attr("pn_jid", Jid::pn("15550000001")).build();
        assert_eq!(users("lid", by_pn).len(), 1);
    }

    #[test]
    fn what_is_no_query_is_refused_and_an_unknown_protocol_marked() {
        let (mut state, from) = shop();
        let empty = NodeBuilder::new("iq").children([NodeBuilder::new("usync").build()]).build();
        let reply = answer(&mut state, from, &empty).expect("an answer");
        assert_eq!(stanza::attr(&reply, "type").as_deref(), Some("error"));
        let user = named(Jid::pn("15550000001")).build();
        let reply = answer(&mut state, from, &query("horoscope", user)).expect("an answer");
        let path = ["usync", "result", "horoscope", "error"];
        let error = reply.get_optional_child_by_tag(&path).expect("an error");
        assert_eq!(stanza::attr(error, "code").as_deref(), Some("501"));
    }
}
