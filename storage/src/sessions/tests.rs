use serde_json::json;

use super::*;
use crate::{
    Footprint, GroupDiff, GroupSnapshot, MemberSnapshot, Role,
    store::{Durability, Op},
    tables::{EVENTS, EVENTS_BY_ORGANIZATION, GROUPS, MEMBERS},
};

fn session(organization: &str, at: i64) -> Session {
    Session {
        id: SessionId::generate(at),
        organization: organization.into(),
        label: Some("shop".into()),
        auto_read: false,
        presence_typing: true,
        rate_per_min: Session::RATE_PER_MIN,
        rate_per_hour: Session::RATE_PER_HOUR,
        created_at: at,
        updated_at: at,
        created_by_user: None,
        wanted: Wanted::Stopped,
        status: Status::Stopped,
        status_reason: None,
        since: at,
        account: None,
        last_connected_at: None,
    }
}

fn event(session: &Session, at: i64) -> NewEvent {
    NewEvent {
        session: session.id,
        organization: session.organization.clone(),
        name: "session.status".into(),
        at,
        payload: json!({}),
    }
}

fn account() -> Account {
    Account {
        jid: "15550001@s.whatsapp.net".into(),
        lid: None,
        business_name: None,
        platform: Some("android".into()),
    }
}

/// A session with a row in every table that has rows of sessions.
async fn full_session(store: &Store, at: i64) -> Session {
    let session = session("acme", at);
    store.add_session(session.clone(), vec![event(&session, at)]).await.unwrap();
    store.set_account(session.id, account(), at, vec![]).await.unwrap();
    let group = GroupSnapshot {
        members: vec![MemberSnapshot { lid: "1@lid".into(), phone: None, role: Role::Member }],
        ..GroupSnapshot::of("1203630@g.us".parse().unwrap())
    };
    store.put_group(session.id, group, at, |_: &GroupDiff| vec![]).await.unwrap();
    let ops = WA_ALL.map(|table| Op {
        table,
        key: [&session.id.bytes()[..], b"k"].concat(),
        value: Some(vec![1]),
    });
    store.put_all(ops.to_vec(), Durability::Relaxed).await.unwrap();
    session
}

fn protocol_rows(store: &Store, id: SessionId) -> usize {
    WA_ALL.iter().map(|table| store.scan(*table, &id.bytes()).unwrap().len()).sum()
}

/// How many rows of our own tables name the session.
fn own_rows(store: &Store, id: SessionId) -> usize {
    let id = id.bytes();
    store
        .read(|txn| {
            let mut rows = usize::from(txn.open_table(SESSIONS)?.get(id)?.is_some());
            for row in txn.open_table(SESSIONS_BY_ORGANIZATION)?.iter()? {
                rows += usize::from(row?.0.value().1 == id);
            }
            for row in txn.open_table(GROUPS)?.iter()? {
                rows += usize::from(row?.0.value().0 == id);
            }
            for row in txn.open_table(MEMBERS)?.iter()? {
                rows += usize::from(row?.0.value().0 == id);
            }
            for row in txn.open_table(EVENTS)?.iter()? {
                rows += usize::from(row?.0.value().0 == id);
            }
            for row in txn.open_table(EVENTS_BY_ORGANIZATION)?.iter()? {
                rows += usize::from(row?.1.value() == id);
            }
            Ok(rows)
        })
        .unwrap()
}

#[tokio::test]
async fn removing_a_session_leaves_no_row_of_it_and_every_row_of_its_neighbour() {
    let store = Store::in_memory().unwrap();
    let gone = full_session(&store, 1).await;
    let kept = full_session(&store, 2).await;
    assert_eq!((own_rows(&store, gone.id), protocol_rows(&store, gone.id)), (6, WA_ALL.len()));

    assert!(store.remove_session(gone.id).await.unwrap());
    assert_eq!((own_rows(&store, gone.id), protocol_rows(&store, gone.id)), (0, 0));
    assert_eq!((own_rows(&store, kept.id), protocol_rows(&store, kept.id)), (6, WA_ALL.len()));
    assert!(!store.remove_session(gone.id).await.unwrap());
}

#[tokio::test]
async fn a_footprint_is_of_one_session_and_of_all_its_rows() {
    let store = Store::in_memory().unwrap();
    let session = full_session(&store, 1).await;
    let neighbour = full_session(&store, 2).await;
    // Behind what is queued.
    store.set_account(neighbour.id, account(), 3, vec![event(&neighbour, 3)]).await.unwrap();
    let (one, other) =
        (store.footprint(session.id).await.unwrap(), store.footprint(neighbour.id).await.unwrap());
    // Its record, a group with its member, an event, and one row in each table of the library.
    assert_eq!((one.rows, one.more), (4 + WA_ALL.len() as u64, false));
    assert_eq!(other.rows, one.rows + 1);
    assert!(other.bytes > one.bytes && one.bytes > one.rows, "{one:?} {other:?}");
    store.remove_session(session.id).await.unwrap();
    assert_eq!(store.footprint(session.id).await.unwrap(), Footprint::default());
    assert_eq!(store.footprint(neighbour.id).await.unwrap(), other);
}

#[tokio::test]
async fn forgetting_an_account_clears_its_groups_and_protocol_rows_and_keeps_the_rest() {
    let store = Store::in_memory().unwrap();
    let session = full_session(&store, 1).await;
    let neighbour = full_session(&store, 2).await;
    assert!(store.forget_account(session.id, 5, vec![event(&session, 5)]).await.unwrap());
    let stored = store.session(session.id).unwrap().unwrap();
    assert_eq!((stored.account, stored.updated_at), (None, 5));
    assert_eq!(protocol_rows(&store, session.id), 0);
    assert_eq!(protocol_rows(&store, neighbour.id), WA_ALL.len());
    assert_eq!(store.groups(session.id, None, 9).await.unwrap(), []);
    assert_eq!(store.groups(neighbour.id, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.session_events(session.id, None, 9).await.unwrap().len(), 2);
    assert!(
        !store.forget_account(SessionId::generate(1), 5, vec![event(&session, 5)]).await.unwrap()
    );
    assert_eq!(store.session_events(session.id, None, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn sessions_are_listed_by_page_and_by_organization() {
    let store = Store::in_memory().unwrap();
    let sessions =
        [session("acme", 1), session("acme", 2), session("acme", 3), session("acme2", 4)];
    for session in &sessions {
        store.add_session(session.clone(), vec![]).await.unwrap();
    }
    assert_eq!(store.sessions_of("acme", None, 2).await.unwrap(), sessions[..2]);
    assert_eq!(store.sessions_of("acme", Some(sessions[1].id), 2).await.unwrap(), sessions[2..3]);
    assert_eq!(store.sessions_of("acm", None, 2).await.unwrap(), []);
    assert_eq!(store.sessions().await.unwrap(), sessions);
}

#[tokio::test]
async fn of_many_sessions_added_at_once_no_more_are_stored_than_may_be() {
    let store = Store::in_memory().unwrap();
    let there = session("acme", 1);
    assert!(store.add_session_within(1, there.clone(), vec![]).await.unwrap());
    let mut adding = tokio::task::JoinSet::new();
    for at in 2..52 {
        let (store, another) = (store.clone(), session(&format!("acme{}", at % 3), at));
        let told = event(&another, at);
        adding
            .spawn(async move { store.add_session_within(10, another, vec![told]).await.unwrap() });
    }
    let added = adding.join_all().await.into_iter().filter(|added| *added).count();
    assert_eq!((added, store.sessions().await.unwrap().len()), (9, 10));
    assert!(store.remove_session(there.id).await.unwrap());
    assert!(store.add_session_within(10, session("acme", 60), vec![]).await.unwrap());
    assert!(!store.add_session_within(10, session("acme", 61), vec![]).await.unwrap());
}

#[tokio::test]
async fn a_status_is_stored_with_its_event_and_since_moves_with_the_status_only() {
    let store = Store::in_memory().unwrap();
    let added = session("acme", 1);
    store.add_session(added.clone(), vec![]).await.unwrap();
    let working =
        |at, connected| StatusChange { status: Status::Working, reason: None, at, connected };
    assert!(store.set_status(added.id, working(10, true), vec![event(&added, 10)]).await.unwrap());
    assert!(store.set_status(added.id, working(20, false), vec![]).await.unwrap());
    let stored = store.session(added.id).unwrap().unwrap();
    assert_eq!((stored.since, stored.updated_at, stored.last_connected_at), (10, 20, Some(10)));

    let failed = StatusChange {
        status: Status::Failed,
        reason: Some(Reason::Banned),
        at: 30,
        connected: false,
    };
    assert!(store.set_status(added.id, failed.clone(), vec![event(&added, 30)]).await.unwrap());
    let stored = store.session(added.id).unwrap().unwrap();
    assert_eq!(
        (stored.status, stored.status_reason, stored.since),
        (Status::Failed, Some(Reason::Banned), 30)
    );
    let events = store.session_events(added.id, None, 9).await.unwrap();
    assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [10, 30]);

    let nobody = session("acme", 2);
    assert!(!store.set_status(nobody.id, failed, vec![event(&nobody, 30)]).await.unwrap());
    assert_eq!(store.session_events(nobody.id, None, 9).await.unwrap(), []);
    assert!(!store.set_wanted(nobody.id, Wanted::Running, 1).await.unwrap());
}

#[tokio::test]
async fn settings_change_where_they_are_given_and_an_empty_label_is_none() {
    let store = Store::in_memory().unwrap();
    let added = session("acme", 1);
    store.add_session(added.clone(), vec![]).await.unwrap();
    let change = SettingsChange {
        auto_read: Some(true),
        rate_per_hour: Some(7),
        ..SettingsChange::default()
    };
    assert!(store.change_settings(added.id, change, 5).await.unwrap());
    let expected = Session { auto_read: true, rate_per_hour: 7, updated_at: 5, ..added };
    assert_eq!(store.session(expected.id).unwrap().as_ref(), Some(&expected));

    let change = SettingsChange {
        label: Some(String::new()),
        presence_typing: Some(false),
        rate_per_min: Some(1),
        ..SettingsChange::default()
    };
    assert!(store.change_settings(expected.id, change.clone(), 6).await.unwrap());
    let stored = store.session(expected.id).unwrap().unwrap();
    assert_eq!((stored.label, stored.presence_typing, stored.rate_per_min), (None, false, 1));
    assert!(stored.auto_read);
    assert!(!store.change_settings(SessionId::generate(1), change, 7).await.unwrap());
}

#[tokio::test]
async fn what_is_set_on_a_session_is_there_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let store = Store::open(&path, &crate::Options::default()).unwrap();
    let added = session("acme", 1);
    store.add_session(added.clone(), vec![event(&added, 1)]).await.unwrap();
    assert!(store.set_wanted(added.id, Wanted::Running, 7).await.unwrap());
    assert!(store.set_account(added.id, account(), 8, vec![]).await.unwrap());
    store.close().await.unwrap();

    let store = Store::open(&path, &crate::Options::default()).unwrap();
    let expected =
        Session { wanted: Wanted::Running, account: Some(account()), updated_at: 8, ..added };
    assert_eq!(store.session(expected.id).unwrap(), Some(expected));
}
