//! What a process that starts makes of what it finds.

use wharf_actors::{Config, NewSession, Sessions};
use wharf_storage::{
    Reason, SessionId,
    Status::{self, Failed, LoggedOut, ScanQrCode, Starting, Stopped, Working},
    StatusChange, Store,
    Wanted::{self, Running},
};

/// Nothing listens there.
fn nowhere() -> Config {
    Config { endpoint: "ws://127.0.0.1:9/ws/chat".to_owned(), ..Config::default() }
}

/// A session as an earlier process left it.
async fn left(store: &Store, wanted: Wanted, status: Status, reason: Option<Reason>) -> SessionId {
    let sessions = Sessions::start(store.clone(), nowhere()).await.unwrap();
    let new = NewSession { start: false, ..NewSession::begun("acme") };
    let id = sessions.create(new).await.unwrap().session.id;
    sessions.shutdown().await;
    store.set_wanted(id, wanted, 1).await.unwrap();
    let change = StatusChange { status, reason, at: 1, connected: false };
    store.set_status(id, change, Vec::new()).await.unwrap();
    id
}

#[tokio::test]
async fn what_was_wished_for_starts_again_and_what_ended_waits_for_a_caller() {
    let cases = [
        (Running, Working, None, Starting),
        (Running, ScanQrCode, None, Starting),
        (Running, Starting, None, Starting),
        (Running, Starting, Some(Reason::Connect), Starting),
        // Killed between the wish and its effect.
        (Running, Stopped, None, Starting),
        (Running, Failed, Some(Reason::Replaced), Failed),
        (Running, LoggedOut, Some(Reason::LoggedOutByPhone), LoggedOut),
        (Wanted::Stopped, Working, None, Stopped),
        (Wanted::Stopped, ScanQrCode, None, Stopped),
        (Wanted::Stopped, Starting, None, Stopped),
        (Wanted::Stopped, Stopped, None, Stopped),
        (Wanted::Stopped, Failed, Some(Reason::Banned), Failed),
        (Wanted::Stopped, LoggedOut, Some(Reason::LoggedOutByUser), LoggedOut),
    ];
    for (wanted, stored, reason, expected) in cases {
        let store = Store::in_memory().unwrap();
        let id = left(&store, wanted, stored, reason).await;
        let since = store.session(id).unwrap().unwrap().since;
        let sessions = Sessions::start(store.clone(), nowhere()).await.unwrap();
        let view = sessions.find("acme", id).unwrap().describe().await.unwrap().session;
        let case = format!("{wanted:?}, {stored:?}");
        assert_eq!(view.status, expected, "{case}");
        if expected == stored && expected != Starting {
            assert_eq!((view.status_reason, view.since), (reason, since), "{case}");
        }
        assert_eq!(view.wanted, wanted, "{case}");
        let runs = usize::from(wanted == Running);
        assert_eq!(sessions.census().wanted, runs, "{case}");
        sessions.shutdown().await;
        let kept = store.session(id).unwrap().unwrap().status;
        assert_eq!(kept, expected, "{case}");
    }
}
