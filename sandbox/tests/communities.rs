//! Communities: how they are made, what is linked to them, who may do what in them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use wharf_sandbox::{Config, GroupLever, NewGroup, Part, Role, Sandbox};
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::request::InfoQuery;
use whatsapp_rust::wacore::stanza::groups::GroupNotificationAction as Action;
use whatsapp_rust::wacore_binary::NodeContent;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::{CreateCommunityOptions, GroupType, Jid, group_type};

use crate::client::{Device, refusal};
use crate::groups::links;

/// A community of `boss`, `shop` (an admin) and `mia`; `bob` has a phone and is not in it.
async fn town() -> (Sandbox, GroupLever) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    for name in ["boss", "shop", "mia", "bob"] {
        sandbox.add_phone(name);
    }
    let town = NewGroup::new("Town").owner("boss").admin("shop").member("mia");
    let town = sandbox.add_group(town.community_with_general_chat());
    (sandbox, town)
}

fn jid(group: &GroupLever) -> Jid {
    group.gid().parse().unwrap()
}

fn part(community: &GroupLever, part: Part) -> GroupLever {
    let groups = community.subgroups().into_iter();
    groups.filter(|(_, is)| *is == part).map(|(group, _)| group).next_back().unwrap()
}

fn names(group: &GroupLever) -> Vec<String> {
    group.members().into_iter().map(|(name, _)| name).collect()
}

fn number(sandbox: &Sandbox, name: &str) -> Jid {
    Jid::pn(sandbox.phone(name).number().unwrap())
}

async fn hears<T>(device: &Device, of: Jid, pick: impl Fn(&Action) -> Option<T>) -> T {
    device
        .sees(|event| match event {
            Event::GroupUpdate(update) if update.group_jid == of => pick(&update.action),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_community_has_announcements_and_a_chat_for_everybody() {
    let (sandbox, _) = town().await;
    let bob = links(&sandbox, "bob").await;
    let mut options = CreateCommunityOptions::new("Village");
    options.closed = true;
    options.description = Some("ours".to_owned());
    options.allow_non_admin_sub_group_creation = true;
    let made = bob.client.community().create(options).await.unwrap().metadata;
    let read = bob.client.groups().get_metadata(&made.id).await.unwrap();
    assert_eq!(group_type(&read), GroupType::Community);
    assert_eq!(read.description.as_deref(), Some("ours"));
    assert!(read.parent_membership_approval_required && read.allow_non_admin_sub_group_creation);

    let subgroups = bob.client.community().get_subgroups(&made.id).await.unwrap();
    let [announcements, general] = &subgroups[..] else { panic!("{subgroups:?}") };
    assert!(announcements.is_default_sub_group && general.is_general_chat);
    assert_eq!((announcements.subject.as_str(), general.subject.as_str()), ("Village", "General"));
    let read = bob.client.groups().get_metadata(&announcements.id).await.unwrap();
    assert_eq!(group_type(&read), GroupType::LinkedAnnouncementGroup);
    assert_eq!(read.parent_group_jid.as_ref(), Some(&made.id));
    assert!(read.is_announcement);
    let read = bob.client.groups().get_metadata(&general.id).await.unwrap();
    assert_eq!(group_type(&read), GroupType::LinkedGeneralGroup);

    let mut options = CreateCommunityOptions::new("Hamlet");
    options.create_general_chat = false;
    let small = bob.client.community().create(options).await.unwrap().metadata.id;
    assert_eq!(bob.client.community().get_subgroups(&small).await.unwrap().len(), 1);
    let communities = bob.client.community().get_participating().await.unwrap();
    assert_eq!(communities.len(), 2);
    assert!(communities.contains_key(&made.id) && communities.contains_key(&small));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_community_is_said_to_its_members() {
    let (sandbox, town) = town().await;
    let (mia, bob) = (links(&sandbox, "mia").await, links(&sandbox, "bob").await);
    let community = mia.client.community();
    let counts = community.get_subgroup_participant_counts(&jid(&town)).await.unwrap();
    assert_eq!(counts, [(jid(&part(&town, Part::General)), 3)]);
    let plain = sandbox.add_group(NewGroup::new("Plain").owner("mia"));
    for (asker, gid, number) in
        [(&bob, jid(&town), "403"), (&mia, jid(&plain), "406"), (&mia, Jid::group("9"), "404")]
    {
        let error = asker.client.community().get_subgroups(&gid).await.unwrap_err();
        let told = format!("{error:?}");
        assert!(told.contains(&format!("code={number}")), "{told}");
    }
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_linked_with_their_members_and_everybody_hears_of_it() {
    let (sandbox, town) = town().await;
    let (boss, mia) = (links(&sandbox, "boss").await, links(&sandbox, "mia").await);
    let bob = links(&sandbox, "bob").await;
    let crew = sandbox.add_group(NewGroup::new("Crew").owner("boss").member("bob"));
    let foreign = sandbox.add_group(NewGroup::new("Foreign").owner("mia").member("boss"));
    let other = sandbox.add_group(NewGroup::new("Other").owner("boss").community());
    let asked = [jid(&crew), jid(&foreign), jid(&other), Jid::group("9")];
    let linked = boss.client.community().link_subgroups(jid(&town), &asked).await.unwrap();
    assert_eq!(linked.linked_jids, asked[..1]);
    let failed: Vec<u32> = linked.failed_groups.iter().map(|(_, code)| *code).collect();
    assert_eq!(failed, [403, 406, 404]);
    let link = |action: &Action| match action {
        Action::Link { link_type, .. } => Some(link_type.clone()),
        _ => None,
    };
    assert_eq!(hears(&mia, jid(&town), link).await, "sub_group");
    assert_eq!(hears(&bob, jid(&crew), link).await, "parent_group");
    assert_eq!(names(&town), ["boss", "shop", "mia", "bob"]);
    assert_eq!(names(&part(&town, Part::Announcements)), ["boss", "shop", "mia", "bob"]);
    let read = bob.client.groups().get_metadata(&jid(&crew)).await.unwrap();
    assert_eq!(group_type(&read), GroupType::LinkedSubgroup);
    assert_eq!(read.parent_group_jid, Some(jid(&town)));

    let again = boss.client.community().link_subgroups(jid(&town), &asked[..1]).await.unwrap();
    assert_eq!(again.failed_groups, [(jid(&crew), 409)]);
    let entry = sandbox.journal().into_iter().filter(|entry| entry.operation == "group.link");
    assert_eq!(entry.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_of_a_community_link_unlink_and_end_it() {
    let (sandbox, town) = town().await;
    let mia = links(&sandbox, "mia").await;
    let own = sandbox.add_group(NewGroup::new("Own").owner("mia"));
    let linked = sandbox.add_group(NewGroup::new("Crew").owner("boss").inside(&town));
    let community = mia.client.community();
    let refused = community.link_subgroups(jid(&town), &[jid(&own)]).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    let refused = community.unlink_subgroups(jid(&town), &[jid(&linked)], false).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    let refused = community.deactivate(jid(&town)).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    let refused = community.create_subgroup("Mine", &[], jid(&town)).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    let refused = community.remove_participants(jid(&town), &[number(&sandbox, "shop")]).await;
    assert_eq!(refusal(&refused.unwrap_err()), Some(403));
    for (gid, code) in [(Jid::group("9"), 404), (jid(&own), 406)] {
        let refused = community.deactivate(gid.clone()).await.unwrap_err();
        assert_eq!(refusal(&refused), Some(code));
        let refused = community.create_subgroup("Mine", &[], gid).await.unwrap_err();
        assert_eq!(refusal(&refused), Some(code));
    }
    assert_eq!(town.subgroups().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_made_inside_a_community() {
    let (sandbox, town) = town().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let bob = [number(&sandbox, "bob")];
    let made = shop.client.community().create_subgroup("Crew", &bob, jid(&town)).await.unwrap();
    let read = shop.client.groups().get_metadata(&made.metadata.id).await.unwrap();
    assert_eq!(group_type(&read), GroupType::LinkedSubgroup);
    assert_eq!(read.parent_group_jid, Some(jid(&town)));
    let linked = hears(&mia, jid(&town), |action| match action {
        Action::Link { raw, .. } => raw.get_optional_child("group").cloned(),
        _ => None,
    });
    assert_eq!(linked.await.attrs().optional_jid("jid"), Some(made.metadata.id));
    assert!(names(&town).contains(&"bob".to_owned()));

    let mut options = CreateCommunityOptions::new("Open");
    options.allow_non_admin_sub_group_creation = true;
    let open = shop.client.community().create(options).await.unwrap().metadata.id;
    sandbox.group(&open.to_string()).adds("mia");
    mia.client.community().create_subgroup("Mine", &[], open).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unlinked_groups_stand_alone_and_orphans_go_if_they_are_to() {
    let (sandbox, town) = town().await;
    let (shop, bob) = (links(&sandbox, "shop").await, links(&sandbox, "bob").await);
    let crew = NewGroup::new("Crew").owner("shop").member("bob");
    let crew = sandbox.add_group(crew.inside(&town));
    let announcements = part(&town, Part::Announcements);
    let community = shop.client.community();
    let asked = [jid(&crew), jid(&announcements), Jid::group("9")];
    let done = community.unlink_subgroups(jid(&town), &asked, true).await.unwrap();
    assert_eq!(done.unlinked_jids, asked[..1]);
    let failed: Vec<u32> = done.failed_groups.iter().map(|(_, code)| *code).collect();
    assert_eq!(failed, [406, 404]);
    let reason = hears(&bob, jid(&crew), |action| match action {
        Action::Unlink { unlink_type, unlink_reason, .. } => {
            Some((unlink_type.clone(), unlink_reason.clone()))
        }
        _ => None,
    });
    let expected = ("parent_group".to_owned(), Some("unlink_group".to_owned()));
    assert_eq!(reason.await, expected);
    assert_eq!(crew.parent(), None);
    assert_eq!(names(&crew), ["shop", "bob"]);
    assert_eq!(names(&town), ["boss", "shop", "mia"]);
    assert_eq!(names(&announcements), ["boss", "shop", "mia"]);

    town.links(&sandbox.add_group(NewGroup::new("Two").owner("boss").member("bob")));
    let two = part(&town, Part::Group);
    let done = community.unlink_subgroups(jid(&town), &[jid(&two)], false).await.unwrap();
    assert_eq!(done.unlinked_jids, [jid(&two)]);
    assert_eq!(names(&town), ["boss", "shop", "mia", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_community_look_at_its_groups_and_come_in() {
    let (sandbox, town) = town().await;
    let (boss, mia) = (links(&sandbox, "boss").await, links(&sandbox, "mia").await);
    let bob = links(&sandbox, "bob").await;
    let crew = sandbox.add_group(NewGroup::new("Crew").owner("boss").inside(&town));
    let community = mia.client.community();
    let seen = community.query_linked_group(jid(&town), jid(&crew)).await.unwrap();
    assert_eq!((seen.subject.as_str(), seen.participants.len()), ("Crew", 0));
    let joined = community.join_subgroup(jid(&town), jid(&crew)).await.unwrap();
    assert_eq!((joined.id, joined.participants.len()), (jid(&crew), 2));
    let reason = hears(&boss, jid(&crew), |action| match action {
        Action::Add { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await.as_deref(), Some("linked_group_join"));
    let again = community.join_subgroup(jid(&town), jid(&crew)).await.unwrap_err();
    assert_eq!(refusal(&again), Some(409));

    let people = community.get_linked_groups_participants(jid(&town)).await.unwrap();
    assert_eq!(people.len(), 3);
    let plain = sandbox.add_group(NewGroup::new("Plain").owner("boss"));
    for gid in [jid(&plain), Jid::group("9")] {
        let refused = community.query_linked_group(jid(&town), gid.clone()).await.unwrap_err();
        assert_eq!(refusal(&refused), Some(404));
        let refused = community.join_subgroup(jid(&town), gid).await.unwrap_err();
        assert_eq!(refusal(&refused), Some(404));
    }
    let stranger = bob.client.community();
    let refused = stranger.query_linked_group(jid(&town), jid(&crew)).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    let refused = stranger.join_subgroup(jid(&town), jid(&crew)).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    let refused = stranger.get_linked_groups_participants(jid(&town)).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(403));
    for (gid, code) in [(jid(&town), 403), (jid(&plain), 406), (Jid::group("9"), 404)] {
        let list = Some(NodeContent::Nodes(vec![NodeBuilder::new("sub_groups").build()]));
        let refused = bob.client.send_iq(InfoQuery::get("w:g2", gid, list)).await.unwrap_err();
        assert_eq!(refusal(&refused), Some(code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_admin_decides_a_member_of_the_community_asks() {
    let (sandbox, town) = town().await;
    let mia = links(&sandbox, "mia").await;
    let crew = sandbox.add_group(NewGroup::new("Crew").owner("boss").inside(&town));
    crew.sets_approval(true);
    // The client reads nothing but a group there.
    assert!(mia.client.community().join_subgroup(jid(&town), jid(&crew)).await.is_err());
    assert_eq!(crew.requests(), ["mia"]);
    assert_eq!(names(&crew), ["boss"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_away_from_a_community_is_in_none_of_its_groups() {
    let (sandbox, town) = town().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let crew = sandbox.add_group(NewGroup::new("Crew").owner("boss").member("mia").inside(&town));
    let asked = [number(&sandbox, "mia"), number(&sandbox, "boss"), number(&sandbox, "bob")];
    let fates = shop.client.community().remove_participants(jid(&town), &asked).await.unwrap();
    let errors: Vec<_> = fates.iter().map(|fate| fate.error.as_deref()).collect();
    assert_eq!(errors, [None, Some("403"), Some("404")]);
    hears(&mia, jid(&crew), |action| matches!(action, Action::Remove { .. }).then_some(())).await;
    assert_eq!(names(&town), ["boss", "shop"]);
    for (group, _) in town.subgroups() {
        assert!(!names(&group).contains(&"mia".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_and_its_announcements_have_the_same_members_and_admins() {
    let (sandbox, town) = town().await;
    let announcements = part(&town, Part::Announcements);
    let crew = sandbox.add_group(NewGroup::new("Crew").owner("boss").inside(&town));
    crew.adds("bob");
    assert_eq!(announcements.members(), town.members());
    assert!(names(&town).contains(&"bob".to_owned()));
    town.promotes("mia");
    assert!(announcements.members().contains(&("mia".to_owned(), Role::Admin)));
    announcements.demotes("mia");
    assert!(town.members().contains(&("mia".to_owned(), Role::Member)));
    let bob = links(&sandbox, "bob").await;
    bob.client.groups().leave(jid(&town)).await.unwrap();
    for group in [&town, &announcements, &crew] {
        assert!(!names(group).contains(&"bob".to_owned()));
    }
    announcements.removes("mia");
    assert_eq!(announcements.members(), town.members());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_from_a_community_or_its_announcements_leaves_its_groups() {
    let (sandbox, town) = town().await;
    let shop = links(&sandbox, "shop").await;
    let crew = NewGroup::new("Crew").owner("boss").member("mia").member("bob");
    let crew = sandbox.add_group(crew.inside(&town));
    let mia = [number(&sandbox, "mia")];
    shop.client.groups().remove_participants(jid(&town), &mia).await.unwrap();
    part(&town, Part::Announcements).removes("bob");
    assert_eq!(names(&crew), ["boss"]);
    assert_eq!(names(&part(&town, Part::General)), ["boss", "shop"]);
    assert_eq!(names(&part(&town, Part::Announcements)), ["boss", "shop"]);
    assert_eq!(names(&town), ["boss", "shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_announce() {
    let (sandbox, town) = town().await;
    let announcements = jid(&part(&town, Part::Announcements));
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let sent = shop.client.send_text(announcements.clone(), "hear").await.unwrap();
    assert_eq!(shop.answered(&sent.message_id).await, None);
    assert_eq!(mia.reads().await.text, "hear");
    let sent = mia.client.send_text(announcements, "me too").await.unwrap();
    assert_eq!(mia.answered(&sent.message_id).await.as_deref(), Some("420"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_that_ends_leaves_its_groups_alone() {
    let (sandbox, town) = town().await;
    let (boss, mia) = (links(&sandbox, "boss").await, links(&sandbox, "mia").await);
    let announcements = jid(&part(&town, Part::Announcements));
    let general = part(&town, Part::General);
    boss.client.community().deactivate(jid(&town)).await.unwrap();
    // The client tells of several chats in any order.
    let heard = Mutex::new(BTreeSet::new());
    mia.sees(|event| {
        let Event::GroupUpdate(update) = event else { return None };
        let mut heard = heard.lock().unwrap();
        match &update.action {
            Action::Delete { .. } => heard.insert((update.group_jid.to_string(), "deleted")),
            Action::Unlink { unlink_reason: Some(reason), .. } if reason == "delete_parent" => {
                heard.insert((update.group_jid.to_string(), "unlinked"))
            }
            _ => false,
        };
        (heard.len() == 3).then_some(())
    })
    .await;
    let expected = [
        (town.gid(), "deleted"),
        (announcements.to_string(), "deleted"),
        (general.gid(), "unlinked"),
    ];
    assert_eq!(heard.into_inner().unwrap(), BTreeSet::from(expected));
    assert_eq!(general.parent(), None);
    assert_eq!(names(&general), ["boss", "shop", "mia"]);
    let gone = mia.client.groups().get_metadata(&announcements).await.unwrap_err();
    assert_eq!(refusal(&gone), Some(404));
    let groups = mia.client.groups().get_participating().await.unwrap();
    assert_eq!(groups.into_keys().collect::<Vec<_>>(), [jid(&general)]);
}
