//! Messages of newsletters: written, read, changed, reacted to and seen.

use wharf_sandbox::NewsletterLever;
use whatsapp_rust::Jid;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Node, NodeContent};
use whatsapp_rust::waproto::whatsapp::Message;

use crate::client::{Device, until};
use crate::groups::links;
use crate::newsletters::{jid, paper};

fn said(text: &str) -> Message {
    Message { conversation: Some(text.to_owned()), ..Default::default() }
}

/// An IQ that the client does not send by itself.
async fn query(device: &Device, paper: &NewsletterLever, child: Node) -> Node {
    let content = Some(NodeContent::Nodes(vec![child]));
    let iq = whatsapp_rust::wacore::request::InfoQuery::get("newsletter", jid(paper), content);
    device.client.send_iq(iq).await.unwrap().get().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_writes_reaches_who_follows_and_the_owners_other_devices() {
    let (sandbox, paper) = paper().await;
    let (boss, own) = (links(&sandbox, "boss").await, links(&sandbox, "boss").await);
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let sent = boss.client.send_message(jid(&paper), said("hear")).await.unwrap();
    assert_eq!(boss.answered(&sent.message_id).await, None);
    for reader in [&shop, &own] {
        let letter = reader.reads().await;
        assert_eq!((letter.text.as_str(), &letter.info.id), ("hear", &sent.message_id));
        assert_eq!(letter.info.source.chat, jid(&paper));
    }
    until(async || sandbox.phone("shop").unacknowledged(1) == 0).await;
    for (writer, to, number) in [
        (&shop, jid(&paper), "420"),
        (&mia, jid(&paper), "420"),
        (&boss, "1@newsletter".parse().unwrap(), "404"),
    ] {
        let sent = writer.client.send_message(to, said("no")).await.unwrap();
        assert_eq!(writer.answered(&sent.message_id).await.as_deref(), Some(number));
    }
    let empty = NodeBuilder::new("message").attr("to", jid(&paper)).attr("id", "E1");
    boss.client.send_node(empty.attr("type", "text").build()).await.unwrap();
    assert_eq!(boss.answered("E1").await.as_deref(), Some("479"));
    let listed = shop.client.newsletter().get_messages(jid(&paper), 10, None).await.unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_reads_it_at_the_next_login() {
    let (sandbox, paper) = paper().await;
    let shop = links(&sandbox, "shop").await;
    let store = shop.saved().await;
    shop.client.disconnect().await;
    until(async || sandbox.connections() == 0).await;
    paper.posts("late");
    let shop = Device::stored_in(store, &sandbox.ws_url()).await;
    assert_eq!(shop.reads().await.text, "late");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_page_by_page() {
    let (sandbox, paper) = paper().await;
    let bob = links(&sandbox, "bob").await;
    let numbers: Vec<u64> = ["one", "two", "three"].map(|text| paper.posts(text)).into();
    let newsletters = bob.client.newsletter();
    let texts = async |count, before| {
        let page = newsletters.get_messages(jid(&paper), count, before).await.unwrap();
        let texts =
            page.into_iter().map(|one| one.message.unwrap().text_content().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(texts(2, None).await, ["two", "three"]);
    assert_eq!(texts(2, Some(numbers[1])).await, ["one"]);
    assert!(texts(2, Some(numbers[0])).await.is_empty());
    for count in [0, 101] {
        let refused = newsletters.get_messages(jid(&paper), count, None).await.unwrap_err();
        assert!(format!("{refused:?}").contains("400"));
    }
    let unknown: Jid = "1@newsletter".parse().unwrap();
    let refused = newsletters.get_messages(unknown, 1, None).await.unwrap_err();
    assert!(format!("{refused:?}").contains("404"));

    let asked = NodeBuilder::new("message_updates").attr("count", 5).attr("after", numbers[0]);
    let updates = query(&bob, &paper, asked.build()).await;
    let updates = updates.get_optional_child_by_tag(&["message_updates", "messages"]).unwrap();
    assert_eq!(updates.children().unwrap().len(), 2);
    let asked = NodeBuilder::new("messages").attr("count", 1).attr("after", numbers[0]);
    let page = query(&bob, &paper, asked.build()).await;
    let first = page.get_optional_child_by_tag(&["messages", "message"]).unwrap();
    assert_eq!(first.attrs().optional_u64("server_id"), Some(numbers[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_no_more_than_one_stanza_can() {
    let (sandbox, paper) = paper().await;
    let bob = links(&sandbox, "bob").await;
    // Two of them fit, three do not.
    let long = "x".repeat(6 << 20);
    let numbers: Vec<u64> = (0..5).map(|_| paper.posts(&long)).collect();
    let listed = |page: &Node| -> Vec<u64> {
        let messages = page.get_optional_child("message_updates").unwrap_or(page);
        let messages = messages.get_optional_child("messages").unwrap().children().unwrap();
        messages.iter().filter_map(|one| one.attrs().optional_u64("server_id")).collect()
    };
    let asks = async |tag: &'static str, bounds: &[(&'static str, u64)]| {
        let asked = NodeBuilder::new(tag).attr("count", 100);
        let asked = bounds.iter().fold(asked, |asked, (name, bound)| asked.attr(name, *bound));
        listed(&query(&bob, &paper, asked.build()).await)
    };
    // The newest, those before them, and those after one; each page ends where the next begins.
    assert_eq!(asks("messages", &[]).await, numbers[3..]);
    assert_eq!(asks("messages", &[("before", numbers[3])]).await, numbers[1..3]);
    assert_eq!(asks("messages", &[("before", numbers[1])]).await, numbers[..1]);
    assert_eq!(asks("messages", &[("after", numbers[0])]).await, numbers[1..3]);
    assert_eq!(asks("message_updates", &[]).await, numbers[..2]);
    assert_eq!(asks("message_updates", &[("after", numbers[1])]).await, numbers[2..4]);
    assert_eq!(sandbox.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_edited_and_taken_back_by_their_owner() {
    let (sandbox, paper) = paper().await;
    let (boss, shop) = (links(&sandbox, "boss").await, links(&sandbox, "shop").await);
    let sent = boss.client.send_message(jid(&paper), said("hear")).await.unwrap();
    assert_eq!(shop.reads().await.text, "hear");
    let id = sent.message_id.as_str();
    boss.client.newsletter().edit_message(&jid(&paper), id, said("here")).await.unwrap();
    let letter = shop.reads().await;
    assert_eq!((letter.text.as_str(), letter.info.id.as_str()), ("here", id));
    shop.client.newsletter().edit_message(&jid(&paper), id, said("mine")).await.unwrap();
    assert_eq!(shop.answered(id).await.as_deref(), Some("420"));
    let newsletters = shop.client.newsletter();
    let text = async || {
        let listed = newsletters.get_messages(jid(&paper), 1, None).await.unwrap();
        listed[0].message.clone().and_then(|message| message.text_content().map(str::to_owned))
    };
    assert_eq!(text().await.as_deref(), Some("here"));
    shop.client.newsletter().revoke_message(&jid(&paper), id).await.unwrap();
    assert_eq!(shop.answered(id).await.as_deref(), Some("420"));
    boss.client.newsletter().revoke_message(&jid(&paper), id).await.unwrap();
    until(async || text().await.is_none()).await;
    boss.client.newsletter().edit_message(&jid(&paper), "unknown", said("x")).await.unwrap();
    assert_eq!(boss.answered("unknown").await.as_deref(), Some("404"));
    let operations: Vec<String> = sandbox.journal().into_iter().map(|one| one.operation).collect();
    assert!(operations.ends_with(&["newsletter.edit".to_owned(), "newsletter.revoke".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_are_counted_and_who_listens_hears_of_them() {
    let (sandbox, paper) = paper().await;
    let (boss, shop) = (links(&sandbox, "boss").await, links(&sandbox, "shop").await);
    let bob = links(&sandbox, "bob").await;
    let number = paper.posts("hear");
    let newsletters = boss.client.newsletter();
    assert_eq!(newsletters.subscribe_live_updates(jid(&paper)).await.unwrap(), 300);
    let counts = async || {
        boss.sees(|event| match event {
            Event::NewsletterLiveUpdate(update) if update.newsletter_jid == jid(&paper) => {
                let message = &update.messages[0];
                assert_eq!(message.server_id, number);
                let counts = message.reactions.iter().map(|one| (one.code.clone(), one.count));
                Some(counts.collect::<Vec<_>>())
            }
            _ => None,
        })
        .await
    };
    let paper_jid = jid(&paper);
    shop.client.newsletter().send_reaction(&paper_jid, number, "👍").await.unwrap();
    assert_eq!(counts().await, [("👍".to_owned(), 1)]);
    newsletters.send_reaction(&paper_jid, number, "👍").await.unwrap();
    assert_eq!(counts().await, [("👍".to_owned(), 2)]);
    shop.client.newsletter().send_reaction(&paper_jid, number, "").await.unwrap();
    assert_eq!(counts().await, [("👍".to_owned(), 1)]);
    let listed = newsletters.get_messages(jid(&paper), 1, None).await.unwrap();
    assert_eq!((listed[0].reactions[0].code.as_str(), listed[0].reactions[0].count), ("👍", 1));
    assert!(listed[0].is_sender);

    for (device, number, id, expected) in
        [(&bob, number, "R1", "420"), (&shop, number + 1, "R2", "404")]
    {
        let reaction = NodeBuilder::new("reaction").attr("code", "👎").build();
        let node = NodeBuilder::new("message").attr("to", jid(&paper)).attr("type", "reaction");
        let node = node.attr("id", id).attr("server_id", number).children([reaction]).build();
        device.client.send_node(node).await.unwrap();
        assert_eq!(device.answered(id).await.as_deref(), Some(expected));
    }
    assert_eq!(paper.reactions(number), [("👍".to_owned(), 1)]);
    paper.gets_reaction("shop", number, "👏");
    assert_eq!(paper.reactions(number).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_seen_a_message_is_counted_once() {
    let (sandbox, paper) = paper().await;
    let shop = links(&sandbox, "shop").await;
    let number = paper.posts("hear");
    let view = |number: u64| {
        let item = NodeBuilder::new("item").attr("server_id", number).build();
        let list = NodeBuilder::new("list").children([item]).build();
        let node = NodeBuilder::new("receipt").attr("to", jid(&paper)).attr("type", "view");
        node.attr("id", "V1").children([list]).build()
    };
    for number in [number, number, number + 1] {
        shop.client.send_node(view(number)).await.unwrap();
    }
    let listed = query(&shop, &paper, NodeBuilder::new("messages").attr("count", 1).build()).await;
    let views = ["messages", "message", "views_count"];
    let views = listed.get_optional_child_by_tag(&views).unwrap();
    assert_eq!(views.attrs().optional_u64("count"), Some(1));
    assert_eq!(paper.views(number), 1);
}
