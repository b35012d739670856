//! The yardstick: bare protocol clients with the library's own in-memory backend and its own number of prekeys.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::{runtime::Handle, task::JoinSet};
use whatsapp_rust::client::Client;

use crate::{
    fleet::{Fleet, Written},
    linked::linked,
    process::{Orders, Worker},
    sandbox::Control,
    usage::Usage,
};

/// Links clients, many side by side, and tells how many are logged in.
pub(crate) async fn run(whatsapp: &str, control: &str) {
    let control = Control::new(control);
    let mut clients: Vec<Arc<Client>> = Vec::new();
    let mut orders = Orders::ready(&json!({}));
    while let Some(order) = orders.next().await {
        let number = |name: &str| {
            order[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
        };
        let wanted = number("clients");
        if wanted > clients.len() {
            let phones = clients.len()..wanted;
            let (groups, members) = (number("groups"), number("members"));
            let side_by_side = number("sideBySide");
            clients.extend(link(whatsapp, &control, phones, side_by_side, groups, members).await);
        }
        let working = clients.iter().filter(|client| client.is_logged_in()).count();
        let tasks = Handle::current().metrics().num_alive_tasks();
        println!("{}", json!({"working": working, "tasks": tasks}));
    }
}

async fn link(
    whatsapp: &str,
    control: &Control,
    phones: std::ops::Range<usize>,
    side_by_side: usize,
    groups: usize,
    members: usize,
) -> Vec<Arc<Client>> {
    let (next, end) = (Arc::new(AtomicUsize::new(phones.start)), phones.end);
    let mut workers = JoinSet::new();
    for _ in 0..side_by_side {
        let (whatsapp, control, next) = (whatsapp.to_owned(), control.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut clients = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= end {
                    return clients;
                }
                let phone = format!("bare-{index}");
                control.has_phone(&phone, groups, members).await;
                let (control, phone) = (&control, &phone);
                let scan = |code: String| async move { control.scans(phone, &code).await };
                let (client, _run) = linked(&whatsapp, None, scan).await;
                // It knows its groups, as the gateway does.
                client.groups().get_participating().await.expect("WhatsApp tells the groups");
                clients.push(client);
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// The process of the bare clients.
pub(crate) struct Bare {
    worker: Worker,
}

impl Bare {
    pub(crate) async fn start(whatsapp: &str, control: &str) -> Self {
        let arguments = ["--whatsapp", whatsapp, "--control", control];
        let (worker, _) = Worker::start("bare", &arguments).await;
        Self { worker }
    }

    /// Has so many clients linked, with what each has.
    pub(crate) async fn grows(&mut self, order: &Value) {
        self.worker.ask(order).await;
    }
}

impl Fleet for Bare {
    fn id(&self) -> u32 {
        self.worker.id()
    }

    async fn usage(&mut self) -> Usage {
        let said = self.worker.ask(&json!({})).await;
        Usage::of(self.worker.id(), said["tasks"].as_u64())
    }

    async fn working(&mut self) -> usize {
        let said = self.worker.ask(&json!({})).await;
        said["working"].as_u64().and_then(|count| usize::try_from(count).ok()).expect("a number")
    }

    async fn written(&mut self) -> Option<Written> {
        None
    }
}
