//! Kinds of messages that a phone sends beside text: a client reads them as what they are.

use wharf_sandbox::MessageKind;
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::waproto::whatsapp::message::poll_creation_message::Option as Choice;
use whatsapp_rust::waproto::whatsapp::message::{ImageMessage, PollCreationMessage};

use crate::phones::{boss_and_shop, jid, sees};

const BOSS_LID: &str = "100000000000001@lid";

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_of_a_phone_is_voted_in_by_a_client() {
    let (sandbox, shop) = boss_and_shop().await;
    let boss = sandbox.phone("boss");
    let choice = |name: &str| Choice { option_name: Some(name.to_owned()), ..Default::default() };
    let mut poll = Message::default();
    *poll.poll_creation_message_v3.get_or_insert_default() = PollCreationMessage {
        name: Some("When?".to_owned()),
        options: vec![choice("today"), choice("tomorrow")],
        selectable_options_count: Some(1),
        ..Default::default()
    };
    let id = boss.sends_message("shop", poll).await.unwrap();
    let (_, message) = sees(&shop, |info, _| info.id == id).await;
    let asked = message.poll_creation_message_v3.as_option().unwrap();
    assert_eq!((asked.name.as_deref(), asked.options.len()), (Some("When?"), 2));
    let context = message.message_context_info.as_option().unwrap();
    let secret = context.message_secret.clone().unwrap();

    let (chat, options) = (jid(BOSS_LID), ["today".to_owned()]);
    let polls = shop.client.polls();
    let voted = polls.vote(chat.clone(), &id, &chat, &secret, &options).await.unwrap();
    let vote = boss.receives(|one| one.kind == MessageKind::Vote).await.unwrap();
    assert_eq!((vote.id, vote.target), (voted.message_id, Some(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_to_be_seen_once_is_one_for_the_client_and_for_the_phone_beside_it() {
    let (sandbox, shop) = boss_and_shop().await;
    let mut once = Message::default();
    *once.image_message.get_or_insert_default() = ImageMessage {
        caption: Some("look".to_owned()),
        view_once: Some(true),
        ..Default::default()
    };
    let id = sandbox.phone("boss").sends_message("shop", once).await.unwrap();
    let (_, message) = sees(&shop, |info, _| info.id == id).await;
    assert!(message.is_view_once());
    assert_eq!(message.get_caption(), Some("look"));
    let read = sandbox.phone("shop").receives(|one| one.id == id).await.unwrap();
    assert_eq!((read.kind, read.view_once), (MessageKind::Image, true));
}
