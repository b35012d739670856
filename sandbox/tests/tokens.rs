//! Accounts that demand privacy tokens of others.

use std::sync::Arc;
use std::time::Duration;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wharf_sandbox::Sandbox;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::store::traits::TcTokenEntry;
use whatsapp_rust::{Jid, NodeFilter};

use crate::client::{Device, refusal, until};
use crate::groups::{crew, links};
use crate::presence::hears;

/// The group of `boss`, `shop`, which demands tokens, and `mia`, and clients of the last two.
async fn with_restricted() -> (Sandbox, Jid, Device, Device) {
    let (sandbox, group) = crew().await;
    sandbox.phone("shop").demands_tokens(true);
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    mia.client.fetch_props().await.unwrap();
    (sandbox, group, shop, mia)
}

/// What the client shows and what it is told: kinds of tokens, and the number with which its message is refused.
pub(crate) async fn writes(from: &Device, to: &Jid, text: &str) -> (Vec<String>, Option<u16>) {
    let sent = from.client.wait_for_sent_node(NodeFilter::tag("message"));
    let id = from.client.send_text(to.clone(), text).await.unwrap().message_id;
    let answer = from.answered(&id).await;
    (tokens_in(&sent.await.unwrap()), answer.map(|code| code.parse().unwrap()))
}

fn tokens_in(node: &Arc<Node>) -> Vec<String> {
    let tags = node.children().unwrap_or_default().iter().map(|child| child.tag.to_string());
    tags.filter(|tag| tag.ends_with("token")).filter(|tag| tag != "reporting_token").collect()
}

pub(crate) fn kinds(kinds: &[&str]) -> Vec<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

/// The token that a client has of somebody, without the time of its own.
pub(crate) async fn has(device: &Device, of: &Jid) -> Option<Vec<u8>> {
    let entry = device.client.tc_token().get(&of.user).await.unwrap();
    entry.map(|entry| entry.token).filter(|token| !token.is_empty())
}

/// Lets a client believe that somebody has given it this token just now.
async fn believes(device: &Device, of: &Jid, token: &[u8]) {
    let now = device.client.tc_token().get(&of.user).await.unwrap();
    let time = now.map_or(0, |entry| entry.token_timestamp).max(1_900_000_000);
    let entry =
        TcTokenEntry { token: token.to_vec(), token_timestamp: time, sender_timestamp: Some(time) };
    device.client.persistence_manager().backend().put_tc_token(&of.user, &entry).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nobody_writes_first_to_who_demands_one() {
    let (sandbox, group, shop, mia) = with_restricted().await;
    let cold = writes(&mia, &shop.lid(), "cold").await;
    assert_eq!(cold, (kinds(&[]), Some(463)));
    // A group is everybody's, and nobody demands anything of themselves or of those who demand nothing.
    mia.client.send_text(group, "in the group").await.unwrap();
    assert_eq!(shop.reads().await.text, "in the group");
    assert_eq!(writes(&mia, &Jid::lid("100000000000001"), "to the boss").await.1, None);
    assert_eq!(writes(&shop, &shop.lid(), "to myself").await.1, None);

    // The client has given the shop a token all the same, which is no token of the shop's.
    until(async || sandbox.phone("shop").held_tokens().len() == 1).await;
    assert_eq!(writes(&mia, &shop.lid(), "once more").await.1, Some(463));
    sandbox.phone("shop").demands_tokens(false);
    assert_eq!(writes(&mia, &shop.lid(), "and now").await.1, None);
    assert_eq!(shop.reads().await.text, "and now");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_written_to_gets_a_token_on_all_devices_and_answers_with_it() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    let second = links(&sandbox, "mia").await;
    shop.client.send_text(mia.lid(), "may I help you").await.unwrap();
    until(async || has(&mia, &shop.lid()).await.is_some()).await;
    until(async || has(&second, &shop.lid()).await.is_some()).await;
    let given = sandbox.phone("shop").given_tokens();
    assert_eq!((given.len(), given[0].to.as_str(), given[0].expired), (1, "mia", false));
    assert_eq!(has(&mia, &shop.lid()).await.as_ref(), Some(&given[0].token));
    let answer = writes(&mia, &shop.lid(), "yes please").await;
    assert_eq!(answer, (kinds(&["tctoken"]), None));
    let letter = shop.reads().await;
    assert_eq!(letter.text, "yes please");
    // A client that is told not to show tokens does not get through.
    sandbox.phone("mia").sets_prop(10_518, "0");
    mia.client.fetch_props().await.unwrap();
    assert_eq!(writes(&mia, &shop.lid(), "hello").await, (kinds(&[]), Some(463)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_demands_tokens_gives_one_to_whom_it_writes() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    sandbox.phone("shop").sends("mia", "we have bread").await.unwrap();
    assert_eq!(mia.reads().await.text, "we have bread");
    until(async || has(&mia, &shop.lid()).await.is_some()).await;
    assert_eq!(writes(&mia, &shop.lid(), "one please").await, (kinds(&["tctoken"]), None));
    // A phone brings what its account has.
    sandbox.phone("boss").sends("shop", "well done").await.unwrap();
    let read = [shop.reads().await.text, shop.reads().await.text, shop.reads().await.text];
    assert_eq!(read, ["we have bread", "one please", "well done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_expired_taken_back_foreign_or_forged_is_refused() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    let (phone, to) = (sandbox.phone("shop"), shop.lid());
    phone.gives_token("mia").unwrap();
    until(async || has(&mia, &to).await.is_some()).await;
    let good = has(&mia, &to).await.unwrap();
    let shows = async |token: &[u8]| {
        believes(&mia, &to, token).await;
        let (shown, answer) = writes(&mia, &to, "knock knock").await;
        assert_eq!(shown, kinds(&["tctoken"]));
        answer
    };
    assert_eq!(shows(&good).await, None);
    phone.gives_token("boss").unwrap();
    sandbox.phone("boss").gives_token("mia").unwrap();
    let given_to_boss = phone.given_tokens().into_iter().find(|token| token.to == "boss").unwrap();
    let given_by_boss = sandbox.phone("boss").given_tokens().remove(0);
    assert_eq!(shows(&given_to_boss.token).await, Some(463), "somebody else's");
    assert_eq!(shows(&given_by_boss.token).await, Some(463), "somebody else's");
    assert_eq!(shows(&[7; 16]).await, Some(463), "forged");
    assert_eq!(shows(&good).await, None);

    assert!(phone.expires_token("mia").unwrap());
    assert!(phone.given_tokens().iter().any(|token| token.to == "mia" && token.expired));
    assert_eq!(shows(&good).await, Some(463), "expired");
    phone.gives_token("mia").unwrap();
    let newer = phone.given_tokens().into_iter().find(|token| token.to == "mia").unwrap();
    assert_eq!(shows(&newer.token).await, None);
    assert_eq!(shows(&good).await, Some(463), "there is another one");
    // Four weeks on, the server does not take it any more; the client's own clock has not moved.
    sandbox.advances_clock(Duration::from_hours(28 * 24));
    assert_eq!(shows(&newer.token).await, Some(463), "four weeks old");
    phone.gives_token("mia").unwrap();
    let newer = phone.given_tokens().into_iter().find(|token| token.to == "mia").unwrap();
    assert_eq!(shows(&newer.token).await, None);
    assert!(phone.revokes_token("mia").unwrap() && !phone.revokes_token("mia").unwrap());
    assert_eq!(shows(&newer.token).await, Some(463), "taken back");
    assert!(phone.gives_token("eve").is_err() && phone.gives_token("shop").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_needs_no_token() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    let phone = sandbox.phone("shop");
    phone.gives_token("mia").unwrap();
    until(async || has(&mia, &shop.lid()).await.is_some()).await;
    assert_eq!(writes(&mia, &shop.lid(), "first").await.1, None);
    phone.receives(|message| message.text.as_deref() == Some("first")).await.unwrap();
    phone.forgets_sessions().await.unwrap();
    assert_eq!(writes(&mia, &shop.lid(), "second").await.1, None);
    phone.revokes_token("mia").unwrap();
    // The phone asks for it once more.
    phone.receives(|message| message.text.as_deref() == Some("second")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_ones_own_devices_with_a_token_is_malformed() {
    let (_sandbox, _, shop, _mia) = with_restricted().await;
    let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", "msg").bytes(*b"sealed").build();
    for (id, token, error) in [("P1", None, None), ("P2", Some("tctoken"), Some("479"))] {
        let token = token.map(|tag| NodeBuilder::new(tag).bytes(*b"token").build());
        let node = NodeBuilder::new("message").attr("to", shop.lid()).attr("id", id);
        let node = node.attr("type", "text").attr("category", "peer");
        let node = node.children([enc.clone()].into_iter().chain(token));
        shop.client.send_node(node.build()).await.unwrap();
        assert_eq!(shop.answered(id).await.as_deref(), error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_does_not_hear_whether_somebody_is_online() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    shop.client.presence().set_available().await.unwrap();
    let (hidden, open) = (Jid::pn("15550000002"), Jid::pn("15550000001"));
    // By this the client learns whose number it is.
    mia.client.contacts().get_user_info(std::slice::from_ref(&hidden)).await.unwrap();
    mia.client.presence().subscribe(hidden.clone()).await.unwrap();
    mia.client.presence().subscribe(open.clone()).await.unwrap();
    assert_eq!(hears(&mia).await.from, open);
    shop.client.presence().set_unavailable().await.unwrap();
    shop.client.fetch_privacy_settings().await.unwrap();
    sandbox.phone("boss").is_in_use(true);
    assert_eq!(hears(&mia).await.from, open);

    // A client that gets a token asks by itself once more.
    sandbox.phone("shop").gives_token("mia").unwrap();
    let now = hears(&mia).await;
    assert!(now.from == hidden && now.unavailable, "{now:?}");
    shop.client.presence().set_available().await.unwrap();
    let now = hears(&mia).await;
    assert!(now.from == hidden && !now.unavailable, "{now:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_does_not_see_the_picture() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    let phone = sandbox.phone("shop");
    mia.client.contacts().get_user_info(&[shop.lid()]).await.unwrap();
    phone.sets_picture(&[0xFF, 0xD8, 0xFF, 1]);
    let sees = async |device: &Device| {
        let asked = NodeFilter::tag("iq").attr("xmlns", "w:profile:picture");
        let asked = device.client.wait_for_sent_node(asked);
        let picture = device.client.contacts().get_profile_picture(&shop.lid(), true).await;
        let asked = asked.await.unwrap();
        let token = asked.get_optional_child_by_tag(&["picture", "tctoken"]).is_some();
        (token, picture.unwrap().is_some())
    };
    assert_eq!(sees(&mia).await, (false, false));
    assert_eq!(sees(&shop).await, (false, true));
    let told = async || {
        let told = mia.client.contacts().get_user_info(&[shop.lid()]).await.unwrap();
        told[&shop.lid()].picture_id.is_some()
    };
    assert!(!told().await);
    phone.gives_token("mia").unwrap();
    until(async || has(&mia, &shop.lid()).await.is_some()).await;
    assert_eq!(sees(&mia).await, (true, true));
    // Now she hears of a new one, too; the first one was not for her.
    phone.sets_picture(&[0xFF, 0xD8, 0xFF, 2]);
    let news = |event: &Event| match event {
        Event::PictureUpdate(update) => Some(update.jid.clone()),
        _ => None,
    };
    assert_eq!(mia.sees(news).await.user, "15550000002");
    phone.expires_token("mia").unwrap();
    assert_eq!(sees(&mia).await, (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_needs_a_token_where_one_is_demanded() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    sandbox.phone("shop").gives_token("mia").unwrap();
    let token = sandbox.phone("shop").given_tokens().remove(0).token;
    for (id, token, error) in [
        ("C1", None, Some("463")),
        ("C2", Some(vec![7; 16]), Some("463")),
        ("C3", Some(token), None),
    ] {
        let privacy = token.map(|token| NodeBuilder::new("privacy").bytes(token).build());
        let offer = NodeBuilder::new("offer").attr("call-id", id).attr("call-creator", mia.lid());
        let call = NodeBuilder::new("call").attr("to", shop.lid()).attr("id", id);
        let call = call.children([offer.children(privacy).build()]);
        mia.client.send_node(call.build()).await.unwrap();
        assert_eq!(mia.answered(id).await.as_deref(), error, "{id}");
    }
    let rings = |event: &Event| match event {
        Event::IncomingCall(call) => Some(call.action.call_id().to_owned()),
        _ => None,
    };
    assert_eq!(shop.sees(rings).await, "C3");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_given_by_a_request_that_makes_sense() {
    let (sandbox, _, shop, mia) = with_restricted().await;
    let token = |jid: &Jid, t: &'static str, kind: &'static str| {
        NodeBuilder::new("token").attr("jid", jid).attr("t", t).attr("type", kind).build()
    };
    let trust = "trusted_contact";
    let stranger = Jid::lid("199999999999999");
    for (id, tokens, code) in [
        ("T1", vec![], 400),
        ("T2", vec![token(&mia.lid(), "now", trust)], 400),
        ("T3", vec![token(&mia.lid(), "5", "distrusted")], 400),
        ("T4", vec![token(&shop.lid(), "5", trust)], 400),
        ("T5", vec![token(&mia.lid(), "5", trust), token(&stranger, "5", trust)], 404),
    ] {
        let iq = NodeBuilder::new("iq").attr("type", "set").attr("xmlns", "privacy").attr("id", id);
        let iq = iq.attr("to", wacore_binary::SERVER_JID);
        let iq = iq.children([NodeBuilder::new("tokens").children(tokens).build()]);
        let answer = shop.client.send_iq_node(iq.build(), None).await.unwrap_err();
        assert_eq!(refusal(&answer), Some(code), "{id}");
    }
    assert!(sandbox.phone("shop").given_tokens().is_empty());
    let echoed = shop.client.tc_token().issue_tokens(&[mia.lid()]).await.unwrap();
    assert!(echoed.is_empty(), "the answer has no bytes");
    until(async || has(&mia, &shop.lid()).await.is_some()).await;
    assert_eq!(sandbox.unknown_iqs(), 0);
}
