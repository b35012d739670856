//! Messages between real clients: who gets them, as whose, and what the server does not take.

use wacore_binary::builder::NodeBuilder;
use wharf_sandbox::{Fault, NewGroup, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::{Jid, StatusSendOptions};

use crate::client::Device;
use crate::groups::{crew, links};

fn pn(sandbox: &Sandbox, phone: &str) -> Jid {
    Jid::pn(sandbox.phone(phone).number().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_number_reaches_every_device_of_both() {
    let (sandbox, _) = crew().await;
    let second = links(&sandbox, "shop").await;
    let shop = links(&sandbox, "shop").await;
    let (mia, tablet) = (links(&sandbox, "mia").await, links(&sandbox, "mia").await);

    let sent = shop.client.send_text(pn(&sandbox, "mia"), "hello").await.unwrap();
    assert_eq!(shop.answered(&sent.message_id).await, None);
    for device in [&mia, &tablet] {
        let letter = device.reads().await;
        assert_eq!((letter.text.as_str(), &letter.info.id), ("hello", &sent.message_id));
        assert_eq!(letter.info.push_name, "shop");
        let source = &letter.info.source;
        assert_eq!(source.sender.device, 2);
        let addresses = [Some(source.sender.to_non_ad()), source.sender_alt.clone()];
        assert!(addresses.contains(&Some(pn(&sandbox, "shop"))), "{addresses:?}");
        assert!(addresses.contains(&Some(shop.lid())), "{addresses:?}");
        assert!(!source.is_from_me);
    }
    let copy = second.reads().await;
    assert_eq!(copy.text, "hello");
    assert!(copy.info.source.is_from_me && copy.info.source.recipient.is_some());
    let sent = sandbox.journal().into_iter().rfind(|entry| entry.operation == "message").unwrap();
    // Both phones are among them.
    assert_eq!((sent.account.as_str(), &sent.detail["devices"]), ("shop", &5.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_both_ways() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    for turn in 0..3 {
        shop.client.send_text(mia.lid(), format!("question {turn}")).await.unwrap();
        let question = mia.reads().await;
        assert_eq!(question.text, format!("question {turn}"));
        assert!([shop.lid(), pn(&sandbox, "shop")].contains(&question.info.source.chat));
        mia.client.send_text(question.info.source.chat.clone(), "answer").await.unwrap();
        assert_eq!(shop.reads().await.text, "answer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_message_reaches_every_device_of_every_member() {
    for by_phone in [false, true] {
        let (sandbox, _) = crew().await;
        let group = NewGroup::new("Talk").owner("boss").member("shop").member("mia");
        let group = if by_phone { group.by_phone_number() } else { group };
        let gid: Jid = sandbox.add_group(group).gid().parse().unwrap();
        let (boss, shop) = (links(&sandbox, "boss").await, links(&sandbox, "shop").await);
        let mia = links(&sandbox, "mia").await;
        // The second comes without a key: everybody has it.
        for text in ["one", "two"] {
            let sent = shop.client.send_text(gid.clone(), text).await.unwrap();
            assert_eq!(shop.answered(&sent.message_id).await, None);
            for device in [&boss, &mia] {
                let letter = device.reads().await;
                assert_eq!((letter.text.as_str(), &letter.info.source.chat), (text, &gid));
                let source = &letter.info.source;
                assert_eq!(source.sender.is_pn(), by_phone, "{source:?}");
                assert!(source.sender_alt.is_some());
            }
        }
        mia.client.send_text(gid.clone(), "three").await.unwrap();
        assert_eq!(shop.reads().await.text, "three");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_group_reads_what_comes_after() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    shop.client.send_text(gid.clone(), "before").await.unwrap();
    assert_eq!(mia.reads().await.text, "before");
    sandbox.add_phone("bob");
    let bob = links(&sandbox, "bob").await;
    let added = |event: &Event| matches!(event, Event::GroupUpdate(_)).then_some(());
    sandbox.group(&gid.to_string()).adds("bob");
    shop.sees(added).await;
    bob.sees(added).await;
    shop.client.send_text(gid.clone(), "welcome").await.unwrap();
    assert_eq!(bob.reads().await.text, "welcome");
    assert_eq!(mia.reads().await.text, "welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_reaches_whom_it_is_for() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let font = whatsapp_rust::waproto::whatsapp::message::extended_text_message::FontType::SYSTEM;
    let status = shop.client.status();
    let sent = status
        .send_text("news", 0xFF1E_6E4F, font, &[mia.lid()], StatusSendOptions::default())
        .await
        .unwrap();
    assert_eq!(shop.answered(&sent.message_id).await, None);
    let letter = mia.reads().await;
    assert_eq!(letter.text, "news");
    assert!(letter.info.source.chat == Jid::status_broadcast());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_in_a_group_is_refused() {
    let (sandbox, gid) = crew().await;
    let mia = links(&sandbox, "mia").await;
    let group = sandbox.group(&gid.to_string());
    group.sets_announce(true);
    let sent = mia.client.send_text(gid.clone(), "hello").await.unwrap();
    assert_eq!(mia.answered(&sent.message_id).await.as_deref(), Some("420"));
    group.sets_announce(false);
    let sent = mia.client.send_text(gid.clone(), "hello").await.unwrap();
    assert_eq!(mia.answered(&sent.message_id).await, None);
    group.removes("mia");
    let raw = raw(&gid, "R1").attr("addressing_mode", "lid");
    assert_eq!(refused(&mia, raw, "R1").await.as_deref(), Some("420"));
}

/// A message whose ciphertext nobody can read: the server does not look into it.
fn raw(to: &Jid, id: &str) -> NodeBuilder {
    NodeBuilder::new("message").attr("to", to).attr("id", id).attr("type", "text")
}

fn enc(version: &'static str, kind: &'static str) -> NodeBuilder {
    NodeBuilder::new("enc").attr("v", version).attr("type", kind).bytes([1])
}

async fn refused(device: &Device, message: NodeBuilder, id: &str) -> Option<String> {
    let message = message.children([enc("2", "msg").build()]).build();
    device.client.send_node(message).await.unwrap();
    device.answered(id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn badly_formed_messages_are_refused_with_the_numbers_of_the_real_server() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let mia = links(&sandbox, "mia").await;
    let to = mia.lid();
    let listed = |jid: &Jid, child: NodeBuilder| {
        let place = NodeBuilder::new("to").attr("jid", jid).children([child.build()]).build();
        NodeBuilder::new("participants").children([place]).build()
    };
    let token = NodeBuilder::new("reporting_token").string_content("text").build();
    let status = Jid::status_broadcast();
    let device = |jid: &Jid| jid.with_device(1);
    let cases = [
        ("A1", raw(&to, "A1"), "479"),
        ("A2", raw(&to, "A2").children([enc("1", "msg").build()]), "479"),
        ("A3", raw(&to, "A3").children([enc("2", "plain").build()]), "479"),
        ("A4", raw(&to, "A4").children([listed(&device(&to), enc("2", "pkmsg"))]), "479"),
        (
            "A5",
            raw(&to, "A5").children([
                listed(&device(&to), enc("2", "msg")),
                NodeBuilder::new("reporting").children([token]).build(),
            ]),
            "479",
        ),
        (
            "A6",
            raw(&status, "A6")
                .attr("addressing_mode", "lid")
                .children([listed(&device(&to), enc("2", "msg"))]),
            "479",
        ),
        ("B1", raw(&to, "B1").children([listed(&pn(&sandbox, "boss"), enc("2", "msg"))]), "400"),
        ("B2", raw(&to, "B2").children([listed(&pn(&sandbox, "mia"), enc("2", "msg"))]), "400"),
        (
            "B3",
            raw(&device(&to), "B3").attr("category", "peer").children([enc("2", "msg").build()]),
            "400",
        ),
        ("C1", raw(&Jid::pn("15559999999"), "C1").children([enc("2", "msg").build()]), "404"),
        (
            "C2",
            raw(&Jid::group("120363999999999999"), "C2").children([enc("2", "skmsg").build()]),
            "404",
        ),
        ("C3", raw(&to.with_device(9), "C3").children([enc("2", "msg").build()]), "404"),
        (
            "D1",
            raw(&gid, "D1").attr("addressing_mode", "pn").children([enc("2", "skmsg").build()]),
            "421",
        ),
    ];
    for (id, message, code) in cases {
        shop.client.send_node(message.build()).await.unwrap();
        assert_eq!(shop.answered(id).await.as_deref(), Some(code), "{id}");
    }
    assert!(sandbox.journal().iter().all(|entry| entry.operation != "message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_does_not_know_a_device_is_told_so() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    shop.client.send_text(mia.lid(), "one").await.unwrap();
    assert_eq!(mia.reads().await.text, "one");
    let tablet = links(&sandbox, "mia").await;
    // The first of these may miss the new device; its ack says that there is one.
    let mut sent = Vec::new();
    for text in ["two", "three", "four"] {
        let id = shop.client.send_text(mia.lid(), text).await.unwrap().message_id;
        assert_eq!(shop.answered(&id).await, None);
        assert_eq!(mia.reads().await.text, text);
        sent.push(text);
    }
    let read = tablet.reads().await.text;
    assert!(sent.contains(&read.as_str()), "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_meet_faults_of_their_sender() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    sandbox.phone("shop").fails_next("message", 1, Fault::code(463));
    let fine = mia.client.send_text(shop.lid(), "hello").await.unwrap();
    assert_eq!(mia.answered(&fine.message_id).await, None);
    let sent = shop.client.send_text(mia.lid(), "refused").await.unwrap();
    assert_eq!(shop.answered(&sent.message_id).await.as_deref(), Some("463"));
    sandbox.phone("shop").fails_next("message", 1, Fault::drop_after());
    shop.client.send_text(mia.lid(), "and gone").await.unwrap();
    assert_eq!(mia.reads().await.text, "and gone");
    shop.sees(crate::client::disconnected).await;
}
