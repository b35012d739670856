//! Sessions against the sandbox: a real client, a real protocol, simulated phones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use tokio::time::{Instant, interval, timeout};
use wharf_actors::{
    ApplySettings, Config, Error, FetchInvite, Field, NewSession, Refusal, SessionHandle, Sessions,
};
use wharf_sandbox::{NewGroup, Sandbox};
use wharf_storage::{GroupJid, SessionId, Status, Store};

const DEADLINE: Duration = Duration::from_secs(30);

/// A sandbox, a store and the sessions over both.
struct Harbour {
    sandbox: Sandbox,
    store: Store,
    sessions: Sessions,
}

impl Harbour {
    async fn opens() -> Self {
        let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
        for name in ["shop", "boss", "mia"] {
            sandbox.add_phone(name);
        }
        let store = Store::in_memory().unwrap();
        let sessions = sessions(&sandbox, &store).await;
        Self { sandbox, store, sessions }
    }

    /// A session that the phone `shop` has linked; works when this returns.
    async fn links_a_session(&self) -> SessionHandle {
        self.links_a_session_of("shop").await
    }

    async fn links_a_session_of(&self, phone: &str) -> SessionHandle {
        let new = NewSession {
            organization: "acme".to_owned(),
            label: None,
            auto_read: None,
            presence_typing: None,
            created_by_user: None,
            start: true,
        };
        let view = self.sessions.create(new).await.unwrap();
        let handle = self.sessions.find("acme", view.session.id).unwrap();
        let qr = until("a QR code", async || handle.qr().await.ok()).await;
        self.sandbox.phone(phone).scans(&qr.code).await.unwrap();
        handle.reaches(Status::Working, DEADLINE).await.unwrap();
        handle
    }
}

async fn sessions(sandbox: &Sandbox, store: &Store) -> Sessions {
    let config = Config {
        endpoint: sandbox.ws_url(),
        backoff_base: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        operation_timeout: Duration::from_secs(10),
        prekeys: 20,
        ..Config::default()
    };
    Sessions::start(store.clone(), config).await.unwrap()
}

/// Asks until there is an answer, for a bounded time.
async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    let mut pace = interval(Duration::from_millis(10));
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come in {DEADLINE:?}");
        pace.tick().await;
    }
}

fn settings(group: &GroupJid) -> ApplySettings {
    ApplySettings {
        group: group.clone(),
        subject: None,
        description: None,
        announce: None,
        locked: None,
    }
}

fn names(store: &Store, session: SessionId, group: &GroupJid) -> Option<String> {
    store.group(session, group).unwrap()?.subject
}

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

#[tokio::test]
async fn a_crashed_session_comes_back_and_its_neighbour_does_not_notice() {
    let harbour = Harbour::opens().await;
    let crashing = harbour.links_a_session().await;
    let neighbour = harbour.links_a_session().await;
    let before = neighbour.describe().await.unwrap().session.since;

    crashing.crash().unwrap();
    timeout(DEADLINE, async {
        crashing.reaches(Status::Starting, DEADLINE).await.unwrap();
        crashing.reaches(Status::Working, DEADLINE).await.unwrap();
    })
    .await
    .unwrap();

    let view = neighbour.describe().await.unwrap();
    assert_eq!((view.session.status, view.session.since), (Status::Working, before));
    assert_eq!(harbour.sandbox.connections(), 2, "a client was left behind");
    harbour.sessions.shutdown().await;
}

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
