//! Newsletters: how they are made, found, followed and ended, and what everybody hears of that.

use serde_json::json;
use wharf_sandbox::{Config, NewsletterLever, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::iq::mex::{MexDoc, MexQuerySpec};
use whatsapp_rust::wacore::iq::mex_operations::fetch_newsletter;
use whatsapp_rust::wacore::request::InfoQuery;
use whatsapp_rust::wacore_binary::NodeContent;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::{Jid, MexRequest, NewsletterError, NewsletterRole, Server};

use crate::client::Device;
use crate::control::Control;
use crate::groups::links;

/// Phones `boss`, `shop`, `mia` and `bob`, and a newsletter of `boss` that `shop` follows.
pub(crate) async fn paper() -> (Sandbox, NewsletterLever) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    for name in ["boss", "shop", "mia", "bob"] {
        sandbox.add_phone(name);
    }
    let paper = sandbox.add_newsletter("boss", "Paper");
    paper.gets_followed("shop");
    (sandbox, paper)
}

pub(crate) fn jid(paper: &NewsletterLever) -> Jid {
    paper.jid().parse().unwrap()
}

/// The number with which the GraphQL channel refused.
fn code(error: &NewsletterError) -> String {
    let told = format!("{error:?}");
    let (_, rest) = told.split_once("code=").unwrap_or_else(|| panic!("{told}"));
    rest.chars().take_while(char::is_ascii_digit).collect()
}

/// What the GraphQL channel tells under this name.
async fn told(device: &Device, operation: &str) -> serde_json::Value {
    device
        .sees(|event| match event {
            Event::MexNotification(told) if told.op_name == operation => Some(told.payload.clone()),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newsletter_is_made_found_changed_and_ended_by_its_owner() {
    let (sandbox, _) = paper().await;
    let (mia, bob) = (links(&sandbox, "mia").await, links(&sandbox, "bob").await);
    let made = mia.client.newsletter().create("News", Some("daily")).await.unwrap();
    assert_eq!((made.name.as_str(), made.description.as_deref()), ("News", Some("daily")));
    assert_eq!(made.role, Some(NewsletterRole::Owner));
    assert!(made.creation_time.is_some());
    let seen = bob.client.newsletter().get_metadata(&made.jid).await.unwrap();
    assert_eq!((seen.role, seen.subscriber_count), (Some(NewsletterRole::Guest), 0));
    let invite = seen.invite_code.unwrap();
    let invited = bob.client.newsletter().get_metadata_by_invite(&invite).await.unwrap();
    assert_eq!(invited.jid, made.jid);

    bob.client.newsletter().join(&made.jid).await.unwrap();
    let changed = mia.client.newsletter().update(&made.jid, Some("Olds"), Some("weekly")).await;
    assert_eq!(changed.unwrap().name, "Olds");
    let heard = told(&bob, "NotificationNewsletterUpdate").await;
    let heard = &heard["data"]["xwa2_notify_newsletter_on_metadata_update"];
    assert_eq!(heard["thread_metadata"]["name"]["text"], "Olds");
    let denied = bob.client.newsletter().update(&made.jid, Some("Mine"), None).await.unwrap_err();
    assert_eq!(code(&denied), "403");
    let long = "x".repeat(101);
    let denied = mia.client.newsletter().update(&made.jid, Some(&long), None).await.unwrap_err();
    assert_eq!(code(&denied), "406");
    let denied = mia.client.newsletter().create("", None).await.unwrap_err();
    assert_eq!(code(&denied), "406");

    let delete = |device: &Device| {
        let client = device.client.clone();
        let variables = json!({ "newsletter_id": made.jid.to_string() });
        async move {
            let id = "30062808666639665";
            client.mex().mutate(MexRequest::new("delete", id, variables)).await
        }
    };
    assert!(format!("{:?}", delete(&bob).await.unwrap_err()).contains("code=403"));
    delete(&mia).await.unwrap();
    let heard = told(&bob, "NotificationNewsletterStateChange").await;
    assert_eq!(heard["data"]["xwa2_notify_newsletter_on_state_change"]["state"]["type"], "DELETED");
    let gone = bob.client.newsletter().get_metadata(&made.jid).await.unwrap_err();
    assert_eq!(code(&gone), "404");
    let gone = bob.client.newsletter().get_metadata_by_invite(&invite).await.unwrap_err();
    assert_eq!(code(&gone), "404");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_a_jpeg_that_the_media_host_serves() {
    let (sandbox, paper) = paper().await;
    let boss = links(&sandbox, "boss").await;
    let update = async |picture: &str| {
        let updates = json!({ "newsletter_id": paper.jid(), "updates": { "picture": picture } });
        boss.client.mex().mutate(MexRequest::new("update", "24250201037901610", updates)).await
    };
    update("/9j/4AAQ").await.unwrap();
    let seen = boss.client.newsletter().get_metadata(&jid(&paper)).await.unwrap();
    assert!(seen.picture_url.unwrap().starts_with("/v/"));
    for (picture, code) in [("AAAA", "code=406"), ("*", "code=400")] {
        assert!(format!("{:?}", update(picture).await.unwrap_err()).contains(code));
    }
    update("").await.unwrap();
    let seen = boss.client.newsletter().get_metadata(&jid(&paper)).await.unwrap();
    assert_eq!(seen.picture_url, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_newsletter_has_it_listed_until_they_leave() {
    let (sandbox, paper) = paper().await;
    let bob = links(&sandbox, "bob").await;
    let other = links(&sandbox, "bob").await;
    let newsletters = bob.client.newsletter();
    assert!(newsletters.list_subscribed().await.unwrap().is_empty());
    let joined = newsletters.join(&jid(&paper)).await.unwrap();
    assert_eq!((joined.role, joined.subscriber_count), (Some(NewsletterRole::Subscriber), 2));
    let heard = told(&other, "NotificationNewsletterJoin").await;
    assert_eq!(heard["data"]["xwa2_notify_newsletter_on_join"]["id"], paper.jid());
    newsletters.join(&jid(&paper)).await.unwrap();
    assert_eq!(paper.followers(), ["shop", "bob"]);
    let listed = newsletters.list_subscribed().await.unwrap();
    assert_eq!(listed.iter().map(|one| &one.jid).collect::<Vec<_>>(), [&jid(&paper)]);

    newsletters.set_follower_mute(&jid(&paper), true).await.unwrap();
    let heard = told(&other, "NotificationNewsletterMuteChange").await;
    assert_eq!(heard["data"]["xwa2_notify_newsletter_on_mute_change"]["mute"], "ON");
    newsletters.set_follower_mute(&jid(&paper), false).await.unwrap();

    newsletters.leave(&jid(&paper)).await.unwrap();
    let heard = told(&other, "NotificationNewsletterLeave").await;
    assert_eq!(heard["data"]["xwa2_notify_newsletter_on_leave"]["role"], "guest");
    assert!(newsletters.list_subscribed().await.unwrap().is_empty());
    assert_eq!(code(&newsletters.leave(&jid(&paper)).await.unwrap_err()), "404");
    let denied = newsletters.set_follower_mute(&jid(&paper), true).await.unwrap_err();
    assert_eq!(code(&denied), "403");
    let unknown: Jid = "1@newsletter".parse().unwrap();
    assert_eq!(code(&newsletters.join(&unknown).await.unwrap_err()), "404");
    let boss = links(&sandbox, "boss").await;
    assert_eq!(code(&boss.client.newsletter().leave(&jid(&paper)).await.unwrap_err()), "403");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_not_known_is_an_error_and_counts() {
    let (sandbox, _) = paper().await;
    let shop = links(&sandbox, "shop").await;
    let doc = MexDoc { name: "unknown", id: "1" };
    let spec = MexQuerySpec::new(doc, &json!({})).unwrap();
    let refused = shop.client.execute(spec).await.unwrap_err();
    let told = format!("{refused:?}");
    assert!(told.contains("501") && told.contains("unknown query"), "{told}");
    assert_eq!(sandbox.unknown_iqs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_known_by_the_numbers_that_baileys_has() {
    let (sandbox, paper) = paper().await;
    let bob = links(&sandbox, "bob").await;
    let ask = async |number: &'static str, path: &str, variables| {
        let request = MexRequest::new("baileys", number, variables);
        bob.client.mex().query(request).await.unwrap().data.unwrap()[path].take()
    };
    let named = || json!({ "newsletter_id": paper.jid() });
    let input = json!({ "input": { "name": "Mine", "description": null } });
    let made = ask("8823471724422422", "xwa2_newsletter_create", input).await;
    assert_eq!(made["thread_metadata"]["picture"]["id"], "");
    let input = json!({ "input": { "key": paper.invite_code(), "type": "INVITE" } });
    let found = ask("6563316087068696", "xwa2_newsletter", input).await;
    assert_eq!(found["id"], paper.jid());
    ask("7871414976211147", "xwa2_newsletter_follow", named()).await;
    assert_eq!(paper.followers(), ["shop", "bob"]);
    let muted = async || {
        let input = json!({ "input": { "key": paper.jid(), "type": "JID" } });
        let seen = ask("6563316087068696", "xwa2_newsletter", input).await;
        seen["viewer_metadata"]["mute"].as_str().unwrap().to_owned()
    };
    ask("29766401636284406", "xwa2_newsletter_mute_v2", named()).await;
    assert_eq!(muted().await, "ON");
    ask("9864994326891137", "xwa2_newsletter_unmute_v2", named()).await;
    assert_eq!(muted().await, "OFF");
    ask("7238632346214362", "xwa2_newsletter_unfollow", named()).await;
    assert_eq!(paper.followers(), ["shop"]);
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn newsletters_are_made_and_written_over_http() {
    let control = Control::start().await;
    for name in ["boss", "shop"] {
        control.sandbox.add_phone(name);
    }
    let shop = links(&control.sandbox, "shop").await;
    let new = json!({ "name": "Paper", "owner": "boss", "description": "daily" });
    let (status, made) = control.post("/admin/newsletters", new).await;
    assert_eq!((status.as_u16(), &made["description"]), (201, &json!("daily")));
    let path = format!("/admin/newsletters/{}", made["jid"].as_str().unwrap());
    let follower = json!({ "name": "shop" });
    let (status, body) = control.post(&format!("{path}/followers"), follower.clone()).await;
    assert_eq!((status.as_u16(), &body["followers"]), (200, &json!(["shop"])));
    let (_, body) = control.post(&format!("{path}/messages"), json!({ "text": "hear" })).await;
    assert_eq!(shop.reads().await.text, "hear");
    let message = format!("{path}/messages/{}", body["messages"][0]["serverId"]);
    let put = reqwest::Method::PUT;
    let (status, _) = control.send(put.clone(), &message, json!({ "text": "here" })).await;
    assert_eq!(status, 200);
    assert_eq!(shop.reads().await.text, "here");
    let reaction = json!({ "name": "shop", "reaction": "👍" });
    let (_, body) = control.post(&format!("{message}/react"), reaction).await;
    let expected = json!([{ "reaction": "👍", "count": 1 }]);
    assert_eq!(body["messages"][0]["reactions"], expected);
    let reaction = json!({ "name": "nobody", "reaction": "👍" });
    assert_eq!(control.post(&format!("{message}/react"), reaction).await.0, 404);
    let delete = reqwest::Method::DELETE;
    let (_, body) = control.send(delete.clone(), &message, json!({})).await;
    assert_eq!(body["messages"][0]["revoked"], true);
    assert_eq!(control.send(put, &message, json!({ "text": "x" })).await.0, 404);
    let followers = format!("{path}/followers");
    let (_, body) = control.send(delete.clone(), &followers, follower.clone()).await;
    assert_eq!(body["followers"], json!([]));
    assert_eq!(control.send(delete, &followers, follower).await.0, 404);
    let (_, list) = control.get("/admin/newsletters").await;
    assert_eq!(list["newsletters"][0]["name"], "Paper");
    assert_eq!(control.get("/admin/newsletters/1@newsletter").await.0, 404);
    let (status, body) =
        control.post("/admin/newsletters", json!({ "name": "", "owner": "boss" })).await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("`name`"));
    let wordy = json!({ "name": "Long", "owner": "boss", "description": "x".repeat(2049) });
    let (status, body) = control.post("/admin/newsletters", wordy).await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("`description`"), "{body}");
    let reaction = json!({ "name": "boss", "reaction": "👍" });
    let (status, body) = control.post(&format!("{path}/messages/7/react"), reaction).await;
    assert!(status == 404 && body["error"].as_str().unwrap().contains("`number`"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_no_object_is_refused_as_one_without_variables_is() {
    let (sandbox, _) = paper().await;
    let shop = links(&sandbox, "shop").await;
    for body in ["[]", "7", "true", "\"words\"", "null", "{}", "{", ""] {
        let query = NodeBuilder::new("query").attr("query_id", fetch_newsletter::DOC_ID);
        let content = NodeContent::Nodes(vec![query.bytes(body.as_bytes()).build()]);
        let iq = InfoQuery::get("w:mex", Jid::new("", Server::Pn), Some(content));
        let reply = shop.client.send_iq(iq).await.unwrap().get().to_owned();
        let said = reply.get_optional_child("result").and_then(|result| match &result.content {
            Some(NodeContent::Bytes(bytes)) => serde_json::from_slice(bytes).ok(),
            _ => None,
        });
        let said: serde_json::Value = said.unwrap();
        assert_eq!(said["errors"][0]["extensions"]["error_code"], 400, "{body}: {said}");
    }
}
