//! Texts with an `@`, which the client's library takes for addresses when it writes.

use tempfile::TempDir;
use wharf_sandbox::{Config, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::stanza::groups::GroupNotificationAction;
use whatsapp_rust::{GroupCreateOptions, GroupDescription, PreviousDescription};

use crate::client::{Device, until};
use crate::groups::{crew, links, subject};
use crate::phones::{BOSS, jid, says};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_called_and_described_with_an_at() {
    let (sandbox, gid) = crew().await;
    let truth = sandbox.group(&gid.to_string());
    truth.by("boss").sets_subject("Crew @ 8");
    truth.by("boss").sets_description("desk@work");
    let shop = links(&sandbox, "shop").await;
    let groups = shop.client.groups();
    let listed = &groups.get_participating().await.unwrap()[&gid];
    assert_eq!(
        (listed.subject.as_str(), listed.description.as_deref()),
        ("Crew @ 8", Some("desk@work"))
    );

    truth.by("boss").sets_subject("a@b@c");
    shop.sees(|event| match event {
        Event::GroupUpdate(update) => match &update.action {
            GroupNotificationAction::Subject { subject, .. } => (subject == "a@b@c").then_some(()),
            _ => None,
        },
        _ => None,
    })
    .await;
    for text in ["Late @ 9", "@", "desk@lid"] {
        groups.set_subject(&gid, subject(text)).await.unwrap();
        let described = GroupDescription::new(text).unwrap();
        let before = PreviousDescription::Resolve;
        groups.set_description(&gid, Some(described), before).await.unwrap();
        assert_eq!((truth.subject().as_str(), truth.description().as_deref()), (text, Some(text)));
        assert_eq!(groups.get_metadata(&gid).await.unwrap().subject, text);
    }
    let made = groups.create_group(GroupCreateOptions::new("mia@home")).await.unwrap().metadata;
    assert_eq!(made.subject, "mia@home");
    assert_eq!(sandbox.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_called_with_an_at_and_logs_in_again_and_again() {
    let (sandbox, gid) = crew().await;
    let mia = sandbox.phone("mia");
    mia.sets_push_name("mia@work").unwrap();
    let device = links(&sandbox, "mia").await;
    for text in ["first", "second"] {
        device.client.send_text(jid(BOSS), text).await.unwrap();
        let read = sandbox.phone("boss").receives(says(text)).await.unwrap();
        assert_eq!(read.push_name.as_deref(), Some("mia@work"));
        sandbox.drops_connections().await;
        device.connects().await;
    }
    let shop = links(&sandbox, "shop").await;
    mia.sends(&gid.to_string(), "hello").await.unwrap();
    assert_eq!(shop.reads().await.info.push_name, "mia@work");
    // It has taken what there was: nothing is left that it could not read.
    until(async || sandbox.phone("shop").unacknowledged(1) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_with_an_at_outlives_a_restart() {
    let folder = TempDir::new().unwrap();
    let start = async || {
        let data = Some(folder.path().to_owned());
        Sandbox::start(Config { data, ..Config::default() }).await.unwrap()
    };
    let sandbox = start().await;
    for name in ["boss", "shop"] {
        sandbox.add_phone(name);
    }
    let shop = Device::of(&sandbox, "shop").await;
    until(async || sandbox.phone("shop").unacknowledged(1) == 0).await;
    let store = shop.saved().await;
    drop(shop);
    sandbox.drops_connections().await;
    sandbox.phone("boss").sets_push_name("boss@work").unwrap();
    sandbox.phone("boss").sends("shop", "hello").await.unwrap();
    let waiting = sandbox.phone("shop").unacknowledged(1);
    sandbox.stop().await;

    let sandbox = start().await;
    assert_eq!(sandbox.phone("shop").unacknowledged(1), waiting);
    let shop = Device::trusts(store, &sandbox, false).await;
    let letter = shop.reads().await;
    assert_eq!((letter.text.as_str(), letter.info.push_name.as_str()), ("hello", "boss@work"));
}
