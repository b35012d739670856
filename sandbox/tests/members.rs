//! Members who come, go, rise and fall: by a client's request, and behind its back.

use wharf_sandbox::{Fault, GroupLever, Role, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::iq::groups::ParticipantChangeResponse;
use whatsapp_rust::wacore::stanza::groups::GroupNotificationAction;
use whatsapp_rust::{GroupDescription, GroupError, Jid, PreviousDescription};

use crate::client::{Device, refusal};
use crate::groups::{crew, links};
use crate::network::opens;

/// The crew with `bob` outside of the group, and the client of its admin `shop`.
async fn admin() -> (Sandbox, Jid, Device) {
    let (sandbox, gid) = crew().await;
    sandbox.add_phone("bob");
    let shop = links(&sandbox, "shop").await;
    (sandbox, gid, shop)
}

/// LIDs of the phones, in the order in which the sandbox made them.
fn lid(name: &str) -> Jid {
    let place = ["boss", "shop", "mia", "bob", "nobody"].iter().position(|one| *one == name);
    Jid::lid(format!("1{:014}", place.unwrap() + 1))
}

fn role(group: &GroupLever, name: &str) -> Option<Role> {
    group.members().into_iter().find(|(member, _)| member == name).map(|(_, role)| role)
}

/// Good or refused, for each.
fn fates(answer: &[ParticipantChangeResponse]) -> Vec<(Jid, Option<&str>)> {
    assert!(answer.iter().all(|one| one.is_ok() == (one.status.as_deref() == Some("200"))));
    answer.iter().map(|one| (one.jid.clone(), one.error.as_deref())).collect()
}

/// What a device hears of the group next: the kind of change, and whom it concerns.
async fn hears(device: &Device) -> (&'static str, Vec<Jid>) {
    use GroupNotificationAction as Action;
    let told = |event: &Event| {
        let Event::GroupUpdate(update) = event else { return None };
        let (kind, people) = match &update.action {
            Action::Add { participants, .. } => ("add", participants),
            Action::Remove { participants, .. } => ("remove", participants),
            Action::Promote { participants, .. } => ("promote", participants),
            Action::Demote { participants, .. } => ("demote", participants),
            _ => return None,
        };
        Some((kind, people.iter().map(|one| one.jid.clone()).collect()))
    };
    device.sees(told).await
}

fn operations(sandbox: &Sandbox) -> Vec<(String, String)> {
    let entries = sandbox.journal().into_iter().skip(1);
    entries.map(|entry| (entry.account, entry.operation)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_moves_members_and_each_device_hears_of_it() {
    let (sandbox, gid, shop) = admin().await;
    let mia = links(&sandbox, "mia").await;
    let group = sandbox.group(&gid.to_string());
    let groups = shop.client.groups();

    let added = groups.add_participants(&gid, &[lid("bob")]).await.unwrap();
    assert_eq!(fates(&added), [(lid("bob"), None)]);
    assert!(added[0].phone_number.as_ref().is_some_and(Jid::is_pn));
    assert_eq!(hears(&mia).await, ("add", vec![lid("bob")]));
    assert_eq!(role(&group, "bob"), Some(Role::Member));

    let promoted = groups.promote_participants(&gid, &[lid("mia"), lid("bob")]).await.unwrap();
    assert_eq!(fates(&promoted), [(lid("mia"), None), (lid("bob"), None)]);
    assert_eq!(hears(&mia).await, ("promote", vec![lid("mia"), lid("bob")]));
    assert_eq!(role(&group, "bob"), Some(Role::Admin));

    groups.demote_participants(&gid, &[lid("bob")]).await.unwrap();
    assert_eq!(hears(&mia).await, ("demote", vec![lid("bob")]));
    groups.remove_participants(&gid, &[lid("mia")]).await.unwrap();
    // Who is sent away hears of that.
    assert_eq!(hears(&mia).await, ("remove", vec![lid("mia")]));
    assert_eq!(role(&group, "mia"), None);

    let by_shop = ["group.add", "group.promote", "group.demote", "group.remove"]
        .map(|operation| ("shop".to_owned(), operation.to_owned()));
    assert_eq!(operations(&sandbox), by_shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_people_each_succeeds_or_fails_alone() {
    let (sandbox, gid, shop) = admin().await;
    let groups = shop.client.groups();
    let added = groups.add_participants(&gid, &[lid("mia"), lid("bob"), lid("nobody")]).await;
    assert_eq!(
        fates(&added.unwrap()),
        [(lid("mia"), Some("409")), (lid("bob"), None), (lid("nobody"), Some("404"))]
    );
    let demoted = groups.demote_participants(&gid, &[lid("boss"), lid("nobody")]).await.unwrap();
    assert_eq!(fates(&demoted), [(lid("boss"), Some("403")), (lid("nobody"), Some("404"))]);
    let removed = groups.remove_participants(&gid, &[lid("boss")]).await.unwrap();
    assert_eq!(fates(&removed), [(lid("boss"), Some("403"))]);
    // What moved nobody is no change.
    assert_eq!(operations(&sandbox), [("shop".to_owned(), "group.add".to_owned())]);
    assert_eq!(sandbox.journal()[1].detail["members"], serde_json::json!(["bob"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_admin_moves_nobody() {
    let (sandbox, gid, shop) = admin().await;
    let group = sandbox.group(&gid.to_string());
    let groups = shop.client.groups();
    group.demotes("shop");
    let code = |refused: Result<_, GroupError>| refusal(&refused.unwrap_err());
    assert_eq!(code(groups.add_participants(&gid, &[lid("bob")]).await), Some(403));
    assert_eq!(code(groups.remove_participants(&gid, &[lid("mia")]).await), Some(403));
    assert_eq!(code(groups.promote_participants(&gid, &[lid("shop")]).await), Some(403));
    assert_eq!(code(groups.demote_participants(&gid, &[lid("mia")]).await), Some(403));
    let unknown = Jid::group("120363999999999999");
    assert_eq!(code(groups.add_participants(&unknown, &[lid("bob")]).await), Some(404));
    assert_eq!(group.members().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_out_and_the_others_hear_of_it() {
    let (sandbox, gid, shop) = admin().await;
    let mia = links(&sandbox, "mia").await;
    let groups = shop.client.groups();
    groups.leave(&gid).await.unwrap();
    assert_eq!(hears(&mia).await, ("remove", vec![lid("shop")]));
    assert_eq!(refusal(&groups.get_metadata(&gid).await.unwrap_err()), Some(403));
    assert!(groups.get_participating().await.unwrap().is_empty());
    assert_eq!(refusal(&groups.leave(&gid).await.unwrap_err()), Some(403));
    let unknown = Jid::group("120363999999999999");
    assert_eq!(refusal(&groups.leave(&unknown).await.unwrap_err()), Some(404));
    assert_eq!(operations(&sandbox), [("shop".to_owned(), "group.leave".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_last_admin_leaves_the_oldest_member_becomes_one() {
    let (sandbox, gid, shop) = admin().await;
    let mia = links(&sandbox, "mia").await;
    let group = sandbox.group(&gid.to_string());
    group.adds("bob");
    assert_eq!(hears(&mia).await, ("add", vec![lid("bob")]));
    // There is another admin.
    group.by("boss").leaves();
    assert_eq!(hears(&mia).await, ("remove", vec![lid("boss")]));
    shop.client.groups().leave(&gid).await.unwrap();
    // The client does not keep the order of what comes at once.
    let mut heard = [hears(&mia).await, hears(&mia).await];
    heard.sort_by_key(|(kind, _)| *kind);
    assert_eq!(heard, [("promote", vec![lid("mia")]), ("remove", vec![lid("shop")])]);
    let roles = [("mia".to_owned(), Role::Admin), ("bob".to_owned(), Role::Member)];
    assert_eq!(group.members(), roles);
    mia.client.groups().set_announce(&gid, true).await.unwrap();
    let rise = ("shop".to_owned(), "group.promote".to_owned());
    assert_eq!(operations(&sandbox).into_iter().filter(|one| *one == rise).count(), 1);

    mia.client.groups().leave(&gid).await.unwrap();
    assert_eq!(group.members(), [("bob".to_owned(), Role::Admin)]);
    group.by("bob").leaves();
    assert_eq!(group.members(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_hears_what_another_admin_did() {
    let (sandbox, gid, shop) = admin().await;
    let group = sandbox.group(&gid.to_string());
    let store = shop.saved().await;
    shop.client.disconnect().await;
    opens(&sandbox, 0).await;
    let boss = group.by("boss");
    boss.promotes("mia");
    group.by("mia").adds("bob");
    boss.demotes("shop");
    group.by("bob").leaves();
    boss.removes("mia");

    let again = Device::stored_in(store, &sandbox.ws_url()).await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        let (kind, people) = hears(&again).await;
        heard.push((kind, people[0].to_string()));
    }
    // The client does not keep the order of what it missed.
    heard.sort_unstable();
    let missed = [
        ("add", "bob"),
        ("demote", "shop"),
        ("promote", "mia"),
        ("remove", "mia"),
        ("remove", "bob"),
    ];
    assert_eq!(heard, missed.map(|(kind, name)| (kind, lid(name).to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_meet_faults_before_they_move_anybody() {
    let (sandbox, gid, shop) = admin().await;
    let groups = shop.client.groups();
    for operation in ["group.add", "group.remove", "group.promote", "group.demote"] {
        sandbox.fails_next(operation, 1, Fault::code(419));
    }
    let code = |refused: Result<_, GroupError>| refusal(&refused.unwrap_err());
    assert_eq!(code(groups.add_participants(&gid, &[lid("bob")]).await), Some(419));
    assert_eq!(code(groups.remove_participants(&gid, &[lid("mia")]).await), Some(419));
    assert_eq!(code(groups.promote_participants(&gid, &[lid("mia")]).await), Some(419));
    assert_eq!(code(groups.demote_participants(&gid, &[lid("shop")]).await), Some(419));
    assert_eq!(operations(&sandbox), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_is_deleted_and_set_again() {
    let (sandbox, gid, shop) = admin().await;
    let group = sandbox.group(&gid.to_string());
    let groups = shop.client.groups();
    let set = |text: Option<&str>, prev| {
        let text = text.map(|text| GroupDescription::new(text).unwrap());
        groups.set_description(&gid, text, prev)
    };
    set(Some("one"), PreviousDescription::Absent).await.unwrap();
    let first = group.description_id().unwrap();
    let absent = set(Some("two"), PreviousDescription::Absent).await;
    assert!(matches!(absent, Err(GroupError::DescriptionConflict)));
    set(None, PreviousDescription::Id(&first)).await.unwrap();
    assert_eq!((group.description(), group.description_id()), (None, None));

    let stale = set(Some("two"), PreviousDescription::Id(&first)).await;
    assert!(matches!(stale, Err(GroupError::DescriptionConflict)));
    set(Some("two"), PreviousDescription::Resolve).await.unwrap();
    set(None, PreviousDescription::Resolve).await.unwrap();
    set(Some("three"), PreviousDescription::Absent).await.unwrap();
    assert_eq!(group.description().as_deref(), Some("three"));

    // The id of a deletion, as its notification gives it, is as good as none.
    group.by("boss").sets_description("");
    let id = shop
        .sees(|event| match event {
            Event::GroupUpdate(update) => match &update.action {
                GroupNotificationAction::Description { id, description: None } => Some(id.clone()),
                _ => None,
            },
            _ => None,
        })
        .await;
    set(Some("four"), PreviousDescription::Id(&id)).await.unwrap();
    assert_eq!(group.description().as_deref(), Some("four"));
}
