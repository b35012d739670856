//! The gateway is told to stop, once or twice, and says whether it is ready.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinHandle, time::Instant};
use wharf_sandbox::{Config, Fault, Sandbox};

use crate::{
    app::{DEADLINE, eventually},
    fleet::{Fleet, all_work},
    process::Gateway,
    wire::told,
};

/// A gateway with one session that works, and the path of its group.
async fn working(sandbox: &Sandbox, options: &[&str]) -> (Fleet, Gateway, String) {
    let fleet = Fleet::new(sandbox, 1, 1).await;
    let gateway = fleet.data.serve(&sandbox.ws_url(), options).await;
    all_work(&gateway, |_| true).await;
    let (session, group) = &fleet.groups[0];
    let path = format!("/api/v1/sessions/{session}/groups/{group}");
    (fleet, gateway, path)
}

/// Sends a change whose answer WhatsApp holds back, and returns once WhatsApp has it.
async fn hanging_change(
    sandbox: &Sandbox,
    gateway: &Gateway,
    path: &str,
    fault: Fault,
) -> JoinHandle<Option<(u16, Value)>> {
    let before = sandbox.journal().len();
    sandbox.fails_next("group.subject", 1, fault);
    let (caller, path) = (gateway.caller(), path.to_owned());
    let call = tokio::spawn(async move {
        caller.call("PATCH", &path, Some(&json!({"subject": "Last"}))).await
    });
    eventually("whatsapp has the change", async || {
        if sandbox.journal().len() > before { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_answered_before_the_process_ends_in_order() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (fleet, mut gateway, path) = working(&sandbox, &[]).await;
    let (goodbyes, connections) = (sandbox.goodbyes(), sandbox.connections());
    assert_eq!(connections, 1);
    let mut ready = gateway.get("/readyz").await;
    let disk = ready.as_object_mut().unwrap().remove("disk").unwrap();
    assert!(["ample", "low", "exhausted"].contains(&disk.as_str().unwrap()), "{disk}");
    let limits = ready.as_object_mut().unwrap().remove("limits").unwrap();
    assert_eq!(limits["sessions"], json!({"used": 1}), "{limits}");
    let all = json!({
        "status": "ready", "sessions": 1, "wanted": 1, "waiting": 0, "connecting": 0, "working": 1,
        "writable": true,
    });
    assert_eq!(ready, all);
    let fault = Fault::delay(Duration::from_secs(2));
    let call = hanging_change(&sandbox, &gateway, &path, fault).await;
    gateway.signal("TERM");
    eventually("nothing new is taken", async || {
        match gateway.call("GET", "/api/v1/sessions", None).await {
            None => Ok(()),
            Some((503, body)) if body["error"]["code"] == "gateway_unavailable" => Ok(()),
            Some(other) => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(!call.is_finished(), "the change was cut");
    assert_eq!(call.await.unwrap().unwrap().0, 204);
    assert!(gateway.ends().await.success());
    assert!(fleet.data.logged().contains("stopped"));

    // The session has said good-bye, which one that is cut does not; and what was answered is there.
    eventually("the connection is gone", async || match sandbox.connections() {
        0 => Ok(()),
        open => Err(format!("{open} are open")),
    })
    .await;
    assert_eq!(sandbox.goodbyes(), goodbyes + 1);
    let gateway = fleet.data.serve("ws://127.0.0.1:9/ws/chat", &[]).await;
    assert_eq!(gateway.get(&path).await["subject"], "Last");
    let ready = gateway.get("/readyz").await;
    let counts = ["sessions", "wanted", "working"].map(|name| ready[name].as_u64().unwrap());
    assert_eq!((&ready["status"], counts), (&json!("ready"), [1, 1, 0]));
    // The session tries, or waits for its turn, or for its time.
    assert!(["waiting", "connecting"].iter().all(|stage| ready[*stage].as_u64().unwrap() <= 1));
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_about_to_end_is_not_ready_and_says_so() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (fleet, mut gateway, path) = working(&sandbox, &[]).await;
    // Connections that are in the middle of a request when the signal comes are answered.
    let mut probes = Vec::new();
    for probed in ["/readyz", "/healthz", "/api/v1/sessions"] {
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        socket.write_all(format!("GET {probed} HTTP/1.1\r\nHost: x\r\n").as_bytes()).await.unwrap();
        probes.push((probed, socket));
    }
    let fault = Fault::delay(Duration::from_secs(2));
    let call = hanging_change(&sandbox, &gateway, &path, fault).await;
    gateway.signal("INT");
    eventually("the signal is heard", async || {
        let log = fleet.data.logged();
        if log.contains("shutting down") { Ok(()) } else { Err(log) }
    })
    .await;
    for (probed, mut socket) in probes {
        socket.write_all(b"\r\n").await.unwrap();
        let answer = told(&mut socket, "GET", probed).await;
        let (status, part) = match probed {
            "/healthz" => (200, "ok"),
            "/readyz" => (503, r#""unready":"draining""#),
            _ => (503, "gateway_unavailable"),
        };
        assert_eq!(answer.status, status, "{probed}: {answer:?}");
        assert!(answer.body.contains(part), "{probed}: {answer:?}");
    }
    assert_eq!(call.await.unwrap().unwrap().0, 204);
    assert!(gateway.ends().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_told_to_stop_while_it_starts_ends_in_order() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 1, 0).await;
    for _ in 0..10 {
        let mut child = fleet.data.spawn(&sandbox.ws_url(), &[]);
        eventually("the process has begun", async || {
            let log = fleet.data.logged();
            if log.contains("sandbox build") { Ok(()) } else { Err(log) }
        })
        .await;
        let id = child.id().unwrap().to_string();
        let told = std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
        let ended = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_cuts_and_loses_nothing_that_was_answered() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (fleet, mut gateway, path) = working(&sandbox, &[]).await;
    let body = json!({"description": "Before"});
    assert_eq!(gateway.call("PATCH", &path, Some(&body)).await.unwrap().0, 204);
    let call = hanging_change(&sandbox, &gateway, &path, Fault::silence_after()).await;
    gateway.signal("TERM");
    eventually("the first signal is heard", async || {
        let log = fleet.data.logged();
        if log.contains("shutting down") { Ok(()) } else { Err(log) }
    })
    .await;
    let begun = Instant::now();
    gateway.signal("INT");
    assert_eq!(gateway.ends().await.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(call.await.unwrap(), None);

    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    assert_eq!(gateway.get(&path).await["description"], "Before");
    all_work(&gateway, |_| true).await;
    eventually("the store follows WhatsApp", async || {
        let stored = gateway.get(&path).await;
        if stored["subject"] == "Last" { Ok(()) } else { Err(stored.to_string()) }
    })
    .await;
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_time_is_cut_and_said() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (fleet, mut gateway, path) = working(&sandbox, &["--shutdown-timeout", "500ms"]).await;
    let call = hanging_change(&sandbox, &gateway, &path, Fault::silence_after()).await;
    gateway.signal("TERM");
    assert!(!gateway.ends().await.success());
    // Whoever waits is told, where that is still possible, that the outcome is unknown.
    let answer = call.await.unwrap();
    assert!(matches!(answer, None | Some((501, _))), "{answer:?}");
    assert!(fleet.data.logged().contains("did not end in time"), "{}", fleet.data.logged());
}
