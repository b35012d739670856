//! A bare protocol client with the library's own in-memory backend.

use std::sync::Arc;

use tokio::task::JoinHandle;
use whatsapp_rust::{
    TokioRuntime,
    client::Client,
    http::UreqHttpClient,
    store::persistence_manager::PersistenceManager,
    transport::TokioWebSocketTransportFactory,
    types::events::{ChannelEventHandler, Event, EventInterest},
    wacore::store::InMemoryBackend,
};

/// A client that is linked once `scan` has handed its code to a phone, and logged in, and its run, which lasts as long as
/// the process unless the client is told to end with its connection.
/// `prekeys`: how many it keeps at the server; the library's own number when absent.
pub(crate) async fn linked<F: Future<Output = ()>>(
    whatsapp: &str,
    prekeys: Option<usize>,
    scan: impl Fn(String) -> F,
) -> (Arc<Client>, JoinHandle<()>) {
    let backend = Arc::new(InMemoryBackend::new());
    let persistence = PersistenceManager::new(backend).await.expect("an empty store loads");
    let client = Client::builder()
        .with_runtime(TokioRuntime)
        .with_persistence_manager(Arc::new(persistence))
        .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(whatsapp))
        .with_http_client(UreqHttpClient::new())
        .with_version_override((2, 3000, 0))
        .with_skip_history_sync(true);
    let client = match prekeys {
        Some(count) => client.with_wanted_pre_key_count(count),
        None => client,
    };
    let client = client.build().await.expect("the client builds").into_client();
    let (handler, events) = ChannelEventHandler::new();
    let subscription = client.subscribe(EventInterest::ALL, handler);
    let running = Arc::clone(&client);
    let run = tokio::spawn(async move { running.run().await });
    loop {
        match &*events.recv().await.expect("the client tells what happens") {
            Event::PairingQrCode(qr) => scan(qr.code.clone()).await,
            Event::Connected(_) => break,
            _ => {}
        }
    }
    drop(subscription);
    (client, run)
}
