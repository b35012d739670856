//! The client version that every session presents: one for the process.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use whatsapp_rust::{http::HttpClient, version::fetch_latest_app_version};

/// A version of WhatsApp Web.
pub(crate) type Version = (u32, u32, u32);

/// What is presented when WhatsApp's own page cannot be read: the newest that the protocol library was tried with.
const PINNED: Version = (2, 3000, 1_042_742_319);
/// How long the look-up may take; sessions wait for it.
const LOOK_UP: Duration = Duration::from_secs(10);

/// The version once it is known: configured, or looked up once by [`ClientVersion::look_up`].
#[derive(Debug, Default)]
pub(crate) struct ClientVersion(OnceLock<Version>);

impl ClientVersion {
    /// A version that needs no look-up: the operator's, or the pinned one in a sandbox build, which looks nothing up.
    pub(crate) fn configured(version: Option<Version>) -> Self {
        let version = version.or(crate::SANDBOX_BUILD.then_some(PINNED));
        Self(version.map(OnceLock::from).unwrap_or_default())
    }

    /// Absent while the look-up is under way.
    pub(crate) fn known(&self) -> Option<Version> {
        self.0.get().copied()
    }

    /// Asks WhatsApp's page unless the version is known; falls back to the pinned one.
    pub(crate) async fn look_up(&self, http: &Arc<dyn HttpClient>) {
        if self.known().is_some() {
            return;
        }
        let found = match tokio::time::timeout(LOOK_UP, fetch_latest_app_version(http)).await {
            Ok(Ok(version)) => version,
            Ok(Err(error)) => fall_back(&error.to_string()),
            Err(_) => fall_back("no answer in time"),
        };
        // A second look-up at the same time may have been first: then its answer stands.
        let _first = self.0.set(found);
    }
}

fn fall_back(reason: &str) -> Version {
    tracing::warn!(
        "the client version could not be looked up ({reason}): presenting {}.{}.{}; `--whatsapp-version` overrides it",
        PINNED.0,
        PINNED.1,
        PINNED.2
    );
    PINNED
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use wharf_sandbox::Sandbox;
    use wharf_storage::{Status, Store};
    use whatsapp_rust::{
        anyhow,
        http::{HttpRequest, HttpResponse},
    };

    use super::*;
    use crate::{Config, NewSession, Sessions, whatsapp::Shared};

    /// How long anything here may take.
    const DEADLINE: Duration = Duration::from_secs(30);

    /// WhatsApp's page as it is answered here.
    struct Page(u16, &'static str);

    #[async_trait]
    impl HttpClient for Page {
        async fn execute(&self, _request: HttpRequest) -> Result<HttpResponse, anyhow::Error> {
            Ok(HttpResponse { status_code: self.0, body: self.1.as_bytes().to_vec() })
        }
    }

    async fn looked_up(page: Page) -> Option<Version> {
        let version = ClientVersion::default();
        assert_eq!(version.known(), None);
        let http: Arc<dyn HttpClient> = Arc::new(page);
        version.look_up(&http).await;
        version.known()
    }

    #[tokio::test]
    async fn the_version_comes_from_the_page_and_from_the_pin_without_one() {
        let page = Page(200, r#"{"client_revision":1099999999}"#);
        assert_eq!(looked_up(page).await, Some((2, 3000, 1_099_999_999)));
        assert_eq!(looked_up(Page(200, "nothing of use")).await, Some(PINNED));
        assert_eq!(looked_up(Page(503, "")).await, Some(PINNED));
    }

    /// A page that counts who reads it.
    struct Counted(Arc<AtomicUsize>);

    #[async_trait]
    impl HttpClient for Counted {
        async fn execute(&self, request: HttpRequest) -> Result<HttpResponse, anyhow::Error> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Page(200, r#"{"client_revision":1099999999}"#).execute(request).await
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sessions_that_start_look_the_version_up_once_and_all_present_it() {
        let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
        let read = Arc::new(AtomicUsize::new(0));
        let http: Arc<dyn HttpClient> = Arc::new(Counted(Arc::clone(&read)));
        let config = Config { endpoint: sandbox.ws_url(), prekeys: 20, ..Config::default() };
        let shared = Shared::over(&config, http, ClientVersion::default()).unwrap();
        let store = Store::in_memory().unwrap();
        let sessions = Sessions::start_over(store, config, shared).await.unwrap();
        let (mut started, mut versions) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let id = sessions.create(NewSession::begun("acme")).await.unwrap().session.id;
            started.push(sessions.find("acme", id).unwrap());
        }
        for session in started {
            session.reaches(Status::ScanQrCode, DEADLINE).await.unwrap();
            let code = session.qr().await.unwrap().code;
            versions.push(sandbox.scans(&code).await.unwrap().1.version.unwrap());
            session.reaches(Status::Working, DEADLINE).await.unwrap();
        }
        assert_eq!(versions, ["2.3000.1099999999"; 3]);
        assert_eq!(read.load(Ordering::SeqCst), 1);
        sessions.shutdown().await;
    }

    #[tokio::test]
    async fn a_configured_version_is_never_looked_up() {
        let version = ClientVersion::configured(Some((2, 3000, 7)));
        let http: Arc<dyn HttpClient> = Arc::new(Page(200, r#"{"client_revision":1}"#));
        version.look_up(&http).await;
        assert_eq!(version.known(), Some((2, 3000, 7)));
    }
}
