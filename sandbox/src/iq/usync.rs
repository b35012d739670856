//! Questions about people: whether they are here, their LID, and their devices.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeValue};

use crate::clock;
use crate::stanza;
use crate::state::{Account, State};

/// Answers a usync query. Who or what is not known is left out of the answer.
pub(super) fn answer(state: &State, iq: &Node) -> Option<Node> {
    let usync = iq.get_optional_child("usync")?;
    let query = usync.get_optional_child("query")?;
    let protocols: Vec<&str> =
        query.children().unwrap_or_default().iter().map(|child| child.tag.as_ref()).collect();
    let asked = usync.get_optional_child("list").and_then(Node::children).unwrap_or_default();
    let users = asked.iter().filter_map(|user| person(state, &protocols, user));
    let result =
        protocols.iter().map(|protocol| NodeBuilder::new_dynamic((*protocol).to_owned()).build());
    let mut reply = NodeBuilder::new("usync");
    for name in ["sid", "mode", "context"] {
        if let Some(value) = usync.attrs.get(name) {
            reply = reply.attr(name, value.clone());
        }
    }
    let reply = reply.attr("index", 0).attr("last", "true").children([
        NodeBuilder::new("result").children(result.collect::<Vec<_>>()).build(),
        NodeBuilder::new("list").children(users.collect::<Vec<_>>()).build(),
    ]);
    Some(stanza::result_with(iq, reply.build()))
}

fn person(state: &State, protocols: &[&str], user: &Node) -> Option<Node> {
    let jid = user.attrs.get("jid").and_then(NodeValue::to_jid);
    let number = user.get_optional_child("contact").and_then(stanza::bytes);
    let number = number.map(|text| String::from_utf8_lossy(text).replace('+', ""));
    let account = match (&jid, &number) {
        (Some(jid), _) => state.accounts.by_jid(jid),
        (None, Some(number)) => state.accounts.by_jid(&Jid::pn(number.as_str())),
        (None, None) => return None,
    };
    let Some(account) = account else {
        let asked = jid.or_else(|| number.map(Jid::pn))?.into_non_ad();
        let contact = protocols.contains(&"contact").then(|| contact("out", user));
        return Some(NodeBuilder::new("user").attr("jid", asked).children(contact).build());
    };
    let asked = jid.map_or_else(|| account.pn(), Jid::into_non_ad);
    let answers = protocols.iter().filter_map(|protocol| match *protocol {
        "devices" => Some(devices(account)),
        "contact" => Some(contact("in", user)),
        "lid" => Some(NodeBuilder::new("lid").attr("val", account.lid()).build()),
        _ => None,
    });
    let mut node = NodeBuilder::new("user").attr("jid", &asked);
    if asked.is_lid() {
        node = node.attr("pn_jid", account.pn());
    }
    Some(node.children(answers).build())
}

fn contact(kind: &'static str, user: &Node) -> Node {
    let node = NodeBuilder::new("contact").attr("type", kind);
    let asked = user.get_optional_child("contact").and_then(Node::content_as_string);
    match asked {
        Some(number) => node.string_content(number).build(),
        None => node.build(),
    }
}

/// The phone, every linked device, and the account's signed word on them: without it clients skip the account.
fn devices(account: &Account) -> Node {
    let device = |id: u16| NodeBuilder::new("device").attr("id", id);
    let list = std::iter::once(device(0).build()).chain(
        account
            .devices
            .iter()
            .map(|linked| device(linked.id).attr("key-index", linked.key_index).build()),
    );
    let indexes: Vec<u32> = account.devices.iter().map(|linked| linked.key_index).collect();
    let signed = account.keys.key_index_list(account.key_index, &indexes);
    NodeBuilder::new("devices")
        .children([
            NodeBuilder::new("device-list").children(list.collect::<Vec<_>>()).build(),
            NodeBuilder::new("key-index-list").attr("ts", clock::now()).bytes(signed).build(),
        ])
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(protocol: &'static str, user: Node) -> Node {
        let usync = NodeBuilder::new("usync").attr("sid", "s").children([
            NodeBuilder::new("query").children([NodeBuilder::new(protocol).build()]).build(),
            NodeBuilder::new("list").children([user]).build(),
        ]);
        NodeBuilder::new("iq").attr("id", "1").children([usync.build()]).build()
    }

    fn users(state: &State, iq: &Node) -> Vec<Node> {
        let reply = answer(state, iq).expect("an answer");
        let list = reply.get_optional_child_by_tag(&["usync", "list"]).expect("a list");
        list.children().unwrap_or_default().to_vec()
    }

    #[test]
    fn a_number_is_known_or_not() {
        let mut state = State::default();
        state.accounts.add("shop").expect("a free name");
        let kind = |number: &'static str| {
            let contact = NodeBuilder::new("contact").string_content(number).build();
            let user = NodeBuilder::new("user").children([contact]).build();
            let users = users(&state, &query("contact", user));
            stanza::attr(users[0].get_optional_child("contact").expect("contact"), "type")
        };
        assert_eq!(kind("+15550000001").as_deref(), Some("in"));
        assert_eq!(kind("+15550000002").as_deref(), Some("out"));
    }

    #[test]
    fn the_phone_is_a_device_and_the_list_is_signed() {
        let mut state = State::default();
        state.accounts.add("shop").expect("a free name");
        let user = NodeBuilder::new("user").attr("jid", Jid::lid("100000000000001")).build();
        let users = users(&state, &query("devices", user));
        let devices = users[0].get_optional_child("devices").expect("devices");
        let list = devices.get_optional_child("device-list").expect("a list");
        assert_eq!(list.children().map(<[Node]>::len), Some(1));
        assert!(stanza::child_bytes(devices, "key-index-list").is_some());
        assert_eq!(
            stanza::attr(&users[0], "pn_jid").as_deref(),
            Some("15550000001@s.whatsapp.net")
        );
    }
}
