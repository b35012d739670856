//! The figures of a running process, after known traffic.

use serde_json::json;
use tokio::net::TcpListener;
use wharf_sandbox::{Config, Sandbox};
use wharf_storage::Store;

use crate::{
    app::eventually,
    fleet::{Fleet, all_work},
    process::Data,
    wire::{ask, ask_beside, begun},
};

const ANYWHERE: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

/// The value of a sample, by its name and labels as they are written.
fn value(text: &str, sample: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

#[track_caller]
pub(crate) fn exactly(text: &str, sample: &str, count: u32) {
    expect(text, sample, |found| (found - f64::from(count)).abs() < 1e-9);
}

#[track_caller]
fn expect(text: &str, sample: &str, wanted: impl Fn(f64) -> bool) {
    let found = value(text, sample);
    assert!(found.is_some_and(wanted), "`{sample}` is {found:?} in\n{text}");
}

pub(crate) async fn scraped(data: &Data) -> String {
    let address = data.metrics().unwrap();
    let accepts = ["Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1".to_owned()];
    for (headers, media) in [
        (&[][..], "text/plain; version=0.0.4; charset=utf-8"),
        (&accepts[..], "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ] {
        let told = ask_beside(&address, "GET", "/metrics", headers).await;
        assert_eq!((told.status, told.header("content-type")), (200, Some(media)));
        assert!(told.body.ends_with("# EOF\n"));
    }
    ask_beside(&address, "GET", "/metrics", &[]).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_tell_what_happened_and_nothing_of_whom() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 2, 1).await;
    let gateway = fleet.data.serve(&sandbox.ws_url(), &ANYWHERE).await;
    all_work(&gateway, |_| true).await;
    let (session, group) = &fleet.groups[0];
    let path = format!("/api/v1/sessions/{session}/groups/{group}");
    for subject in ["One", "Two", "Three"] {
        let body = json!({"subject": subject});
        assert_eq!(gateway.call("PATCH", &path, Some(&body)).await.unwrap().0, 204);
    }
    assert_eq!(gateway.call("PATCH", &path, Some(&json!({"subject": ""}))).await.unwrap().0, 400);
    assert_eq!(gateway.call("GET", "/api/v1/sessions/unknown", None).await.unwrap().0, 404);
    assert_eq!(gateway.call("GET", "/unknown-path", None).await.unwrap().0, 404);
    let wrong = gateway.with_key("wa_planted");
    assert_eq!(wrong.call("GET", &path, None).await.unwrap().0, 401);
    let stop = format!("/api/v1/sessions/{}:stop", fleet.sessions[1]);
    assert_eq!(gateway.call("POST", &stop, None).await.unwrap().0, 200);
    let _open = begun(gateway.address(), "").await;

    let text = eventually("the client of the stopped session is gone", async || {
        let text = scraped(&fleet.data).await;
        let clients = value(&text, "wharf_whatsapp_clients");
        if clients == Some(1.0) { Ok(text) } else { Err(text) }
    })
    .await;
    let request = |method: &str, route: &str, code: u16| {
        format!(
            "wharf_http_requests_total{{method=\"{method}\",route=\"{route}\",code=\"{code}\"}}"
        )
    };
    let of_group = "/api/v1/sessions/{session}/groups/{gid}";
    exactly(&text, &request("PATCH", of_group, 204), 3);
    exactly(&text, &request("PATCH", of_group, 400), 1);
    exactly(&text, &request("GET", of_group, 401), 1);
    exactly(&text, &request("GET", "/api/v1/sessions/{session}", 404), 1);
    exactly(&text, &request("POST", "/api/v1/sessions/{session}:stop", 200), 1);
    exactly(&text, &request("", "", 404), 1);
    let took = format!("{{method=\"PATCH\",route=\"{of_group}\"}}");
    exactly(&text, &format!("wharf_http_request_duration_seconds_count{took}"), 4);
    expect(&text, &format!("wharf_http_request_duration_seconds_sum{took}"), |sum| sum < 60.0);
    exactly(&text, "wharf_auth_failures_total", 1);
    exactly(&text, "wharf_http_requests_in_flight", 0);
    expect(&text, "wharf_http_connections_open", |count| count >= 2.0);

    let sessions = |status: &str| format!("wharf_sessions{{status=\"{status}\",reason=\"\"}}");
    for (status, count) in [("working", 1), ("stopped", 1), ("failed", 0), ("starting", 0)] {
        exactly(&text, &sessions(status), count);
    }
    let set = "{kind=\"set_subject\",outcome=\"ok\"}";
    exactly(&text, &format!("wharf_whatsapp_operation_duration_seconds_count{set}"), 3);
    let dials = |outcome: &str| format!("wharf_whatsapp_dials_total{{outcome=\"{outcome}\"}}");
    expect(&text, &dials("connected"), |count| count >= 2.0);
    exactly(&text, &dials("dns"), 0);
    exactly(&text, "wharf_whatsapp_reconnects_total", 0);
    for turn in ["caller", "fleet", "failing"] {
        exactly(&text, &format!("wharf_connects_waiting{{turn=\"{turn}\"}}"), 0);
    }
    exactly(&text, "wharf_connects_under_way", 0);
    exactly(&text, "wharf_connect_wait_seconds_count", 2);
    expect(&text, "wharf_store_batches_total{outcome=\"committed\"}", |count| count >= 3.0);
    exactly(&text, "wharf_store_batches_total{outcome=\"failed\"}", 0);
    expect(&text, "wharf_store_batch_duration_seconds_count", |count| count >= 3.0);
    expect(&text, "wharf_store_batch_writes_bucket{le=\"+Inf\"}", |count| count >= 3.0);
    expect(&text, "wharf_store_queue_depth", |depth| depth >= 0.0);
    expect(&text, "wharf_store_queue_wait_seconds_count", |count| count >= 3.0);
    exactly(&text, "wharf_store_writable", 1);
    expect(&text, "wharf_store_file_bytes", |bytes| bytes > 4_096.0);
    expect(&text, "wharf_disk_free_bytes", |bytes| bytes > 0.0);
    let room = |room: &str| format!("wharf_disk_room{{room=\"{room}\"}}");
    let rooms = ["ample", "low", "exhausted"].map(|one| value(&text, &room(one)).unwrap());
    assert!(rooms.iter().filter(|room| **room > 0.5).count() == 1, "{rooms:?}");
    expect(&text, "wharf_uptime_seconds", |seconds| seconds > 0.0);
    expect(&text, "wharf_runtime_tasks", |tasks| tasks > 0.0);
    expect(&text, "process_start_time_seconds", |seconds| seconds > 1e9);
    if cfg!(target_os = "linux") {
        expect(&text, "process_resident_memory_bytes", |bytes| bytes > 1e6);
        expect(&text, "process_open_fds", |count| count > 5.0);
        expect(&text, "process_cpu_seconds_total", |seconds| seconds >= 0.0);
    }

    let user = group.split('@').next().unwrap();
    for secret in
        [session.as_str(), user, "@g.us", "@lid", "s.whatsapp.net", "wa_", "default", "unknown"]
    {
        assert!(!text.contains(secret), "`{secret}` is in\n{text}");
    }
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_is_counted_and_so_is_a_dial_that_fails() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 1, 1).await;
    // Nobody listens there.
    let gateway = fleet.data.serve("ws://127.0.0.1:9/ws/chat", &ANYWHERE).await;
    let text = eventually("it is tried again", async || {
        let text = scraped(&fleet.data).await;
        let again = value(&text, "wharf_whatsapp_reconnects_total");
        if again.is_some_and(|count| count >= 1.0) { Ok(text) } else { Err(text) }
    })
    .await;
    expect(&text, "wharf_whatsapp_dials_total{outcome=\"connect\"}", |count| count >= 1.0);
    exactly(&text, "wharf_whatsapp_dials_total{outcome=\"connected\"}", 0);
    exactly(&text, "wharf_sessions{status=\"starting\",reason=\"connect\"}", 1);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_have_a_listener_of_their_own_or_none() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store: Store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), &ANYWHERE).await;
    ask(gateway.address(), "GET", "/metrics", &[]).await.error(404, "not_found");
    let metrics = data.metrics().unwrap();
    ask_beside(&metrics, "GET", "/api/v1/sessions", &[]).await.error(404, "not_found");
    let posted = ask_beside(&metrics, "POST", "/metrics", &[]).await;
    posted.error(405, "method_not_allowed");
    assert!(gateway.terminate().await.success());

    let gateway = data.serve(&sandbox.ws_url(), &["--metrics-listen", "off"]).await;
    assert_eq!(data.metrics(), None);
    assert!(gateway.terminate().await.success());

    let gateway = data.serve(&sandbox.ws_url(), &["--metrics-listen", "0.0.0.0:0"]).await;
    assert!(data.logged().contains("is not loopback"), "{}", data.logged());
    assert!(gateway.terminate().await.success());

    // An address that was asked for and is taken is a reason not to start.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut refused = data.spawn(&sandbox.ws_url(), &["--metrics-listen", &address]);
    assert!(!refused.wait().await.unwrap().success());
    assert!(data.logged().contains(&address), "{}", data.logged());
}
