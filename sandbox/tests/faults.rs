//! Requests that go wrong, as a real client meets them.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use wharf_sandbox::{Fault, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::iq::keepalive::KeepaliveSpec;
use whatsapp_rust::wacore::request::InfoQuery;
use whatsapp_rust::wacore_binary::NodeContent;
use whatsapp_rust::{
    ErrorChainExt, GroupError, IqError, Jid, NodeBuilder, PreviousDescription, Server,
};

use crate::client::{Device, refusal};
use crate::groups::{crew, links, subject};

/// Long enough for an answer that does come.
const SILENCE: Duration = Duration::from_millis(300);

/// A group, and the client of its admin `shop`.
async fn admin() -> (Sandbox, Jid, Device) {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    (sandbox, gid, shop)
}

fn truth(sandbox: &Sandbox, gid: &Jid) -> String {
    sandbox.group(&gid.to_string()).subject()
}

/// How many subjects were applied.
fn applied(sandbox: &Sandbox) -> usize {
    sandbox.journal().iter().filter(|entry| entry.operation == "group.subject").count()
}

async fn renames(device: &Device, gid: &Jid, text: &str) -> Result<(), GroupError> {
    device.client.groups().set_subject(gid, subject(text)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_met_as_often_as_ordered_with_text_and_backoff() {
    let (sandbox, gid, shop) = admin().await;
    let fault = Fault::code(429).text("rate-overlimit").backoff(7);
    sandbox.fails_next("group.subject", 2, fault);
    for _ in 0..2 {
        let refused = renames(&shop, &gid, "No").await.unwrap_err();
        let rejection = refused.server_rejection().unwrap();
        assert_eq!((rejection.code, rejection.text), (429, "rate-overlimit"));
        assert_eq!(rejection.backoff, Some(7));
    }
    assert_eq!((truth(&sandbox, &gid).as_str(), applied(&sandbox)), ("Crew", 0));
    renames(&shop, &gid, "Yes").await.unwrap();
    assert_eq!(truth(&sandbox, &gid), "Yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_meets_its_own_operation_only() {
    let (sandbox, gid, shop) = admin().await;
    let groups = shop.client.groups();
    for operation in [
        "group.description",
        "group.announce",
        "group.locked",
        "group.query",
        "group.participating",
        "group.invite",
        "group.revoke_invite",
        "group.leave",
        "ping",
    ] {
        sandbox.fails_next(operation, 1, Fault::code(500));
    }
    groups.set_subject(&gid, subject("Untouched")).await.unwrap();
    assert_eq!(refusal(&groups.set_announce(&gid, true).await.unwrap_err()), Some(500));
    assert_eq!(refusal(&groups.set_locked(&gid, true).await.unwrap_err()), Some(500));
    assert_eq!(refusal(&groups.get_metadata(&gid).await.unwrap_err()), Some(500));
    assert_eq!(refusal(&groups.get_participating().await.unwrap_err()), Some(500));
    assert_eq!(refusal(&groups.get_invite_link(&gid, false).await.unwrap_err()), Some(500));
    assert_eq!(refusal(&groups.get_invite_link(&gid, true).await.unwrap_err()), Some(500));
    assert_eq!(refusal(&groups.leave(&gid).await.unwrap_err()), Some(500));
    let deleted = groups.set_description(&gid, None, PreviousDescription::Absent).await;
    assert_eq!(refusal(&deleted.unwrap_err()), Some(500));
    let ping = shop.client.execute(KeepaliveSpec::new()).await.unwrap_err();
    assert_eq!(refusal(&ping), Some(500));
    // All of them are used up.
    groups.set_announce(&gid, true).await.unwrap();
    groups.get_participating().await.unwrap();
    shop.client.execute(KeepaliveSpec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_meets_every_request() {
    let (sandbox, gid, shop) = admin().await;
    // The client asks for this and that by itself.
    sandbox.fails_next("any", 1000, Fault::code(503));
    assert_eq!(refusal(&renames(&shop, &gid, "No").await.unwrap_err()), Some(503));
    let ping = shop.client.execute(KeepaliveSpec::new()).await.unwrap_err();
    assert_eq!(refusal(&ping), Some(503));
    sandbox.heals();
    renames(&shop, &gid, "Yes").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_request_is_applied_at_once_and_answered_later() {
    let (sandbox, gid, shop) = admin().await;
    let delay = Duration::from_secs(1);
    sandbox.fails_next("group.subject", 1, Fault::delay(delay));
    let began = Instant::now();
    let renamed = renames(&shop, &gid, "Slow");
    tokio::pin!(renamed);
    assert!(timeout(SILENCE, &mut renamed).await.is_err());
    assert_eq!(truth(&sandbox, &gid), "Slow");
    // Others are not held up.
    shop.client.groups().set_announce(&gid, true).await.unwrap();
    assert!(began.elapsed() < delay);
    renamed.await.unwrap();
    assert!(began.elapsed() >= delay);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_comes_before_or_after_the_change() {
    let (sandbox, gid, shop) = admin().await;
    sandbox.fails_next("group.subject", 1, Fault::silence_before());
    assert!(timeout(SILENCE, renames(&shop, &gid, "Before")).await.is_err());
    assert_eq!((truth(&sandbox, &gid).as_str(), applied(&sandbox)), ("Crew", 0));

    sandbox.fails_next("group.subject", 1, Fault::silence_after());
    assert!(timeout(SILENCE, renames(&shop, &gid, "After")).await.is_err());
    assert_eq!((truth(&sandbox, &gid).as_str(), applied(&sandbox)), ("After", 1));

    // The connection is as good as before.
    assert_eq!(shop.client.groups().get_metadata(&gid).await.unwrap().subject, "After");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_breaks_before_or_after_the_change() {
    let (sandbox, gid, shop) = admin().await;
    sandbox.fails_next("group.subject", 1, Fault::drop_before());
    let broken = renames(&shop, &gid, "Before").await.unwrap_err();
    assert!(broken.is_transport_unavailable(), "{broken:?}");
    assert_eq!((truth(&sandbox, &gid).as_str(), applied(&sandbox)), ("Crew", 0));
    shop.sees(|event| matches!(event, Event::Disconnected(_)).then_some(())).await;
    shop.connects().await;

    sandbox.fails_next("group.subject", 1, Fault::drop_after());
    let broken = renames(&shop, &gid, "After").await.unwrap_err();
    assert!(broken.is_transport_unavailable(), "{broken:?}");
    assert_eq!((truth(&sandbox, &gid).as_str(), applied(&sandbox)), ("After", 1));
    shop.connects().await;
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_logout_keeps_the_device_and_one_without_an_answer_does_not() {
    let (sandbox, _, shop) = admin().await;
    sandbox.fails_next("logout", 1, Fault::code(500));
    assert_eq!(refusal(&logs_out(&sandbox, &shop).await.unwrap_err()), Some(500));
    assert_eq!(sandbox.phone("shop").devices().len(), 1);

    sandbox.fails_next("logout", 1, Fault::silence_after());
    assert!(timeout(SILENCE, logs_out(&sandbox, &shop)).await.is_err());
    assert!(sandbox.phone("shop").devices().is_empty());
    // Nobody says so before the client comes back.
    assert_eq!(sandbox.connections(), 1);
    sandbox.drops_connections().await;
    assert!(shop.sees(logged_out_on_connect).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_logout_takes_the_device_at_once_and_ends_the_connection_with_the_answer() {
    let (sandbox, _, shop) = admin().await;
    let delay = 2 * SILENCE;
    sandbox.fails_next("logout", 1, Fault::delay(delay));
    let began = Instant::now();
    let answer = logs_out(&sandbox, &shop);
    tokio::pin!(answer);
    assert!(timeout(SILENCE, &mut answer).await.is_err());
    assert!(sandbox.phone("shop").devices().is_empty());
    // Answer and end come together, and the client may notice the end first.
    match answer.await {
        Ok(()) | Err(IqError::InternalChannelClosed) => {}
        Err(error) => assert!(error.is_transport_unavailable(), "{error:?}"),
    }
    assert!(!shop.sees(logged_out_on_connect).await);
    assert!(began.elapsed() >= delay);
}

/// Asks the server to unlink the only device of `shop`, and nothing else: the client does not take part.
async fn logs_out(sandbox: &Sandbox, shop: &Device) -> Result<(), IqError> {
    let jid: Jid = sandbox.phone("shop").devices()[0].jid.parse().unwrap();
    let child = NodeBuilder::new("remove-companion-device")
        .attr("jid", &jid)
        .attr("reason", "user_initiated")
        .build();
    let content = NodeContent::Nodes(vec![child]);
    let query = InfoQuery::set("md", Jid::new("", Server::Pn), Some(content));
    shop.client.send_iq(query).await.map(|_| ())
}

fn logged_out_on_connect(event: &Event) -> Option<bool> {
    match event {
        Event::LoggedOut(logged_out) => Some(logged_out.on_connect),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_healed_does_not_fail_any_more() {
    let (sandbox, gid, shop) = admin().await;
    sandbox.fails_next("any", 1000, Fault::code(500));
    sandbox.refuses_connections(true);
    sandbox.heals();
    renames(&shop, &gid, "Healthy").await.unwrap();
    let mia = links(&sandbox, "mia").await;
    assert!(mia.client.is_logged_in());
}

#[tokio::test]
#[should_panic(expected = "there is no operation `group.colour`")]
async fn an_unknown_operation_is_a_mistake_of_the_test() {
    let (sandbox, _) = crew().await;
    sandbox.fails_next("group.colour", 1, Fault::silence_before());
}

#[tokio::test]
#[should_panic(expected = "a fault of `pairing.code`: who asks for it is nobody's device yet")]
async fn a_client_that_is_to_be_linked_is_no_phones() {
    let (sandbox, _) = crew().await;
    sandbox.phone("shop").fails_next("pairing.code", 1, Fault::code(429));
}
