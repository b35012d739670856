//! The yardstick: bare protocol clients with the library's own in-memory backend and its own number of prekeys.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::{runtime::Handle, task::JoinSet};
use whatsapp_rust::{
    TokioRuntime,
    client::Client,
    http::UreqHttpClient,
    store::persistence_manager::PersistenceManager,
    transport::TokioWebSocketTransportFactory,
    types::events::{ChannelEventHandler, Event, EventInterest},
    wacore::store::InMemoryBackend,
};

use crate::{
    fleet::Fleet,
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
            let mut linked = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= end {
                    return linked;
                }
                let phone = format!("bare-{index}");
                control.has_phone(&phone, groups, members).await;
                linked.push(client(&whatsapp, &control, &phone).await);
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// A client that is linked to the phone and logged in, knows its groups, and lives as long as the process.
async fn client(whatsapp: &str, control: &Control, phone: &str) -> Arc<Client> {
    let backend = Arc::new(InMemoryBackend::new());
    let persistence = PersistenceManager::new(backend).await.expect("an empty store loads");
    let client = Client::builder()
        .with_runtime(TokioRuntime)
        .with_persistence_manager(Arc::new(persistence))
        .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(whatsapp))
        .with_http_client(UreqHttpClient::new())
        .with_version_override((2, 3000, 0))
        .with_skip_history_sync(true)
        .build()
        .await
        .expect("the client builds")
        .into_client();
    let (handler, events) = ChannelEventHandler::new();
    let subscription = client.subscribe(EventInterest::ALL, handler);
    let running = Arc::clone(&client);
    tokio::spawn(async move { running.run().await });
    loop {
        match &*events.recv().await.expect("the client tells what happens") {
            Event::PairingQrCode(qr) => control.scans(phone, &qr.code).await,
            Event::Connected(_) => break,
            _ => {}
        }
    }
    drop(subscription);
    client.groups().get_participating().await.expect("WhatsApp tells the groups");
    client
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
}
