//! Panics, wherever they come from, touch one session.

use std::time::Duration;

use wharf_actors::{Config, Crash, SessionHandle, Sessions};
use wharf_sandbox::NewGroup;
use wharf_storage::{GroupJid, Reason, Status};

use crate::harbour::{DEADLINE, Harbour, settings, until};

/// Sessions beside the one that crashes.
const NEIGHBOURS: usize = 49;

async fn comes_back(session: &SessionHandle, crash: impl AsyncFnOnce()) {
    let before = session.describe().await.unwrap().session.since;
    crash().await;
    until("the crashed session", async || {
        let view = session.describe().await.ok()?.session;
        (view.status == Status::Working && view.since > before).then_some(())
    })
    .await;
}

/// Every session changes its own group at WhatsApp.
async fn each_locks(sessions: &[(SessionHandle, GroupJid)], locked: bool) {
    for (session, group) in sessions {
        let command = wharf_actors::ApplySettings { locked: Some(locked), ..settings(group) };
        session.apply_settings(command).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_anywhere_touches_one_of_fifty_sessions_and_that_one_comes_back() {
    let harbour = Harbour::opens().await;
    let group = harbour.sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop"));
    let gid: GroupJid = group.gid().parse().unwrap();
    let crashing = harbour.links_a_session().await;
    let mut neighbours = Vec::new();
    for number in 0..NEIGHBOURS {
        let phone = format!("phone-{number}");
        harbour.sandbox.add_phone(&phone);
        let own = harbour.sandbox.add_group(NewGroup::new("Own").owner(&phone));
        let own: GroupJid = own.gid().parse().unwrap();
        neighbours.push((harbour.links_a_session_of(&phone).await, own));
    }
    let mut since = Vec::new();
    for (neighbour, _) in &neighbours {
        since.push(neighbour.describe().await.unwrap().session.since);
    }

    // Each crash is followed at once by a change in every neighbour.
    comes_back(&crashing, async || {
        crashing.crash(Crash::Actor).unwrap();
        each_locks(&neighbours, true).await;
    })
    .await;
    comes_back(&crashing, async || {
        crashing.crash(Crash::Operation).unwrap();
        each_locks(&neighbours, false).await;
    })
    .await;
    comes_back(&crashing, async || {
        crashing.crash(Crash::Library).unwrap();
        // The library tells of this, and its task panics over it.
        group.by("boss").sets_subject("Night crew");
        each_locks(&neighbours, true).await;
    })
    .await;

    let command =
        wharf_actors::ApplySettings { subject: Some("Day crew".to_owned()), ..settings(&gid) };
    crashing.apply_settings(command).await.unwrap();
    for ((neighbour, _), since) in neighbours.iter().zip(since) {
        let view = neighbour.describe().await.unwrap().session;
        assert_eq!((view.status, view.since), (Status::Working, since));
    }
    assert_eq!(harbour.sandbox.connections(), 1 + NEIGHBOURS, "a client was left behind");
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn a_session_that_crashes_too_often_is_given_up_until_somebody_starts_it() {
    let harbour = Harbour::opens().await;
    let session = harbour.links_a_session().await;
    // As often as it may within a minute, and once more.
    for _ in 0..5 {
        comes_back(&session, async || session.crash(Crash::Actor).unwrap()).await;
    }
    session.crash(Crash::Actor).unwrap();
    let crash_loop = async || {
        let view = session.describe().await.ok()?.session;
        (view.status_reason == Some(Reason::CrashLoop)).then_some(view.status)
    };
    assert_eq!(until("the end of patience", crash_loop).await, Status::Failed);
    until("the end of the last crash", async || (harbour.sandbox.connections() == 0).then_some(()))
        .await;

    until("a start", async || session.start().await.ok()).await;
    session.reaches(Status::Working, DEADLINE).await.unwrap();
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn a_session_that_failed_for_good_is_not_started_by_a_restart_of_the_process() {
    let harbour = Harbour::opens().await;
    let session = harbour.links_a_session().await;
    harbour.sandbox.phone("shop").unlinks();
    session.reaches(Status::LoggedOut, DEADLINE).await.unwrap();
    harbour.sessions.shutdown().await;
    let config = Config {
        endpoint: harbour.sandbox.ws_url(),
        backoff_base: Duration::from_millis(20),
        ..Config::default()
    };
    let sessions = Sessions::start(harbour.store.clone(), config).await.unwrap();
    let view = sessions.find("acme", session.id()).unwrap().describe().await.unwrap().session;
    assert_eq!(
        (view.status, view.status_reason),
        (Status::LoggedOut, Some(Reason::LoggedOutByPhone))
    );
    let census = sessions.census();
    assert_eq!((census.sessions, census.working), (1, 0));
    sessions.shutdown().await;
}
