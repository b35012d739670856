//! Groups, as a real client sees them.

use wharf_sandbox::{NewGroup, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::stanza::groups::GroupNotificationAction;
use whatsapp_rust::{
    GroupCreateOptions, GroupDescription, GroupError, GroupParticipantOptions, GroupSubject, Jid,
    PreviousDescription,
};

use crate::client::{Device, refusal};

/// A sandbox with the phones `boss`, `shop` and `mia`, and a group of the three; `shop` is an admin in it.
pub(crate) async fn crew() -> (Sandbox, Jid) {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    for name in ["boss", "shop", "mia"] {
        sandbox.add_phone(name);
    }
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop").member("mia"));
    let gid = group.gid().parse().unwrap();
    (sandbox, gid)
}

pub(crate) async fn links(sandbox: &Sandbox, phone: &str) -> Device {
    let device = Device::starts(&sandbox.ws_url()).await;
    let qr = device.qr().await;
    sandbox.phone(phone).scans(&qr).await.unwrap();
    device.connects().await;
    device
}

pub(crate) fn subject(text: &str) -> GroupSubject {
    GroupSubject::new(text).unwrap()
}

fn description(text: &str) -> GroupDescription {
    GroupDescription::new(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_lists_the_groups_it_is_in_and_reads_one() {
    let (sandbox, gid) = crew().await;
    sandbox.add_group(NewGroup::new("Others").owner("boss"));
    let shop = links(&sandbox, "shop").await;

    let groups = shop.client.groups().get_participating().await.unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[&gid].subject, "Crew");
    assert_eq!(groups[&gid].participants.len(), 3);

    let group = shop.client.groups().get_metadata(&gid).await.unwrap();
    assert_eq!(group.subject, "Crew");
    assert!(group.participants.iter().all(|one| one.jid.is_lid() && one.phone_number.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_groups_gets_an_empty_list() {
    let (sandbox, _) = crew().await;
    sandbox.add_phone("bob");
    let bob = links(&sandbox, "bob").await;
    assert!(bob.client.groups().get_participating().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_land_in_the_journal_in_order() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let groups = shop.client.groups();
    groups.set_subject(&gid, subject("New")).await.unwrap();
    groups
        .set_description(&gid, Some(description("what we do")), PreviousDescription::Resolve)
        .await
        .unwrap();
    groups.set_announce(&gid, true).await.unwrap();
    groups.set_locked(&gid, true).await.unwrap();

    let journal = sandbox.journal();
    let operations: Vec<&str> = journal.iter().map(|entry| entry.operation.as_str()).collect();
    assert_eq!(
        operations,
        ["group.create", "group.subject", "group.description", "group.announce", "group.locked"]
    );
    assert!(journal[1..].iter().all(|entry| entry.account == "shop"));
    assert!(journal.iter().all(|entry| entry.object == gid.to_string()));
    assert_eq!(journal[1].detail["subject"], "New");
    assert_eq!(journal[2].detail["description"], "what we do");

    let truth = sandbox.group(&gid.to_string());
    assert_eq!(truth.subject(), "New");
    assert_eq!(truth.description().as_deref(), Some("what we do"));
    assert!(truth.announce() && truth.locked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_replaces_another_than_the_current_one_is_a_conflict() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.group(&gid.to_string()).by("boss").sets_description("first");

    let groups = shop.client.groups();
    let stale =
        groups.set_description(&gid, Some(description("second")), PreviousDescription::Absent);
    assert!(matches!(stale.await, Err(GroupError::DescriptionConflict)));

    groups
        .set_description(&gid, Some(description("second")), PreviousDescription::Resolve)
        .await
        .unwrap();
    assert_eq!(sandbox.group(&gid.to_string()).description().as_deref(), Some("second"));
    groups.set_description(&gid, None, PreviousDescription::Resolve).await.unwrap();
    assert_eq!(sandbox.group(&gid.to_string()).description(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_demoted_may_change_no_settings_and_see_no_invite() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.group(&gid.to_string()).demotes("shop");

    let groups = shop.client.groups();
    assert_eq!(refusal(&groups.set_announce(&gid, true).await.unwrap_err()), Some(403));
    assert_eq!(refusal(&groups.set_locked(&gid, true).await.unwrap_err()), Some(403));
    assert_eq!(refusal(&groups.get_invite_link(&gid, false).await.unwrap_err()), Some(401));
    groups.set_subject(&gid, subject("Still open")).await.unwrap();
    sandbox.group(&gid.to_string()).sets_locked(true);
    let refused = groups.set_subject(&gid, subject("No more")).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    assert_eq!(sandbox.group(&gid.to_string()).subject(), "Still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_forbidden_and_an_unknown_group_is_not_found() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.group(&gid.to_string()).removes("shop");

    let groups = shop.client.groups();
    assert_eq!(refusal(&groups.get_metadata(&gid).await.unwrap_err()), Some(403));
    assert_eq!(refusal(&groups.get_invite_link(&gid, false).await.unwrap_err()), Some(403));
    assert_eq!(refusal(&groups.set_announce(&gid, true).await.unwrap_err()), Some(403));

    let unknown = Jid::group("120363999999999999");
    assert_eq!(refusal(&groups.get_metadata(&unknown).await.unwrap_err()), Some(404));
    assert_eq!(refusal(&groups.set_announce(&unknown, true).await.unwrap_err()), Some(404));
    assert_eq!(refusal(&groups.get_invite_link(&unknown, true).await.unwrap_err()), Some(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_reads_and_resets_the_invite() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let truth = sandbox.group(&gid.to_string());
    let groups = shop.client.groups();

    let old = groups.get_invite_link(&gid, false).await.unwrap();
    assert_eq!(old, format!("https://chat.whatsapp.com/{}", truth.invite_code()));
    let new = groups.get_invite_link(&gid, true).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(new, format!("https://chat.whatsapp.com/{}", truth.invite_code()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_members_client_hears_of_a_change() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let mia = links(&sandbox, "mia").await;

    shop.client.groups().set_subject(&gid, subject("Heard")).await.unwrap();
    let (group, author, text) = mia
        .sees(|event| match event {
            Event::GroupUpdate(update) => match &update.action {
                GroupNotificationAction::Subject { subject, .. } => {
                    Some((update.group_jid.clone(), update.participant.clone(), subject.clone()))
                }
                _ => None,
            },
            _ => None,
        })
        .await;
    assert_eq!((group, text.as_str()), (gid.clone(), "Heard"));
    assert!(author.is_some_and(|author| author.is_lid()));

    sandbox.group(&gid.to_string()).by("boss").sets_announce(true);
    for device in [&shop, &mia] {
        device
            .sees(|event| match event {
                Event::GroupUpdate(update) => {
                    matches!(update.action, GroupNotificationAction::Announce).then_some(())
                }
                _ => None,
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_makes_a_group() {
    let (sandbox, gid) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let crew = shop.client.groups().get_metadata(&gid).await.unwrap();
    let phone = crew.participants[2].phone_number.clone().unwrap();
    let options = GroupCreateOptions::new("Made")
        .with_participants(vec![GroupParticipantOptions::from_phone(phone)]);
    let made = shop.client.groups().create_group(options).await.unwrap().metadata;
    assert_eq!(made.subject, "Made");
    let names: Vec<String> =
        sandbox.group(&made.id.to_string()).members().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["shop", "mia"]);
}
