//! What a strict server refuses and a lenient one takes, and what both count.

use serde_json::json;
use wharf_sandbox::{Config, NewGroup, Sandbox};
use whatsapp_rust::request::InfoQuery;
use whatsapp_rust::wacore_binary::{Node, NodeContent};
use whatsapp_rust::{Jid, NodeBuilder, Server};

use crate::client::{Device, refusal};
use crate::control::Control;
use crate::groups::links;

const SHOP: &str = "100000000000001";
const MIA: &str = "100000000000002";

/// A server with `shop` and `mia`, and a device of `shop`.
async fn minding(lenient: bool) -> (Sandbox, Jid, Device) {
    let sandbox = Sandbox::start(Config { lenient, ..Config::default() }).await.unwrap();
    sandbox.add_phone("shop");
    sandbox.add_phone("mia");
    sandbox.add_phone("boss");
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").member("mia"));
    let gid = group.gid().parse().unwrap();
    let shop = links(&sandbox, "shop").await;
    (sandbox, gid, shop)
}

fn query() -> InfoQuery<'static> {
    let content = NodeContent::Nodes(vec![NodeBuilder::new("beam").build()]);
    InfoQuery::get("w:future", Jid::new("", Server::Pn), Some(content))
}

fn raw(to: &Jid, id: &'static str, children: Vec<Node>) -> NodeBuilder {
    NodeBuilder::new("message").attr("to", to).attr("id", id).children(children)
}

fn enc(version: &'static str) -> Node {
    NodeBuilder::new("enc").attr("v", version).attr("type", "msg").bytes([1]).build()
}

fn listed(people: &[&Jid]) -> Node {
    let place = |jid: &&Jid| NodeBuilder::new("to").attr("jid", *jid).children([enc("2")]).build();
    NodeBuilder::new("participants").children(people.iter().map(place)).build()
}

/// Messages that a strict server refuses as malformed: with what number, and to how many devices a lenient one hands them.
fn malformed() -> Vec<(&'static str, Node, &'static str, u64)> {
    let (mia, number) = (Jid::lid(MIA), Jid::pn("15550000002"));
    let nobody = Jid::lid("199999999999999");
    let token = NodeBuilder::new("reporting_token").string_content("text").build();
    let token = NodeBuilder::new("reporting").children([token]).build();
    let status = raw(&Jid::status_broadcast(), "A5", vec![listed(&[&mia])]).attr("type", "text");
    let typed = |id, children| raw(&mia, id, children).attr("type", "text").build();
    vec![
        ("A1", raw(&mia, "A1", vec![enc("2")]).build(), "479", 1),
        ("A2", typed("A2", vec![enc("7")]), "479", 1),
        ("A3", typed("A3", vec![enc("2"), token]), "479", 1),
        ("A5", status.attr("addressing_mode", "lid").build(), "479", 1),
        ("B1", typed("B1", vec![listed(&[&number])]), "400", 1),
        ("B2", typed("B2", vec![listed(&[&mia, &nobody])]), "400", 1),
    ]
}

async fn sent(device: &Device, id: &str, node: Node) -> Option<String> {
    device.client.send_node(node).await.unwrap();
    device.answered(id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_server_refuses_what_it_does_not_know_and_what_is_malformed() {
    let (sandbox, _, shop) = minding(false).await;
    assert_eq!(refusal(&shop.client.send_iq(query()).await.unwrap_err()), Some(501));
    let teleport = NodeBuilder::new("teleport").attr("id", "T").build();
    assert_eq!(sent(&shop, "T", teleport).await.as_deref(), Some("488"));
    for (id, message, code, _) in malformed() {
        assert_eq!(sent(&shop, id, message).await.as_deref(), Some(code), "{id}");
    }
    assert_eq!((sandbox.unknown_iqs(), sandbox.unknown_stanzas(), sandbox.forgiven()), (1, 1, 0));
    let names = [("iq get w:future beam".to_owned(), 1), ("teleport".to_owned(), 1)];
    assert_eq!(sandbox.unknown(), names);
    assert!(sandbox.journal().iter().all(|entry| entry.operation != "message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lenient_server_takes_it_and_counts_it() {
    let (sandbox, _, shop) = minding(true).await;
    let answer = shop.client.send_iq(query()).await.unwrap().to_owned_node();
    assert!(answer.children().is_none(), "{answer:?}");
    let teleport = NodeBuilder::new("teleport").attr("id", "T").build();
    assert_eq!(sent(&shop, "T", teleport).await, None);
    for (id, message, _, devices) in malformed() {
        assert_eq!(sent(&shop, id, message).await, None, "{id}");
        let taken = sandbox.journal().into_iter().rfind(|entry| entry.detail["id"] == id).unwrap();
        assert_eq!(taken.detail["devices"], devices, "{id}");
    }
    assert_eq!((sandbox.unknown_iqs(), sandbox.unknown_stanzas(), sandbox.forgiven()), (1, 1, 6));
    // What is in order is not forgiven.
    shop.client.send_text(Jid::lid(MIA), "hello").await.unwrap();
    let hello = |message: &wharf_sandbox::ReceivedMessage| message.text.as_deref() == Some("hello");
    sandbox.phone("mia").receives(hello).await.unwrap();
    assert_eq!(sandbox.forgiven(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lenient_server_still_minds_who_it_is_for_and_who_may() {
    let (sandbox, gid, shop) = minding(true).await;
    let to = |jid: &Jid, id, children| raw(jid, id, children).attr("type", "text").build();
    let cases = [
        ("C1", to(&Jid::lid("199999999999999"), "C1", vec![enc("2")]), "404"),
        ("C2", to(&gid, "C2", vec![enc("2")]), "420"),
        ("C3", to(&Jid::lid(MIA), "C3", Vec::new()), "479"),
        ("C4", to(&Jid::lid(SHOP).with_device(1), "C4", vec![enc("2")]), "400"),
    ];
    for (id, message, code) in cases {
        assert_eq!(sent(&shop, id, message).await.as_deref(), Some(code), "{id}");
    }
    let groups = shop.client.groups();
    assert_eq!(refusal(&groups.get_metadata(&gid).await.unwrap_err()), Some(403));
    assert_eq!(sandbox.forgiven(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_listed_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let nothing = json!({ "iqs": 0, "stanzas": 0, "forgiven": 0, "names": [] });
    assert_eq!(control.get("/admin/unknown").await.1, nothing);
    let shop = links(&control.sandbox, "shop").await;
    shop.client.send_iq(query()).await.unwrap_err();
    for id in ["T1", "T2"] {
        let teleport = NodeBuilder::new("teleport").attr("id", id).build();
        sent(&shop, id, teleport).await;
    }
    let (_, unknown) = control.get("/admin/unknown").await;
    let names = json!([
        { "name": "iq get w:future beam", "count": 1 },
        { "name": "teleport", "count": 2 },
    ]);
    assert_eq!(unknown, json!({ "iqs": 1, "stanzas": 2, "forgiven": 0, "names": names }));
}
