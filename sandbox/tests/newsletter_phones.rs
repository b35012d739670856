//! Newsletters on phones: followed, read, written, changed, reacted to and left.

use serde_json::json;
use wharf_sandbox::{Error, MessageKind, ReceivedMessage};

use crate::control::{Control, error};
use crate::groups::links;
use crate::newsletters::{jid, paper};
use crate::phones::says;

/// What a phone has of a newsletter: kind and text of each message.
fn shown(messages: &[ReceivedMessage]) -> Vec<(MessageKind, Option<&str>)> {
    messages.iter().map(|message| (message.kind, message.text.as_deref())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_phone_writes_in_its_newsletter_is_read_by_clients_and_phones() {
    let (sandbox, paper) = paper().await;
    let (boss, shop) = (sandbox.phone("boss"), sandbox.phone("shop"));
    let (own, reader) = (links(&sandbox, "boss").await, links(&sandbox, "shop").await);
    let id = boss.sends(&paper.jid(), "hear").await.unwrap();
    for device in [&own, &reader] {
        let letter = device.reads().await;
        assert_eq!((letter.text.as_str(), &letter.info.id), ("hear", &id));
    }
    let read = shop.receives(says("hear")).await.unwrap();
    assert_eq!((&read.id, &read.chat, read.sender.as_str()), (&id, &paper.jid(), "boss"));
    assert!(!read.from_me && boss.messages(0).is_empty());

    boss.edits(&id, "hear all").await.unwrap();
    let edited = shop.receives(|message| message.kind == MessageKind::Edit).await.unwrap();
    assert_eq!((edited.text.as_deref(), edited.target.as_ref()), (Some("hear all"), Some(&id)));
    boss.revokes(&id).await.unwrap();
    let gone = shop.receives(|message| message.kind == MessageKind::Revoke).await.unwrap();
    assert_eq!(gone.target.as_ref(), Some(&id));

    // What the owner writes on a device is on the owner's phone, too.
    let sent = own.client.send_text(jid(&paper), "more").await.unwrap();
    for phone in [&boss, &shop] {
        assert_eq!(phone.receives(says("more")).await.unwrap().id, sent.message_id);
    }
    assert!(boss.messages(0)[0].from_me);
    assert!(sandbox.phone("mia").messages(0).is_empty(), "she follows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_follows_reacts_sees_and_goes() {
    let (sandbox, paper) = paper().await;
    let mia = sandbox.phone("mia");
    let (old, gone) = (paper.posts("old"), paper.posts("gone"));
    paper.revokes(gone);
    mia.follows(&paper.jid()).unwrap();
    mia.follows(&paper.jid()).unwrap();
    assert!(paper.followers().contains(&"mia".to_owned()));
    let id = mia.receives(says("old")).await.unwrap().id;
    mia.reacts(&id, "👍").await.unwrap();
    mia.reads(&[&id]).unwrap();
    assert_eq!((paper.reactions(old), paper.views(old)), (vec![("👍".to_owned(), 1)], 1));
    mia.reacts(&id, "").await.unwrap();
    assert_eq!(paper.reactions(old), []);

    paper.posts("new");
    mia.receives(says("new")).await.unwrap();
    mia.unfollows(&paper.jid()).unwrap();
    paper.posts("late");
    sandbox.phone("shop").receives(says("late")).await.unwrap();
    let text = MessageKind::Text;
    assert_eq!(shown(&mia.messages(0)), [(text, Some("old")), (text, Some("new"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_may_no_more_in_a_newsletter_than_a_device() {
    let (sandbox, paper) = paper().await;
    let (boss, shop) = (sandbox.phone("boss"), sandbox.phone("shop"));
    let refused = shop.sends(&paper.jid(), "no").await;
    assert!(matches!(refused, Err(Error::MessageRefused(420))), "{refused:?}");
    let refused = boss.sends("1@newsletter", "no").await;
    assert!(matches!(&refused, Err(Error::NoSuchChat(jid)) if jid == "1@newsletter"));
    for (refused, code) in
        [(boss.unfollows(&paper.jid()), 403), (sandbox.phone("mia").unfollows(&paper.jid()), 404)]
    {
        assert!(
            matches!(refused, Err(Error::NewsletterRefused(got)) if got == code),
            "{refused:?}"
        );
    }
    for unknown in ["shop", "1@newsletter"] {
        let refused = shop.follows(unknown);
        assert!(matches!(refused, Err(Error::NoSuchChat(_))), "{refused:?}");
    }

    let number = paper.posts("hear");
    let id = shop.receives(says("hear")).await.unwrap().id;
    for refused in [shop.edits(&id, "mine").await, shop.revokes(&id).await] {
        assert!(matches!(refused, Err(Error::NotOwnMessage(_))), "{refused:?}");
    }
    shop.unfollows(&paper.jid()).unwrap();
    let refused = shop.reacts(&id, "👍").await;
    assert!(matches!(refused, Err(Error::MessageRefused(420))), "{refused:?}");
    assert_eq!(paper.reactions(number), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_phone_does_in_newsletters_what_it_does_in_chats() {
    let control = Control::start().await;
    control.crew().await;
    let paper = control.sandbox.add_newsletter("boss", "Paper");
    paper.gets_followed("shop");
    let message = json!({ "to": paper.jid(), "text": "hear" });
    let (status, sent) = control.post("/admin/phones/boss/messages", message).await;
    assert_eq!(status, 201, "{sent}");
    let (_, page) = control.get("/admin/phones/shop/messages?wait=30").await;
    let entry = &page["entries"][0];
    assert_eq!((&entry["id"], &entry["chat"]), (&sent["id"], &json!(paper.jid())));
    let reaction = json!({ "id": sent["id"], "emoji": "👍" });
    assert_eq!(control.post("/admin/phones/shop/react", reaction).await.0, 201);
    let seen = json!({ "ids": [sent["id"]] });
    assert_eq!(control.post("/admin/phones/shop/read", seen).await.0, 200);
    let number = paper.numbers()[0];
    assert_eq!(paper.views(number), 1);
    assert_eq!(paper.reactions(number), [("👍".to_owned(), 1)]);
    let message = json!({ "to": paper.jid(), "text": "no" });
    let (status, said) = control.post("/admin/phones/shop/messages", message).await;
    assert_eq!(
        (status.as_u16(), error(&said)),
        (409, "`to`: the server refused the message with 420")
    );
}
