//! From the code to a working session, and back to it.

use wharf_actors::{ApplySettings, Error};
use wharf_sandbox::NewGroup;
use wharf_storage::{GroupJid, Status};

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
