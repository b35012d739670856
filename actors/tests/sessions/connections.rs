//! From the code to a working session, and back to it.

use std::time::Duration;

use tokio::{net::TcpListener, time::timeout};
use wharf_actors::{ApplySettings, Config, Error, NewSession, Sessions};
use wharf_sandbox::NewGroup;
use wharf_storage::{GroupJid, Status, Store};

use crate::harbour::{DEADLINE, Harbour, names, sessions, settings, until};

#[tokio::test]
async fn a_dropped_connection_is_starting_until_it_is_back() {
    let harbour = Harbour::opens().await;
    let session = harbour.links_a_session().await;
    let since = session.describe().await.unwrap().session.since;
    harbour.sandbox.drops_connections().await;
    until("the new connection", async || {
        let view = session.describe().await.unwrap();
        (view.session.status == Status::Working && view.session.since > since).then_some(())
    })
    .await;
    let events = harbour.store.session_events(session.id(), None, 200).await.unwrap();
    let statuses: Vec<&str> = events
        .iter()
        .filter(|event| event.name == "session.status")
        .map(|event| event.payload["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        ["starting", "scan_qr_code", "starting", "working", "starting", "working"]
    );
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn restarted_sessions_resume_without_pairing_and_reads_need_no_whatsapp() {
    let harbour = Harbour::opens().await;
    let group = harbour.sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop"));
    let gid: GroupJid = group.gid().parse().unwrap();
    let id = harbour.links_a_session().await.id();
    harbour.sessions.shutdown().await;

    let sessions = sessions(&harbour.sandbox, &harbour.store).await;
    let session = sessions.find("acme", id).unwrap();
    session.reaches(Status::Working, DEADLINE).await.unwrap();
    assert!(matches!(session.qr().await, Err(Error::AlreadyPaired)));
    assert!(matches!(sessions.find("other", id), Err(Error::NotFound("session"))));

    harbour.sandbox.stop().await;
    session.reaches(Status::Starting, DEADLINE).await.unwrap();
    assert_eq!(names(&harbour.store, id, &gid).as_deref(), Some("Crew"));
    let command = ApplySettings { locked: Some(true), ..settings(&gid) };
    let outcome = session.apply_settings(command).await;
    assert!(
        matches!(outcome, Err(Error::NotConnected { status: Status::Starting })),
        "{outcome:?}"
    );
    sessions.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scan_leads_to_a_working_session_and_is_told_once() {
    let harbour = Harbour::opens().await;
    for number in 0..40 {
        let phone = format!("phone-{number}");
        harbour.sandbox.add_phone(&phone);
        let session = harbour.links_a_session_of(&phone).await;
        until("the account", async || {
            session.describe().await.unwrap().session.account.map(|_| ())
        })
        .await;
        let events = harbour.store.session_events(session.id(), None, 200).await.unwrap();
        let linked = events.iter().filter(|event| event.name == "auth.code").count();
        assert_eq!(linked, 1, "{phone}");
    }
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn no_more_attempts_are_under_way_at_once_than_the_limit() {
    const SESSIONS: usize = 6;
    const LIMIT: usize = 2;
    // It accepts, and never answers.
    let whatsapp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        endpoint: format!("ws://{}/ws/chat", whatsapp.local_addr().unwrap()),
        connects_in_flight: LIMIT,
        ..Config::default()
    };
    let sessions = Sessions::start(Store::in_memory().unwrap(), config).await.unwrap();
    for _ in 0..SESSIONS {
        sessions.create(NewSession::begun("acme")).await.unwrap();
    }
    for _ in 0..SESSIONS / LIMIT {
        let mut taken = Vec::new();
        for _ in 0..LIMIT {
            taken.push(timeout(DEADLINE, whatsapp.accept()).await.unwrap().unwrap());
        }
        // The others wait for one of these to end.
        let more = timeout(Duration::from_millis(300), whatsapp.accept()).await;
        assert!(more.is_err(), "{more:?}");
    }
    sessions.shutdown().await;
}
