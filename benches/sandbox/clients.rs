//! Bare clients with the library's in-memory backend: linked, changing groups, and coming back at a steady rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use whatsapp_rust::{GroupSubject, Jid, client::Client};

use crate::{linked::linked, process::Orders, sandbox::Control};

/// How long a login may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client, its group, and the run that ends with its connection.
struct Linked {
    client: Arc<Client>,
    group: Jid,
    run: JoinHandle<()>,
}

pub(crate) async fn run(whatsapp: &str, control: &str) {
    let control = Control::new(control);
    let mut linked = Vec::new();
    let mut orders = Orders::ready(&json!({}));
    while let Some(order) = orders.next().await {
        let number = |name: &str| {
            order[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
        };
        let mut told = json!({});
        if number("link") > 0 {
            linked = link(whatsapp, &control, number("link"), number("sideBySide")).await;
        }
        if number("requests") > 0 {
            change(&linked, number("requests")).await;
        }
        if number("logins") > 0 {
            told = come_back(&mut linked, number("logins")).await;
        }
        println!("{told}");
    }
}

async fn link(whatsapp: &str, control: &Control, count: usize, side_by_side: usize) -> Vec<Linked> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..side_by_side {
        let (whatsapp, control, next) = (whatsapp.to_owned(), control.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut linked = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return linked;
                }
                let phone = format!("bare-{index}");
                control.has_phone(&phone, 1, 0).await;
                linked.push(one(&whatsapp, &control, &phone).await);
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

async fn one(whatsapp: &str, control: &Control, phone: &str) -> Linked {
    let scan = |code: String| async move { control.scans(phone, &code).await };
    let (client, run) = linked(whatsapp, None, scan).await;
    // From now on a connection that is lost ends the run.
    client.enable_auto_reconnect.store(false, Ordering::Relaxed);
    let groups = client.groups().get_participating().await.expect("the server tells the groups");
    let group = groups.into_keys().next().expect("its group");
    Linked { client, group, run }
}

/// Changes the subject of the groups, one after the other in each.
async fn change(linked: &[Linked], requests: usize) {
    let mut workers = JoinSet::new();
    let each = requests.div_ceil(linked.len());
    for Linked { client, group, .. } in linked {
        let (client, group) = (Arc::clone(client), group.clone());
        workers.spawn(async move {
            for index in 0..each {
                let subject = GroupSubject::new(format!("Round {index}")).expect("a short name");
                let changed = client.groups().set_subject(group.clone(), subject).await;
                changed.expect("the server takes the change");
            }
        });
    }
    workers.join_all().await;
}

/// Logs in again, so many in a second; their connections were broken before.
async fn come_back(linked: &mut [Linked], rate: usize) -> Value {
    for one in linked.iter_mut() {
        (&mut one.run).await.expect("the run ends");
    }
    let pace = Duration::from_secs(1) / u32::try_from(rate).expect("a small number");
    let mut workers = JoinSet::new();
    let mut ticks = tokio::time::interval(pace);
    for one in linked.iter_mut() {
        ticks.tick().await;
        let begun = Instant::now();
        let running = Arc::clone(&one.client);
        one.run = tokio::spawn(async move { running.run().await });
        let client = Arc::clone(&one.client);
        workers.spawn(async move {
            client.wait_for_connected(PATIENCE).await.ok().map(|()| begun.elapsed())
        });
    }
    let took = workers.join_all().await;
    let slowest = took.iter().flatten().max().copied().unwrap_or_default();
    let failed = took.iter().filter(|took| took.is_none()).count();
    json!({"slowestMs": slowest.as_millis(), "failed": failed})
}
