//! The states of a session as callers see them: each reason, and the way back.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use wharf_sandbox::{LoginFailure, Sandbox, StreamEnd};
use wharf_storage::Store;

use crate::app::{Linked, Running, TestApp, eventually};

/// Sessions that are impatient: silence is found after half a second, and an attempt takes two at most.
pub(crate) async fn impatient() -> TestApp {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    let config = wharf_actors::Config {
        probe_after: Duration::from_millis(200),
        probe_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_secs(2),
        operation_timeout: Duration::from_secs(2),
        pairing_timeout: Duration::from_secs(1),
        ..Running::config(&sandbox.ws_url())
    };
    let running = Running::start_with(Store::in_memory().unwrap(), config).await;
    TestApp { sandbox, running }
}

impl Running {
    /// The session, once it has this status.
    pub(crate) async fn until_status(&self, session: &str, status: &str) -> Value {
        let path = format!("/api/v1/sessions/{session}");
        self.until(&path, |answer| answer.body["status"] == status).await.body
    }

    /// Makes a session and begins its pairing.
    pub(crate) async fn pairing_session(&self) -> String {
        let made = self.post("/api/v1/sessions", json!({"start": true})).await.expect(201);
        made.body["id"].as_str().unwrap().to_owned()
    }

    async fn start_session(&self, session: &str) {
        let path = format!("/api/v1/sessions/{session}:start");
        self.call_as_manager("POST", &path, None).await.expect(200);
    }

    /// The statuses that were told, with their reasons, in order.
    async fn told(&self, session: &str) -> Vec<String> {
        let events = self.get("/api/v1/events?limit=200").await.expect(200).body;
        let of_session = events["data"].as_array().unwrap().iter().filter(|event| {
            event["event"] == "session.status" && event["session"].as_str() == Some(session)
        });
        of_session
            .map(|event| {
                let payload = &event["payload"];
                let status = payload["status"].as_str().unwrap();
                let reason = payload["statusReason"].as_str();
                reason.map_or(status.to_owned(), |reason| format!("{status}: {reason}"))
            })
            .collect()
    }
}

impl TestApp {
    /// Has the phone `shop` scan the session's code, and waits until it works.
    async fn links(&self, session: &str) {
        let code = self.code(session).await;
        self.sandbox.phone("shop").scans(&code).await.unwrap();
        self.running.until_status(session, "working").await;
    }

    /// Waits until no connection is left.
    async fn hears_nobody(&self) {
        eventually("the end of every connection", async || match self.sandbox.connections() {
            0 => Ok(()),
            open => Err(format!("{open} connections")),
        })
        .await;
    }
}

/// Asserts status and reason.
#[track_caller]
fn is(session: &Value, status: &str, reason: Option<&str>) {
    let found = (&session["status"], session["statusReason"].as_str());
    assert_eq!(found, (&json!(status), reason), "{session}");
}

#[tokio::test]
async fn a_refused_login_is_a_state_with_its_reason_until_somebody_starts_the_session() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let phone = app.sandbox.phone("shop");
    let hour = Duration::from_hours(1);
    for (failure, status, reason) in [
        (LoginFailure::banned(101, hour), "failed", "banned"),
        (LoginFailure::reason(402), "failed", "banned"),
        (LoginFailure::reason(403), "failed", "banned"),
        (LoginFailure::reason(405), "failed", "client_outdated"),
        (LoginFailure::reason(400), "failed", "internal"),
        (LoginFailure::reason(409), "failed", "internal"),
        (LoginFailure::reason(418), "failed", "internal"),
        (LoginFailure::reason(501), "failed", "internal"),
        (LoginFailure::reason(401), "logged_out", "logged_out_by_phone"),
        (LoginFailure::reason(406), "logged_out", "logged_out_by_phone"),
    ] {
        phone.fails_logins(1, failure);
        phone.drops_connections().await;
        let session = app.running.until_status(&linked.session, status).await;
        is(&session, status, Some(reason));
        app.hears_nobody().await;
        app.running.start_session(&linked.session).await;
        if status == "logged_out" {
            app.links(&linked.session).await;
        }
        let session = app.running.until_status(&linked.session, "working").await;
        is(&session, "working", None);
    }
    // These two WhatsApp takes back by itself.
    for reason in [500, 503] {
        let since = app.running.get(&linked.path("")).await.expect(200).body["since"].clone();
        phone.fails_logins(1, LoginFailure::reason(reason));
        phone.drops_connections().await;
        works_again(&app, &linked, &since).await;
    }
}

/// Waits until the session works, and has done something else since then.
async fn works_again(app: &TestApp, linked: &Linked, since: &Value) {
    app.running
        .until(&linked.path(""), |answer| {
            let (status, now) = (&answer.body["status"], &answer.body["since"]);
            status == "working" && now.as_i64() > since.as_i64()
        })
        .await;
}

#[tokio::test]
async fn the_end_of_a_stream_leads_back_to_working_or_to_its_reason() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let phone = app.sandbox.phone("shop");
    for end in [
        StreamEnd::Code(429),
        StreamEnd::Code(503),
        StreamEnd::Code(515),
        StreamEnd::NotWellFormed,
        StreamEnd::Plain,
    ] {
        let since = app.running.get(&linked.path("")).await.expect(200).body["since"].clone();
        assert_eq!(phone.ends_streams(end), 1, "{end:?}");
        works_again(&app, &linked, &since).await;
    }
    for (end, status, reason) in [
        (StreamEnd::Replaced, "failed", "replaced"),
        (StreamEnd::Code(409), "failed", "replaced"),
        (StreamEnd::Code(401), "logged_out", "logged_out_by_phone"),
        (StreamEnd::Code(516), "logged_out", "logged_out_by_phone"),
        (StreamEnd::DeviceRemoved, "logged_out", "logged_out_by_phone"),
    ] {
        assert_eq!(phone.ends_streams(end), 1, "{end:?}");
        let session = app.running.until_status(&linked.session, status).await;
        is(&session, status, Some(reason));
        app.hears_nobody().await;
        app.running.start_session(&linked.session).await;
        if status == "logged_out" {
            app.links(&linked.session).await;
        }
        app.running.until_status(&linked.session, "working").await;
    }
}

#[tokio::test]
async fn a_banned_account_fails_is_not_tried_again_and_works_once_it_is_pardoned_and_started() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let phone = app.sandbox.phone("shop");
    phone.gets_banned(101, Duration::from_hours(1));
    let session = app.running.until_status(&linked.session, "failed").await;
    is(&session, "failed", Some("banned"));
    app.hears_nobody().await;
    app.running.start_session(&linked.session).await;
    is(&app.running.until_status(&linked.session, "failed").await, "failed", Some("banned"));
    assert!(phone.gets_pardoned());
    app.running.start_session(&linked.session).await;
    app.running.until_status(&linked.session, "working").await;
    assert_eq!(phone.devices().len(), 1);
}

#[tokio::test]
async fn who_unlinked_the_device_is_told_apart() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    app.sandbox.phone("shop").unlinks();
    let session = app.running.until_status(&linked.session, "logged_out").await;
    is(&session, "logged_out", Some("logged_out_by_phone"));
    app.running.start_session(&linked.session).await;
    app.links(&linked.session).await;
    let path = linked.path(":logout");
    let session = app.running.call_as_manager("POST", &path, None).await.expect(200).body;
    is(&session, "logged_out", Some("logged_out_by_user"));
    assert_eq!(app.sandbox.phone("shop").devices(), []);
}

#[tokio::test]
async fn a_server_with_a_new_key_is_met_again_without_pairing() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let since = app.running.get(&linked.path("")).await.expect(200).body["since"].clone();
    app.sandbox.rotates_key().await;
    works_again(&app, &linked, &since).await;
    assert_eq!(app.sandbox.fallbacks(), 1);
    assert_eq!(app.sandbox.phone("shop").devices().len(), 1);
}

#[tokio::test]
async fn codes_that_run_out_end_the_pairing_and_a_start_begins_it_anew() {
    let app = TestApp::start().await;
    app.sandbox.add_phone("shop");
    app.sandbox.gives_qr_refs(0);
    let session = app.running.pairing_session().await;
    let failed = app.running.until_status(&session, "failed").await;
    is(&failed, "failed", Some("qr_expired"));
    app.hears_nobody().await;
    app.sandbox.gives_qr_refs(6);
    app.running.start_session(&session).await;
    app.links(&session).await;
}

#[tokio::test]
async fn a_half_open_connection_is_found_and_replaced_by_a_new_one() {
    let normal = wharf_actors::Config::default();
    assert!(normal.probe_after + normal.probe_timeout < Duration::from_mins(1));
    let app = impatient().await;
    let linked = app.linked().await;
    let since = app.running.get(&linked.path("")).await.expect(200).body["since"].clone();
    assert_eq!(app.sandbox.phone("shop").freezes_connections(), 1);
    works_again(&app, &linked, &since).await;
    let told = app.running.told(&linked.session).await;
    assert!(told.ends_with(&["working", "starting", "working"].map(str::to_owned)), "{told:?}");
}

#[tokio::test]
async fn an_idle_session_is_asked_and_shows_when_it_answered() {
    let app = impatient().await;
    let linked = app.linked().await;
    let first = app.running.get(&linked.path("")).await.expect(200).body;
    let mut last = first.clone();
    for _ in 0..3 {
        let later = |answer: &crate::app::Answer, name: &str| {
            answer.body[name].as_i64().unwrap() > last[name].as_i64().unwrap()
        };
        let next = app
            .running
            .until(&linked.path(""), |answer| {
                later(answer, "lastPingOkAt") && later(answer, "lastInboundAt")
            })
            .await;
        is(&next.body, "working", None);
        assert_eq!(next.body["since"], first["since"]);
        last = next.body;
    }
}

#[tokio::test]
async fn a_linked_session_that_does_not_reach_whatsapp_stays_starting_and_says_why() {
    let app = impatient().await;
    let linked = app.linked().await;
    let before = app.running.get(&linked.path("")).await.expect(200).body;
    app.sandbox.refuses_connections(true);
    app.sandbox.phone("shop").drops_connections().await;
    let away = app
        .running
        .until(&linked.path(""), |answer| answer.body["statusReason"].is_string())
        .await
        .body;
    is(&away, "starting", Some("connect"));
    assert!(away["since"].as_i64() >= before["since"].as_i64());
    // However often it tries, and longer than a pairing may take: it is told once, and nothing counts as heard.
    let begun = Instant::now();
    eventually("more time than a pairing has", async || {
        let now = app.running.get(&linked.path("")).await.expect(200).body;
        is(&now, "starting", Some("connect"));
        assert_eq!(
            (&now["since"], &now["lastInboundAt"]),
            (&away["since"], &away["lastInboundAt"])
        );
        let waited = begun.elapsed();
        if waited > Duration::from_secs(2) { Ok(()) } else { Err(format!("{waited:?}")) }
    })
    .await;
    app.sandbox.heals();
    let back = app.running.until_status(&linked.session, "working").await;
    is(&back, "working", None);
    let told = app.running.told(&linked.session).await;
    let end = ["working", "starting", "starting: connect", "working"].map(str::to_owned);
    assert!(told.ends_with(&end), "{told:?}");
}

#[tokio::test]
async fn an_attempt_that_hangs_is_given_up_and_the_next_one_follows() {
    let app = impatient().await;
    let linked = app.linked().await;
    app.sandbox.phone("shop").hangs(true);
    app.running.until_status(&linked.session, "starting").await;
    // The old connection is found dead, and the logins after it have their deadline.
    eventually("two attempts", async || {
        let told = app.sandbox.resumptions();
        if told >= 2 { Ok(()) } else { Err(format!("{told} attempts")) }
    })
    .await;
    is(&app.running.get(&linked.path("")).await.expect(200).body, "starting", None);
    app.sandbox.phone("shop").hangs(false);
    app.running.until_status(&linked.session, "working").await;
    assert_eq!(app.sandbox.phone("shop").devices().len(), 1);
}
