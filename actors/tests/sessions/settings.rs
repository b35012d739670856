//! Changes of groups, ours and those of others.

use wharf_actors::{ApplySettings, Error, FetchInvite, Field, Refusal};
use wharf_sandbox::NewGroup;
use wharf_storage::GroupJid;

use crate::harbour::{Harbour, names, settings, until};

#[tokio::test]
async fn the_four_settings_are_applied_in_order_and_stored() {
    let harbour = Harbour::opens().await;
    let group =
        harbour.sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop").member("mia"));
    let gid: GroupJid = group.gid().parse().unwrap();
    let session = harbour.links_a_session().await;
    assert_eq!(names(&harbour.store, session.id(), &gid).as_deref(), Some("Crew"));

    let command = ApplySettings {
        subject: Some("Night crew".to_owned()),
        description: Some("From ten to six".to_owned()),
        announce: Some(true),
        locked: Some(true),
        ..settings(&gid)
    };
    session.apply_settings(command).await.unwrap();

    let applied: Vec<String> = harbour
        .sandbox
        .journal()
        .into_iter()
        .filter(|entry| entry.object == gid.as_ref() && entry.account == "shop")
        .map(|entry| entry.operation)
        .collect();
    assert_eq!(applied, ["group.subject", "group.description", "group.announce", "group.locked"]);
    let stored = harbour.store.group(session.id(), &gid).unwrap().unwrap();
    assert_eq!(stored.subject.as_deref(), Some("Night crew"));
    assert_eq!(stored.description.as_deref(), Some("From ten to six"));
    assert!(stored.announce && stored.locked);

    // The id of the description that was just set is known: the next change needs no conflict to find it.
    let again = ApplySettings { description: Some(String::new()), ..settings(&gid) };
    session.apply_settings(again).await.unwrap();
    assert_eq!(harbour.store.group(session.id(), &gid).unwrap().unwrap().description, None);

    let events = harbour.store.session_events(session.id(), None, 200).await.unwrap();
    let updates = events.iter().filter(|event| event.name == "group.update").count();
    assert_eq!(updates, 1 + 4 + 1, "one for the sync, one for each field");
    for name in ["session.status", "auth.qr", "auth.code"] {
        assert!(events.iter().any(|event| event.name == name), "no `{name}`");
    }
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn whatsapps_refusals_are_told_with_the_field_that_failed() {
    let harbour = Harbour::opens().await;
    let group = harbour.sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop"));
    let gid: GroupJid = group.gid().parse().unwrap();
    let session = harbour.links_a_session().await;
    group.demotes("shop");

    let command =
        ApplySettings { subject: Some("Mine".to_owned()), announce: Some(true), ..settings(&gid) };
    let Err(Error::Settings(failure)) = session.apply_settings(command).await else {
        panic!("a plain member changed an admin's setting")
    };
    assert_eq!((failure.applied, failure.failed), (vec![Field::Subject], Field::Announce));
    assert!(matches!(failure.cause, Error::Refused(Refusal::Forbidden { code: 403 })));
    assert_eq!(names(&harbour.store, session.id(), &gid).as_deref(), Some("Mine"));

    let unknown: GroupJid = "120363999999999999@g.us".parse().unwrap();
    let invite = session.fetch_invite(FetchInvite { group: unknown }).await;
    assert!(matches!(invite, Err(Error::Refused(Refusal::NotFound { code: 404 }))), "{invite:?}");
    let invite = session.fetch_invite(FetchInvite { group: gid }).await;
    assert!(matches!(invite, Err(Error::Refused(Refusal::Forbidden { code: 401 }))), "{invite:?}");
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn changes_by_others_reach_the_stored_group() {
    let harbour = Harbour::opens().await;
    let group = harbour.sandbox.add_group(NewGroup::new("Crew").owner("boss").member("shop"));
    let gid: GroupJid = group.gid().parse().unwrap();
    let session = harbour.links_a_session().await;

    group.by("boss").sets_subject("Day crew");
    group.adds("mia");
    until("the new subject", async || {
        let stored = harbour.store.group(session.id(), &gid).unwrap()?;
        (stored.subject.as_deref() == Some("Day crew") && stored.participant_count == 3)
            .then_some(())
    })
    .await;

    group.removes("shop");
    until("the end of the membership", async || {
        harbour.store.group(session.id(), &gid).unwrap().is_none().then_some(())
    })
    .await;
    harbour.sessions.shutdown().await;
}
