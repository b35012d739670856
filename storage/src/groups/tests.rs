use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use serde_json::json;

use super::*;
use crate::NewEvent;

const ACME: &str = "acme";

fn jid(number: u32) -> GroupJid {
    format!("12036300000{number}@g.us").parse().unwrap()
}

fn listed(lid: &str, role: Role) -> MemberSnapshot {
    MemberSnapshot { lid: format!("{lid}@lid"), phone: Some(format!("{lid}@s.whatsapp.net")), role }
}

fn snapshot(number: u32, members: Vec<MemberSnapshot>) -> GroupSnapshot {
    GroupSnapshot {
        subject: Some(format!("Crew {number}")),
        created_at: Some(1_000),
        members,
        ..GroupSnapshot::of(jid(number))
    }
}

fn event(session: SessionId, at: i64) -> NewEvent {
    NewEvent {
        session,
        organization: ACME.into(),
        name: "group.changed".into(),
        at,
        payload: json!({}),
    }
}

/// Syncs and gives the differences found.
async fn sync(
    store: &Store,
    session: SessionId,
    snapshots: Vec<GroupSnapshot>,
    at: i64,
) -> Vec<GroupDiff> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let seen = found.clone();
    let note = move |diff: &GroupDiff| {
        seen.lock().unwrap().push(diff.clone());
        vec![event(session, at)]
    };
    store.sync_groups(session, snapshots, HashSet::new(), at, note).await.unwrap();
    std::mem::take(&mut found.lock().unwrap())
}

#[tokio::test]
async fn what_is_known_better_than_the_list_stays_as_it_is() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    let crew = vec![listed("1", Role::Superadmin)];
    let stored = [1, 2, 3].map(|number| snapshot(number, crew.clone()));
    sync(&store, session, stored.to_vec(), 10).await;
    let renamed =
        |number| GroupSnapshot { subject: Some("Renamed".into()), ..snapshot(number, Vec::new()) };
    // The third and the fifth are in no list, and the fourth and the fifth are not stored.
    let list = vec![renamed(1), renamed(2), renamed(4)];
    let except: HashSet<_> = [2, 3, 4, 5].map(jid).into();
    for _ in 0..2 {
        let (list, except) = (list.clone(), except.clone());
        store.sync_groups(session, list, except, 20, |_| Vec::new()).await.unwrap();
    }
    let subject = |number| store.group(session, &jid(number)).unwrap().map(|group| group.subject);
    let known = |name: &str| Some(Some(name.to_owned()));
    assert_eq!(
        [1, 2, 3, 4, 5].map(subject),
        [known("Renamed"), known("Crew 2"), known("Crew 3"), known("Renamed"), None]
    );
    assert_eq!(store.figures().commits, 2, "what is as it was listed before is not written again");
    assert_eq!(members(&store, session, 1).await, []);
    for number in [2, 3] {
        assert_eq!(members(&store, session, number).await.len(), 1, "{number}");
    }
}

async fn members(store: &Store, session: SessionId, number: u32) -> Vec<Member> {
    store.members(session, &jid(number), None, 100).await.unwrap()
}

#[tokio::test]
async fn a_sync_reports_what_changed_and_leaves_the_rest_alone() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    let crew =
        vec![listed("1", Role::Superadmin), listed("2", Role::Admin), listed("3", Role::Member)];
    let first =
        sync(&store, session, vec![snapshot(1, crew.clone()), snapshot(2, crew.clone())], 10).await;
    assert_eq!(first.len(), 2);
    assert_eq!(
        (&first[0].before, first[0].joined.len(), first[0].after.participant_count),
        (&None, 3, 3)
    );

    assert_eq!(
        sync(&store, session, vec![snapshot(1, crew.clone()), snapshot(2, crew.clone())], 20).await,
        []
    );
    assert_eq!(store.group(session, &jid(1)).unwrap().unwrap().updated_at, 10);

    let changed =
        vec![listed("2", Role::Member), listed("3", Role::Admin), listed("4", Role::Member)];
    let renamed = GroupSnapshot { subject: Some("New".into()), ..snapshot(1, changed) };
    let diffs = sync(&store, session, vec![renamed, snapshot(2, crew)], 30).await;
    let [diff] = &diffs[..] else { panic!("{diffs:?}") };
    assert_eq!(diff.before.as_ref().unwrap().subject.as_deref(), Some("Crew 1"));
    assert_eq!((diff.after.subject.as_deref(), diff.after.updated_at), (Some("New"), 30));
    assert_eq!(diff.after.id, first[0].after.id);
    assert_eq!(
        (&diff.joined[..], &diff.left[..]),
        (&["4@lid".to_owned()][..], &["1@lid".to_owned()][..])
    );
    assert_eq!(
        (&diff.promoted[..], &diff.demoted[..]),
        (&["3@lid".to_owned()][..], &["2@lid".to_owned()][..])
    );
    assert_eq!(store.session_events(session, None, 9).await.unwrap().len(), 3);
    let lids: Vec<_> =
        members(&store, session, 1).await.into_iter().map(|member| member.lid).collect();
    assert_eq!(lids, ["2@lid", "3@lid", "4@lid"]);
}

#[tokio::test]
async fn a_list_that_says_what_is_stored_is_not_written_and_any_other_is() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    let crew = vec![listed("1", Role::Superadmin), listed("2", Role::Member)];
    let group = || snapshot(1, crew.clone());
    sync(&store, session, vec![group(), snapshot(2, vec![])], 10).await;
    // The second is left now: what is stored of it is no news either.
    sync(&store, session, vec![group()], 20).await;

    let without_phone = MemberSnapshot { phone: None, ..crew[1].clone() };
    let same = [group(), snapshot(1, vec![crew[0].clone(), without_phone])];
    for snapshot in same {
        let before = store.figures().commits;
        assert_eq!(sync(&store, session, vec![snapshot], 30).await, []);
        assert_eq!(store.figures().commits, before);
    }
    let others = [
        vec![GroupSnapshot { locked: true, ..group() }],
        vec![snapshot(1, vec![crew[0].clone(), listed("2", Role::Admin)])],
        vec![snapshot(1, vec![crew[0].clone()])],
        vec![snapshot(1, [&crew[..], &[listed("3", Role::Member)]].concat())],
        vec![group(), snapshot(2, vec![])],
        vec![group(), snapshot(3, vec![])],
        vec![],
    ];
    for list in others {
        sync(&store, session, vec![group()], 40).await;
        let before = store.figures().commits;
        assert_eq!(sync(&store, session, list, 50).await.len(), 1);
        assert_eq!(store.figures().commits, before + 1);
    }
    sync(&store, session, vec![group()], 60).await;
    store.mark_groups_stale(session, 70).await.unwrap();
    assert_eq!(sync(&store, session, vec![group()], 80).await, []);
    assert!(!store.group(session, &jid(1)).unwrap().unwrap().stale);
}

#[tokio::test]
async fn a_group_missing_from_the_list_is_left_and_keeps_its_row_id_on_return() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    let crew = vec![listed("1", Role::Member)];
    let first = sync(&store, session, vec![snapshot(1, crew.clone())], 10).await;
    let diffs = sync(&store, session, vec![], 20).await;
    assert_eq!((diffs.len(), diffs[0].after.left), (1, true));
    assert_eq!(store.group(session, &jid(1)).unwrap(), None);
    assert_eq!(store.groups(session, None, 9).await.unwrap(), []);
    assert_eq!(members(&store, session, 1).await, []);
    assert_eq!(sync(&store, session, vec![], 25).await, []);

    let back = sync(&store, session, vec![snapshot(1, crew)], 30).await;
    assert!(back[0].before.as_ref().unwrap().left && !back[0].after.left);
    assert_eq!((back[0].after.id, back[0].after.first_seen_at), (first[0].after.id, 10));
}

#[tokio::test]
async fn a_member_whose_lid_becomes_known_stays_the_same_member() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    let phone = "1@s.whatsapp.net";
    let by_phone =
        MemberSnapshot { lid: phone.into(), phone: Some(phone.into()), role: Role::Member };
    sync(&store, session, vec![snapshot(1, vec![by_phone])], 10).await;
    let before = members(&store, session, 1).await;
    let diffs = sync(&store, session, vec![snapshot(1, vec![listed("1", Role::Member)])], 20).await;
    assert_eq!(diffs, []);
    let after = members(&store, session, 1).await;
    assert_eq!((after.len(), after[0].id, after[0].lid.as_str()), (1, before[0].id, "1@lid"));
    assert_eq!((after[0].first_seen_at, after[0].last_seen_at), (10, 20));
}

#[tokio::test]
async fn stale_groups_are_fresh_after_a_listing_without_an_event() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    sync(&store, session, vec![snapshot(1, vec![])], 10).await;
    store.mark_groups_stale(session, 20).await.unwrap();
    assert!(store.group(session, &jid(1)).unwrap().unwrap().stale);
    let group = store
        .put_group(session, snapshot(1, vec![]), 30, move |_| vec![event(session, 30)])
        .await
        .unwrap();
    assert!(!group.stale);
    assert_eq!(store.group(session, &jid(1)).unwrap(), Some(group));
    assert_eq!(store.session_events(session, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_of_settings_is_stored_with_its_event_and_once_only() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    let change = GroupChange {
        subject: Some("New".into()),
        description: Some(Description { text: Some("All".into()), id: Some("d1".into()) }),
        announce: Some(true),
        locked: None,
    };
    assert!(
        !store
            .change_group(session, &jid(1), change.clone(), 5, vec![event(session, 5)])
            .await
            .unwrap()
    );
    sync(&store, session, vec![snapshot(1, vec![])], 10).await;
    assert!(
        store
            .change_group(session, &jid(1), change.clone(), 20, vec![event(session, 20)])
            .await
            .unwrap()
    );
    assert!(
        store
            .change_group(session, &jid(1), change.clone(), 30, vec![event(session, 30)])
            .await
            .unwrap()
    );
    let group = store.group(session, &jid(1)).unwrap().unwrap();
    assert_eq!(
        (group.subject.as_deref(), group.description.as_deref()),
        (Some("New"), Some("All"))
    );
    assert_eq!(
        (group.description_id.as_deref(), group.announce, group.locked),
        (Some("d1"), true, false)
    );
    assert_eq!(group.updated_at, 20);
    let events = store.session_events(session, None, 9).await.unwrap();
    assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [10, 20]);
}

#[tokio::test]
async fn members_are_changed_by_lid_and_by_phone() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    let crew =
        vec![listed("1", Role::Superadmin), listed("2", Role::Member), listed("3", Role::Admin)];
    sync(&store, session, vec![snapshot(1, crew)], 10).await;
    let change = MemberChange {
        add: vec![listed("4", Role::Member)],
        remove: vec!["1@s.whatsapp.net".into(), "unknown@lid".into()],
        promote: vec!["2@s.whatsapp.net".into()],
        demote: vec!["3@lid".into()],
    };
    assert!(
        store
            .change_members(session, &jid(1), change.clone(), 20, vec![event(session, 20)])
            .await
            .unwrap()
    );
    assert!(
        store
            .change_members(session, &jid(1), change.clone(), 30, vec![event(session, 30)])
            .await
            .unwrap()
    );
    let roles: Vec<_> = members(&store, session, 1)
        .await
        .into_iter()
        .map(|member| (member.lid, member.role))
        .collect();
    let expected = [("2@lid", Role::Admin), ("3@lid", Role::Member), ("4@lid", Role::Member)];
    assert_eq!(roles, expected.map(|(lid, role)| (lid.to_owned(), role)));
    assert_eq!(store.group(session, &jid(1)).unwrap().unwrap().participant_count, 3);
    assert_eq!(store.session_events(session, None, 9).await.unwrap().len(), 2);
    assert!(
        !store
            .change_members(session, &jid(2), change, 20, vec![event(session, 20)])
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_group_is_left_once_and_takes_no_changes_afterwards() {
    let (store, session) = (Store::in_memory().unwrap(), SessionId::generate(1));
    sync(&store, session, vec![snapshot(1, vec![listed("1", Role::Member)])], 10).await;
    assert!(store.leave_group(session, &jid(1), 20, vec![event(session, 20)]).await.unwrap());
    assert!(!store.leave_group(session, &jid(1), 30, vec![event(session, 30)]).await.unwrap());
    let change = GroupChange { announce: Some(true), ..GroupChange::default() };
    assert!(
        !store.change_group(session, &jid(1), change, 40, vec![event(session, 40)]).await.unwrap()
    );
    assert_eq!(store.session_events(session, None, 9).await.unwrap().len(), 2);
    assert_eq!(members(&store, session, 1).await, []);
}

#[tokio::test]
async fn groups_and_members_come_in_pages_and_sessions_are_apart() {
    let store = Store::in_memory().unwrap();
    let (session, other) = (SessionId::generate(1), SessionId::generate(1));
    let crew =
        vec![listed("1", Role::Member), listed("2", Role::Member), listed("3", Role::Member)];
    sync(
        &store,
        session,
        vec![snapshot(1, crew.clone()), snapshot(2, crew.clone()), snapshot(3, crew)],
        10,
    )
    .await;
    sync(&store, other, vec![snapshot(1, vec![])], 10).await;
    let jids = |groups: Vec<Group>| groups.into_iter().map(|group| group.jid).collect::<Vec<_>>();
    assert_eq!(jids(store.groups(session, None, 2).await.unwrap()), [jid(1), jid(2)]);
    assert_eq!(jids(store.groups(session, Some(&jid(2)), 2).await.unwrap()), [jid(3)]);
    assert_eq!(jids(store.groups(other, None, 9).await.unwrap()), [jid(1)]);
    let page = store.members(session, &jid(1), Some("1@lid"), 1).await.unwrap();
    assert_eq!(page.iter().map(|member| member.lid.as_str()).collect::<Vec<_>>(), ["2@lid"]);
    assert_eq!(members(&store, other, 1).await, []);
}
