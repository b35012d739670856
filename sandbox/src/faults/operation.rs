//! Kinds of requests, by the names that tests know them under.

use wacore_binary::Node;

use crate::stanza;

/// What the names of deliveries begin with; the tag of the stanza follows.
const DELIVERY: &str = "deliver.";

/// A kind of request or of delivery: one of [`Operation::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation(&'static str);

impl Operation {
    /// Every name; `any` stands for all IQs, those without a name of their own among them. What follows it is HTTP, and what the
    /// server delivers to devices.
    pub(crate) const NAMES: [&str; 30] = [
        "group.subject",
        "group.description",
        "group.announce",
        "group.locked",
        "group.query",
        "group.participating",
        "group.invite",
        "group.revoke_invite",
        "group.promote",
        "group.demote",
        "group.add",
        "group.remove",
        "group.leave",
        "ping",
        "logout",
        "message",
        "pairing.code",
        "pairing.finish",
        "media.connection",
        "picture.get",
        "picture.set",
        "any",
        "media.upload",
        "media.download",
        "deliver.message",
        "deliver.receipt",
        "deliver.notification",
        "deliver.call",
        "deliver.presence",
        "deliver.chatstate",
    ];

    /// The operation of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|known| *known == name).map(Self)
    }

    /// Whether this is the operation of this name.
    pub(crate) fn is(self, name: &str) -> bool {
        self.0 == name
    }

    /// Whether this is a kind of request to the media host.
    pub(crate) fn is_http(self) -> bool {
        ["media.upload", "media.download"].contains(&self.0)
    }

    /// Whether this is a kind of request that only a client makes which is to be linked.
    pub(crate) fn is_before_login(self) -> bool {
        ["pairing.code", "pairing.finish"].contains(&self.0)
    }

    /// Whether this is a kind of stanza on its way to a device.
    pub(crate) fn is_delivery(self) -> bool {
        self.0.starts_with(DELIVERY)
    }

    /// Whether a stanza on its way to a device is of this kind.
    pub(crate) fn delivers(self, stanza: &Node) -> bool {
        self.0.strip_prefix(DELIVERY) == Some(stanza.tag.as_ref())
    }

    /// Whether a request is of this kind; `any` is every IQ.
    pub(crate) fn covers(self, iq: &Node) -> bool {
        (self.0 == "any" && iq.tag == "iq") || name(iq) == Some(self.0)
    }
}

/// What a message, or a request, is called, if it has a name: by what it says it wants, well-formed or not.
fn name(iq: &Node) -> Option<&'static str> {
    if iq.tag == "message" {
        return Some("message");
    }
    let namespace = stanza::attr(iq, "xmlns")?;
    let kind = stanza::attr(iq, "type")?;
    let child = stanza::first_child(iq);
    let tag = child.map(|child| child.tag.as_ref()).unwrap_or_default();
    Some(match (namespace.as_str(), kind.as_str(), tag) {
        ("w:g2", "get", "query") => "group.query",
        ("w:g2", "get", "participating") => "group.participating",
        ("w:g2", "get", "invite") => "group.invite",
        ("w:g2", "set", "invite") if !child?.attrs.contains_key("code") => "group.revoke_invite",
        ("w:g2", "set", "subject") => "group.subject",
        ("w:g2", "set", "description") => "group.description",
        ("w:g2", "set", "announcement" | "not_announcement") => "group.announce",
        ("w:g2", "set", "locked" | "unlocked") => "group.locked",
        ("w:g2", "set", "promote") => "group.promote",
        ("w:g2", "set", "demote") => "group.demote",
        ("w:g2", "set", "add") => "group.add",
        ("w:g2", "set", "remove") => "group.remove",
        ("w:g2", "set", "leave") => "group.leave",
        ("w:p", "get", _) => "ping",
        ("w:m", "set", "media_conn") => "media.connection",
        ("w:profile:picture", "get", _) => "picture.get",
        ("w:profile:picture", "set", _) => "picture.set",
        ("md", "set", "remove-companion-device") => "logout",
        ("md", "set", "link_code_companion_reg") => match stanza::attr(child?, "stage")?.as_str() {
            "companion_hello" => "pairing.code",
            "companion_finish" => "pairing.finish",
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn iq(namespace: &'static str, kind: &'static str, child: &'static str) -> Node {
        NodeBuilder::new("iq")
            .attr("xmlns", namespace)
            .attr("type", kind)
            .children([NodeBuilder::new(child).build()])
            .build()
    }

    fn link_code(stage: &'static str) -> Node {
        let child = NodeBuilder::new("link_code_companion_reg").attr("stage", stage).build();
        NodeBuilder::new("iq").attr("xmlns", "md").attr("type", "set").children([child]).build()
    }

    #[test]
    fn every_name_before_any_is_that_of_a_stanza() {
        let requests = [
            iq("w:g2", "set", "subject"),
            iq("w:g2", "set", "description"),
            iq("w:g2", "set", "not_announcement"),
            iq("w:g2", "set", "unlocked"),
            iq("w:g2", "get", "query"),
            iq("w:g2", "get", "participating"),
            iq("w:g2", "get", "invite"),
            iq("w:g2", "set", "invite"),
            iq("w:g2", "set", "promote"),
            iq("w:g2", "set", "demote"),
            iq("w:g2", "set", "add"),
            iq("w:g2", "set", "remove"),
            iq("w:g2", "set", "leave"),
            iq("w:p", "get", "ping"),
            iq("md", "set", "remove-companion-device"),
            NodeBuilder::new("message").build(),
            link_code("companion_hello"),
            link_code("companion_finish"),
            iq("w:m", "set", "media_conn"),
            iq("w:profile:picture", "get", "picture"),
            iq("w:profile:picture", "set", "picture"),
        ];
        let names: Vec<&str> = requests.iter().filter_map(name).collect();
        assert_eq!(names, Operation::NAMES[..21]);
        let any = Operation::named("any").expect("known");
        let iqs = || requests.iter().filter(|node| node.tag == "iq");
        assert!(iqs().all(|iq| any.covers(iq)) && iqs().count() == 20);
        assert!(!any.covers(&NodeBuilder::new("message").build()));
    }

    #[test]
    fn a_delivery_is_no_request() {
        let message = NodeBuilder::new("message").build();
        let [sent, delivered, any] = ["message", "deliver.message", "any"]
            .map(|name| Operation::named(name).expect("known"));
        assert!(sent.covers(&message) && !sent.delivers(&message));
        assert!(delivered.delivers(&message) && !delivered.covers(&message));
        assert!(!any.delivers(&message) && !delivered.delivers(&NodeBuilder::new("call").build()));
    }

    #[test]
    fn a_name_covers_nothing_else() {
        let invite = Operation::named("group.invite").expect("known");
        assert!(invite.covers(&iq("w:g2", "get", "invite")));
        assert!(!invite.covers(&iq("w:g2", "set", "invite")));
        assert!(!invite.covers(&iq("usync", "get", "invite")));
        assert_eq!(Operation::named("group.colour"), None);
    }
}
