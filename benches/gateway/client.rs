//! The yardstick: the bare protocol client with its own in-memory backend, doing the same operations by itself, or at the
//! word of an HTTP caller and nothing more: what any gateway costs at the least.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use whatsapp_rust::{GroupSubject, Jid, client::Client};

use crate::{GROUPS, SESSIONS, linked::linked, load::Control, measure::median_us, process::Orders};

pub(crate) async fn run(whatsapp: &str, control: &str) {
    let control = Control::new(control);
    let mut groups = Vec::new();
    for index in 0..SESSIONS {
        let phone = format!("bare-{index}");
        control.has_groups(&phone).await;
        let (scanning, scanned) = (&control, &phone);
        let scan = |code: String| async move { scanning.scans(scanned, &code).await };
        let (client, _run) = linked(whatsapp, Some(20), scan).await;
        let found = client.groups().get_participating().await.expect("WhatsApp tells the groups");
        assert_eq!(found.len(), GROUPS, "every group is there");
        groups.extend(found.into_values().map(|group| (Arc::clone(&client), group.id)));
    }
    let groups = Arc::new(groups);
    let relay = Router::new().route("/{index}", routing::patch(relayed));
    let relay = relay.with_state(Arc::clone(&groups));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("the listener has an address"));
    tokio::spawn(async move { axum::serve(listener, relay).await });
    let mut orders = Orders::ready(&json!({"base": base}));
    while let Some(order) = orders.next().await {
        let number = |name: &str| {
            usize::try_from(order[name].as_u64().expect("a number")).expect("a small number")
        };
        let took = changes(&groups, number("operations"), number("inFlight")).await;
        println!("{}", json!({"p50Us": median_us(&took)}));
    }
}

type Groups = Arc<Vec<(Arc<Client>, Jid)>>;

/// One change at the word of an HTTP caller.
async fn relayed(
    State(groups): State<Groups>,
    Path(index): Path<usize>,
    Json(body): Json<Value>,
) -> StatusCode {
    let (client, group) = &groups[index];
    let subject = body["subject"].as_str().expect("a subject");
    let subject = GroupSubject::new(subject).expect("the name is short enough");
    let changed = client.groups().set_subject(group.clone(), subject).await;
    changed.expect("WhatsApp takes the change");
    StatusCode::NO_CONTENT
}

/// Changes the groups, one operation at a time on each of the first `in_flight`.
async fn changes(
    groups: &[(Arc<Client>, Jid)],
    operations: usize,
    in_flight: usize,
) -> Vec<std::time::Duration> {
    let mut workers = JoinSet::new();
    for pair in groups.iter().take(in_flight) {
        let (client, group) = pair.clone();
        workers.spawn(async move {
            let mut took = Vec::new();
            for index in 0..operations / in_flight {
                let subject = GroupSubject::new(format!("Round {index} of {group}"));
                let subject = subject.expect("the name is short enough");
                let begun = Instant::now();
                let changed = client.groups().set_subject(group.clone(), subject).await;
                changed.expect("WhatsApp takes the change");
                took.push(begun.elapsed());
            }
            took
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}
