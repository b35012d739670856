//! The order in which a fleet connects.

use std::{num::NonZeroU32, time::Duration};

use serde_json::json;
use wharf_actors::{Config, NewSession, SessionHandle, Sessions};
use wharf_sandbox::Sandbox;
use wharf_storage::{SessionId, Status, StatusChange, Store};

use crate::app::{DEADLINE, Running, eventually};

/// Sessions that each organization has; the first has most.
const FLEET: [(&str, usize); 3] = [("large", 12), ("middle", 5), ("small", 3)];
/// Connections that may be on their way at once.
const PLACES: usize = 4;

fn config(sandbox: &Sandbox) -> Config {
    Config { connects_in_flight: PLACES, ..Running::config(&sandbox.ws_url()) }
}

/// Links a session, and gives it back once it works.
async fn links(sessions: &Sessions, sandbox: &Sandbox, organization: &str) -> SessionHandle {
    let id = sessions.create(NewSession::begun(organization)).await.unwrap().session.id;
    let handle = sessions.find(organization, id).unwrap();
    let code = eventually("a code", async || handle.qr().await.map_err(|error| error.to_string()));
    let phone = sandbox.add_phone(&id.to_string());
    phone.scans(&code.await.code).await.unwrap();
    handle.reaches(Status::Working, DEADLINE).await.unwrap();
    handle
}

/// The fleet as it was left, each session connected later than the one before.
async fn left(store: &Store, sandbox: &Sandbox) -> Vec<(&'static str, SessionId)> {
    let sessions = Sessions::start(store.clone(), config(sandbox)).await.unwrap();
    let mut fleet = Vec::new();
    for (organization, size) in FLEET {
        for _ in 0..size {
            fleet.push((organization, links(&sessions, sandbox, organization).await.id()));
        }
    }
    sessions.shutdown().await;
    for (at, (_, id)) in (1_000..).zip(&fleet) {
        let change = StatusChange { status: Status::Working, reason: None, at, connected: true };
        store.set_status(*id, change, Vec::new()).await.unwrap();
    }
    fleet
}

/// When each session worked, as the store has it: the order of the ramp.
async fn order(
    store: &Store,
    fleet: &[(&'static str, SessionId)],
) -> Vec<(&'static str, SessionId)> {
    let mut worked = Vec::new();
    for (organization, id) in fleet {
        let at = eventually("the whole fleet works", async || {
            let stored = store.session(*id).unwrap().unwrap();
            let works = stored.status == Status::Working && stored.since > 1_000_000;
            if works { Ok(stored.since) } else { Err(format!("{stored:?}")) }
        });
        worked.push((at.await, *organization, *id));
    }
    worked.sort_unstable_by_key(|(at, _, id)| (*at, *id));
    worked.into_iter().map(|(_, organization, id)| (organization, id)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_connects_one_organization_after_the_other_and_never_more_than_the_budget() {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    let store = Store::in_memory().unwrap();
    let fleet = left(&store, &sandbox).await;
    // Slow enough that one connection is there before the next begins.
    let config = Config { connect_rate: NonZeroU32::new(4).unwrap(), ..config(&sandbox) };
    let running = Running::start_with(store.clone(), config).await;
    let ready = running.get("/readyz").await.expect(200);
    assert_eq!((&ready.body["wanted"], &ready.body["sessions"]), (&json!(20), &json!(20)));
    eventually("the ramp is seen", async || {
        let ready = running.get("/readyz").await.expect(200).body;
        assert!(ready["connecting"].as_u64().unwrap() <= PLACES as u64, "{ready}");
        let waits =
            ready["waiting"].as_u64().unwrap() > 0 && ready["working"].as_u64().unwrap() > 0;
        if waits { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    let order = order(&store, &fleet).await;
    // Within the first nine each of the three had three turns, two of which may have changed places.
    for (organization, _) in FLEET {
        let early = order[..10].iter().filter(|(of, _)| *of == organization).count();
        assert!((2..=5).contains(&early), "{organization} had {early} of ten: {order:?}");
    }
    // Of the large one those that were connected last come first.
    let large: Vec<_> = order.iter().filter(|(of, _)| *of == "large").map(|(_, id)| *id).collect();
    let latest: Vec<_> = fleet[..12].iter().rev().map(|(_, id)| *id).collect();
    for (place, id) in large.iter().enumerate() {
        let expected = latest.iter().position(|other| other == id).unwrap();
        assert!(place.abs_diff(expected) <= 2, "{id} came as {place} in place of {expected}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_started_by_a_caller_goes_before_the_rest_of_the_fleet() {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    let store = Store::in_memory().unwrap();
    let fleet = left(&store, &sandbox).await;
    let config = Config { connect_rate: NonZeroU32::new(2).unwrap(), ..config(&sandbox) };
    let sessions = Sessions::start(store.clone(), config).await.unwrap();
    // The one that would be the last.
    let (organization, id) = fleet[0];
    let handle = sessions.find(organization, id).unwrap();
    handle.start().await.unwrap();
    handle.reaches(Status::Working, DEADLINE).await.unwrap();
    let census = sessions.census();
    assert!(census.waiting > 10, "{census:?}");
    sessions.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_on_which_whatsapp_hangs_hold_up_nobody_else() {
    let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
    let store = Store::in_memory().unwrap();
    let fleet = left(&store, &sandbox).await;
    let (hanging, others): (Vec<_>, Vec<_>) =
        fleet.into_iter().partition(|(organization, _)| *organization == "large");
    for (_, id) in &hanging {
        sandbox.phone(&id.to_string()).hangs(true);
    }
    let config = Config { place_timeout: Duration::from_millis(300), ..config(&sandbox) };
    let sessions = Sessions::start(store.clone(), config).await.unwrap();
    assert_eq!(order(&store, &others).await.len(), others.len());
    for (organization, id) in hanging {
        let status = sessions.find(organization, id).unwrap().status();
        assert_eq!(status, Status::Starting, "{id}");
    }
    sessions.shutdown().await;
}
