//! Sessions that one side has lost, and what is asked of the phone when it happens.

use wharf_sandbox::ReceivedReceipt;

use crate::groups::{crew, links};
use crate::phones::{BOSS, boss_and_shop, jid, says, sees, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_lost_its_session_gets_the_message_again() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    shop.client.send_text(jid(BOSS), "hello").await.unwrap();
    boss.receives(says("hello")).await.unwrap();
    let first = boss.sends("shop", "before").await.unwrap();
    sees(&shop, |info, _| info.id == first).await;

    let lost = [jid(BOSS), jid("100000000000001@lid")];
    shop.client.signal().delete_sessions(&lost).await.unwrap();
    let id = boss.sends("shop", "once more").await.unwrap();
    let (_, message) = sees(&shop, |info, _| info.id == id).await;
    assert_eq!(text(&message), Some("once more"));
    let retry = boss.hears(|receipt| receipt.kind == "retry").await.unwrap();
    assert_eq!((retry.ids, retry.sender.as_str()), (vec![id], "shop"));

    let next = boss.sends("shop", "after").await.unwrap();
    sees(&shop, |info, _| info.id == next).await;
    let retries = boss.receipts().into_iter().filter(|receipt| receipt.kind == "retry");
    assert_eq!(retries.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_has_lost_its_sessions_asks_for_the_message_again() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    let first = boss.sends("shop", "hello").await.unwrap();
    sees(&shop, |info, _| info.id == first).await;
    shop.client.send_text(jid(BOSS), "before").await.unwrap();
    boss.receives(says("before")).await.unwrap();

    boss.forgets_sessions().await.unwrap();
    let sent = shop.client.send_text(jid(BOSS), "lost").await.unwrap();
    let read = boss.receives(says("lost")).await.unwrap();
    assert_eq!(read.id, sent.message_id);
    let retries: Vec<u8> = boss.undecrypted().iter().map(|one| one.retries).collect();
    assert_eq!(retries, [1, 2], "{:?}", boss.undecrypted());

    shop.client.send_text(jid(BOSS), "after").await.unwrap();
    boss.receives(says("after")).await.unwrap();
    assert_eq!(boss.undecrypted().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_asks_its_own_device_for_a_copy_again() {
    let (sandbox, shop) = boss_and_shop().await;
    let phone = sandbox.phone("shop");
    phone.forgets_sessions().await.unwrap();
    let sent = shop.client.send_text(jid(BOSS), "lost").await.unwrap();
    let copy = phone.receives(says("lost")).await.unwrap();
    assert_eq!((&copy.id, copy.chat.as_str(), copy.from_me), (&sent.message_id, BOSS, true));
    assert!(!phone.undecrypted().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_group_is_sent_again_to_who_has_lost_its_key() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let boss = sandbox.phone("boss");
    let group = gid.to_string();
    let first = boss.sends(&group, "before").await.unwrap();
    sees(&shop, |info, _| info.id == first).await;
    shop.client.send_text(gid.clone(), "hello").await.unwrap();
    boss.receives(says("hello")).await.unwrap();

    let author = jid("100000000000001@lid");
    shop.client.signal().delete_sender_key(&gid, &author).await.unwrap();
    let id = boss.sends(&group, "once more").await.unwrap();
    let (info, message) = sees(&shop, |info, _| info.id == id).await;
    assert_eq!((info.source.chat, text(&message)), (gid.clone(), Some("once more")));

    boss.forgets_sessions().await.unwrap();
    let sent = shop.client.send_text(gid.clone(), "lost").await.unwrap();
    assert_eq!(boss.receives(says("lost")).await.unwrap().id, sent.message_id);
    shop.client.send_text(gid, "after").await.unwrap();
    boss.receives(says("after")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lacks_the_key_of_the_settings_asks_its_phone_for_it() {
    let (sandbox, first) = boss_and_shop().await;
    let phone = sandbox.phone("shop");
    phone.withholds_keys(true);
    let second = links(&sandbox, "shop").await;
    // Nobody but the phone can answer the second device.
    first.client.chat_actions().pin_chat(&jid(BOSS)).await.unwrap();
    drop(first);

    let request = phone.is_asked(|asked| asked.request == "app_state_sync_key_request").await;
    let request = request.unwrap();
    assert_eq!((request.device, request.answered), (2, true));
    phone.hears(|one| (one.kind.as_str(), one.sender_device) == ("peer_msg", 2)).await.unwrap();
    let store = second.saved().await;
    let key = whatsapp_rust::store::AppSyncStore::get_sync_key(&*store, &[0, 0, 0, 0, 0, 1]).await;
    assert!(key.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_its_sessions_begins_one_with_the_device_that_asks() {
    let (sandbox, shop) = boss_and_shop().await;
    let (boss, phone) = (sandbox.phone("boss"), sandbox.phone("shop"));
    let shared = phone.hears(|receipt| receipt.kind == "peer_msg").await.unwrap();
    shop.client.send_text(jid(BOSS), "hello").await.unwrap();
    boss.receives(says("hello")).await.unwrap();

    // A client asks its phone for a message that it cannot read: here on a session that the phone has forgotten.
    phone.forgets_sessions().await.unwrap();
    let lost = [jid(BOSS), jid("100000000000001@lid")];
    shop.client.signal().delete_sessions(&lost).await.unwrap();
    let id = boss.sends("shop", "lost").await.unwrap();
    sees(&shop, |info, _| info.id == id).await;
    let unread = phone.cannot_read(|one| one.sender_device == 1).await.unwrap();
    assert_eq!((unread.sender.as_str(), unread.retries), ("shop", 1));
    let again = |one: &ReceivedReceipt| one.kind == "peer_msg" && one.sequence > shared.sequence;
    phone.hears(again).await.unwrap();

    // The next one is on the session that the phone has begun.
    shop.client.send_text(jid(BOSS), "go on").await.unwrap();
    boss.receives(says("go on")).await.unwrap();
    shop.client.signal().delete_sessions(&lost).await.unwrap();
    let id = boss.sends("shop", "lost again").await.unwrap();
    sees(&shop, |info, _| info.id == id).await;
    let asked = phone.is_asked(|asked| asked.request == "placeholder_message_resend").await;
    assert!(asked.unwrap().answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_set_up_anew_is_written_to_anew() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    shop.client.send_text(jid(BOSS), "before").await.unwrap();
    boss.receives(says("before")).await.unwrap();
    boss.reinstalls();
    assert!(boss.messages(0).is_empty());
    sandbox.phone("shop").sends("boss", "after").await.unwrap();
    boss.receives(says("after")).await.unwrap();
    let id = boss.sends("shop", "it is me").await.unwrap();
    let (_, message) = sees(&shop, |info, _| info.id == id).await;
    assert_eq!(text(&message), Some("it is me"));
    assert!(boss.undecrypted().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_phone_reads_is_numbered_on_when_it_is_set_up_anew() {
    let (sandbox, _shop) = boss_and_shop().await;
    let (boss, shop) = (sandbox.phone("boss"), sandbox.phone("shop"));
    let id = boss.sends("shop", "one").await.unwrap();
    shop.receives(says("one")).await.unwrap();
    shop.reads(&[&id]).unwrap();
    let read = boss.hears(|receipt| receipt.kind == "read").await.unwrap().sequence;
    for number in ["two", "three"] {
        shop.sends("boss", number).await.unwrap();
        boss.receives(says(number)).await.unwrap();
    }
    boss.reinstalls();
    assert!(boss.messages(0).is_empty() && boss.receipts().is_empty());
    shop.sends("boss", "four").await.unwrap();
    boss.receives(says("four")).await.unwrap();
    // Who has read up to the second message misses nothing.
    let new: Vec<u64> = boss.messages(2).iter().map(|message| message.sequence).collect();
    assert_eq!(new, [3]);
    let id = boss.sends("shop", "five").await.unwrap();
    shop.receives(says("five")).await.unwrap();
    shop.reads(&[&id]).unwrap();
    let again = boss.hears(|receipt| receipt.kind == "read").await.unwrap();
    assert!(again.ids == [id] && again.sequence > read, "{again:?}");
}
