//! The phone in groups, beside real clients.

use wharf_sandbox::{Error, MessageKind, NewGroup};
use whatsapp_rust::StatusSendOptions;
use whatsapp_rust::waproto::whatsapp::message::extended_text_message::FontType;

use crate::groups::{crew, links};
use crate::phones::{says, sees, text};

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_group_go_both_ways() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let (boss, mia) = (sandbox.phone("boss"), sandbox.phone("mia"));

    for words in ["first", "second"] {
        let id = boss.sends(&gid.to_string(), words).await.unwrap();
        let (info, message) = sees(&shop, |info, _| info.id == id).await;
        assert_eq!(text(&message), Some(words));
        assert_eq!(info.source.chat, gid);
        assert_eq!(info.source.sender.to_string(), "100000000000001@lid");
        let read = mia.receives(says(words)).await.unwrap();
        assert_eq!((read.chat, read.sender.as_str()), (gid.to_string(), "boss"));
    }
    for words in ["one", "two"] {
        let sent = shop.client.send_text(gid.clone(), words).await.unwrap();
        for phone in [&boss, &mia] {
            let read = phone.receives(says(words)).await.unwrap();
            assert_eq!((&read.id, read.sender.as_str()), (&sent.message_id, "shop"));
            assert_eq!((read.chat, read.sender_device), (gid.to_string(), 1));
        }
        let copy = sandbox.phone("shop").receives(says(words)).await.unwrap();
        assert!(copy.from_me);
    }
    for phone in ["boss", "mia", "shop"] {
        let lost = sandbox.phone(phone).undecrypted();
        assert!(lost.is_empty(), "{phone}: {lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_a_group_reach_the_author() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let boss = sandbox.phone("boss");
    let id = boss.sends(&gid.to_string(), "anybody?").await.unwrap();
    sees(&shop, |info, _| info.id == id).await;
    let mine = |device| {
        let id = id.clone();
        let gid = gid.to_string();
        move |receipt: &wharf_sandbox::ReceivedReceipt| {
            (receipt.sender.as_str(), receipt.sender_device) == ("shop", device)
                && receipt.ids.contains(&id)
                && receipt.group.as_ref() == Some(&gid)
        }
    };
    boss.hears(mine(1)).await.unwrap();
    boss.hears(mine(0)).await.unwrap();
    sandbox.phone("mia").receives(says("anybody?")).await.unwrap();
    sandbox.phone("mia").reads(&[&id]).unwrap();
    let read = boss.hears(|receipt| receipt.kind == "read").await.unwrap();
    assert_eq!((read.sender.as_str(), read.ids), ("mia", vec![id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_reacts_in_a_group_and_an_admin_takes_back_what_others_wrote() {
    let (sandbox, gid) = crew().await;
    let mia = links(&sandbox, "mia").await;
    let sent = mia.client.send_text(gid.clone(), "oops").await.unwrap();
    let shop = sandbox.phone("shop");
    shop.receives(says("oops")).await.unwrap();
    let id = shop.reacts(&sent.message_id, "🙈").await.unwrap();
    let (_, message) = sees(&mia, |info, _| info.id == id).await;
    let key = message.reaction_message.as_option().and_then(|reaction| reaction.key.as_option());
    let author = key.and_then(|key| key.participant.as_deref());
    assert_eq!(author, Some("100000000000003@lid"));

    let id = shop.revokes(&sent.message_id).await.unwrap();
    let (info, _) = sees(&mia, |info, _| info.id == id).await;
    assert_eq!(info.edit.to_string_val(), "8");
    let seen = sandbox.phone("boss").receives(|one| one.kind == MessageKind::Revoke).await.unwrap();
    assert_eq!(seen.target, Some(sent.message_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_reads_the_status_that_it_may_see() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    // A client sends its status to those whose LID it has met.
    let id = sandbox.phone("mia").sends("shop", "hello").await.unwrap();
    sees(&shop, |info, _| info.id == id).await;
    let mia = "15550000003@s.whatsapp.net".parse().unwrap();
    let status = shop.client.status();
    let sent = status
        .send_text("news", 0xFF1E_6E4F, FontType::SYSTEM, &[mia], StatusSendOptions::default())
        .await
        .unwrap();
    let read = sandbox.phone("mia").receives(says("news")).await.unwrap();
    assert_eq!((read.id, read.chat.as_str()), (sent.message_id, "status@broadcast"));
    assert_eq!((read.sender.as_str(), read.sender_device), ("shop", 1));
    assert!(sandbox.phone("boss").messages(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_reads_the_next_message_and_who_left_does_not() {
    let (sandbox, gid) = crew().await;
    let gid = gid.to_string();
    let boss = sandbox.phone("boss");
    boss.sends(&gid, "three of us").await.unwrap();
    sandbox.phone("mia").receives(says("three of us")).await.unwrap();

    sandbox.group(&gid).removes("mia");
    sandbox.add_phone("bob");
    sandbox.group(&gid).adds("bob");
    boss.sends(&gid, "bob is here").await.unwrap();
    sandbox.phone("bob").receives(says("bob is here")).await.unwrap();
    sandbox.phone("shop").receives(says("bob is here")).await.unwrap();
    assert_eq!(sandbox.phone("mia").messages(0).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_does_not_write_to_a_group_that_it_is_not_in() {
    let (sandbox, _) = crew().await;
    let others = sandbox.add_group(NewGroup::new("Others").owner("boss"));
    let refused = sandbox.phone("mia").sends(&others.gid(), "hello").await;
    assert!(matches!(refused, Err(Error::MessageRefused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_by_phone_number_is_written_to_and_read() {
    let (sandbox, _) = crew().await;
    let group =
        sandbox.add_group(NewGroup::new("Old").owner("boss").member("shop").by_phone_number());
    let shop = links(&sandbox, "shop").await;
    let boss = sandbox.phone("boss");
    let id = boss.sends(&group.gid(), "hello").await.unwrap();
    let (info, message) = sees(&shop, |info, _| info.id == id).await;
    assert_eq!(text(&message), Some("hello"));
    assert_eq!(info.source.sender.to_string(), "15550000001@s.whatsapp.net");
    let gid: whatsapp_rust::Jid = group.gid().parse().unwrap();
    shop.client.send_text(gid, "hi").await.unwrap();
    let read = boss.receives(says("hi")).await.unwrap();
    boss.reacts(&read.id, "👍").await.unwrap();
    let (_, message) = sees(&shop, |_, message| message.reaction_message.is_set()).await;
    let key = message.reaction_message.as_option().and_then(|reaction| reaction.key.as_option());
    let author = key.and_then(|key| key.participant.as_deref());
    assert_eq!(author, Some("15550000002@s.whatsapp.net"));
}

/// Whether nobody had to ask the phone for a message again.
fn read_at_once(phone: &wharf_sandbox::Phone) -> bool {
    phone.receipts().iter().all(|receipt| receipt.kind != "retry")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_linked_in_the_place_of_another_reads_at_once() {
    let (sandbox, gid) = crew().await;
    let first = links(&sandbox, "shop").await;
    let boss = sandbox.phone("boss");
    let id = boss.sends(&gid.to_string(), "before").await.unwrap();
    sees(&first, |info, _| info.id == id).await;
    drop(first);
    assert_eq!(sandbox.phone("shop").unlinks(), 1);
    let second = links(&sandbox, "shop").await;
    let id = boss.sends(&gid.to_string(), "after").await.unwrap();
    let (_, message) = sees(&second, |info, _| info.id == id).await;
    assert_eq!(text(&message), Some("after"));
    assert!(read_at_once(&boss), "{:?}", boss.receipts());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_hands_out_no_key() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let mia = sandbox.phone("mia");
    sandbox.group(&gid.to_string()).sets_announce(true);
    let refused = mia.sends(&gid.to_string(), "no").await;
    assert!(matches!(refused, Err(Error::MessageRefused(420))), "{refused:?}");
    sandbox.group(&gid.to_string()).sets_announce(false);
    let id = mia.sends(&gid.to_string(), "now").await.unwrap();
    let (_, message) = sees(&shop, |info, _| info.id == id).await;
    assert_eq!(text(&message), Some("now"));
    sandbox.phone("boss").receives(says("now")).await.unwrap();
    assert!(read_at_once(&mia), "{:?}", mia.receipts());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_phone_is_read_by_its_contacts() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let mia = sandbox.phone("mia");
    mia.saves_contact("shop", "Shop").unwrap();
    for words in ["first", "second"] {
        let id = mia.sends("status@broadcast", words).await.unwrap();
        let (info, message) = sees(&shop, |info, _| info.id == id).await;
        assert_eq!(
            (text(&message), info.source.sender.user.as_str()),
            (Some(words), "100000000000003")
        );
        assert_eq!(info.source.chat.to_string(), "status@broadcast");
        assert_eq!(sandbox.phone("shop").receives(says(words)).await.unwrap().sender, "mia");
    }
    assert!(read_at_once(&mia), "{:?}", mia.receipts());
    // Who has forgotten the key asks, and gets it again.
    sandbox.phone("shop").forgets_sessions().await.unwrap();
    mia.sends("status@broadcast", "third").await.unwrap();
    sandbox.phone("shop").receives(says("third")).await.unwrap();
    assert!(!read_at_once(&mia));
    assert!(sandbox.phone("boss").messages(0).is_empty(), "he is no contact");
    mia.blocks("shop", true);
    let refused = mia.sends("status@broadcast", "nobody").await;
    assert!(matches!(refused, Err(Error::MessageRefused(400))), "{refused:?}");
}
