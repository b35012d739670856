//! A sandbox, a store, and the sessions over both.

use std::time::Duration;

use tokio::time::{Instant, interval};
use wharf_actors::{ApplySettings, Config, NewSession, SessionHandle, Sessions};
use wharf_sandbox::Sandbox;
use wharf_storage::{GroupJid, SessionId, Status, Store};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A sandbox, a store and the sessions over both.
pub(crate) struct Harbour {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
}

impl Harbour {
    pub(crate) async fn opens() -> Self {
        let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
        for name in ["shop", "boss", "mia"] {
            sandbox.add_phone(name);
        }
        let store = Store::in_memory().unwrap();
        let sessions = sessions(&sandbox, &store).await;
        Self { sandbox, store, sessions }
    }

    /// A session that the phone `shop` has linked; works when this returns.
    pub(crate) async fn links_a_session(&self) -> SessionHandle {
        self.links_a_session_of("shop").await
    }

    pub(crate) async fn links_a_session_of(&self, phone: &str) -> SessionHandle {
        let view = self.sessions.create(NewSession::begun("acme")).await.unwrap();
        let handle = self.sessions.find("acme", view.session.id).unwrap();
        let qr = until("a QR code", async || handle.qr().await.ok()).await;
        self.sandbox.phone(phone).scans(&qr.code).await.unwrap();
        handle.reaches(Status::Working, DEADLINE).await.unwrap();
        handle
    }

    /// Waits until the server has this many connections: it reads of a closed one a moment after the client closed it.
    pub(crate) async fn hears(&self, connections: usize) {
        until(&format!("{connections} connections"), async || {
            (self.sandbox.connections() == connections).then_some(())
        })
        .await;
    }
}

pub(crate) async fn sessions(sandbox: &Sandbox, store: &Store) -> Sessions {
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
pub(crate) async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
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

pub(crate) fn settings(group: &GroupJid) -> ApplySettings {
    ApplySettings {
        group: group.clone(),
        subject: None,
        description: None,
        announce: None,
        locked: None,
    }
}

pub(crate) fn names(store: &Store, session: SessionId, group: &GroupJid) -> Option<String> {
    store.group(session, group).unwrap()?.subject
}
