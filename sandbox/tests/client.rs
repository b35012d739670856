//! A real client, linked to a phone of the sandbox.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use wharf_sandbox::Sandbox;
use whatsapp_rust::async_channel::Receiver;
use whatsapp_rust::client::Client;
use whatsapp_rust::http::UreqHttpClient;
use whatsapp_rust::store::commands::DeviceCommand;
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::transport::{TokioWebSocketTransportFactory, TransportFactory};
use whatsapp_rust::types::events::{
    ChannelEventHandler, Event, EventInterest, InboundMessage, Subscription,
};
use whatsapp_rust::types::message::MessageInfo;
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::{ErrorChainExt, Jid, TokioRuntime};

/// Longer than anything here takes, shorter than anybody waits.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A client that runs until it is dropped.
pub(crate) struct Device {
    pub(crate) client: Arc<Client>,
    events: Receiver<Arc<Event>>,
    /// Read, and not yet asked for.
    letters: Mutex<VecDeque<Letter>>,
    run: JoinHandle<()>,
    store: Arc<InMemoryBackend>,
    _subscription: Subscription,
}

impl Device {
    /// A client that dials the sandbox and is linked to nothing yet.
    pub(crate) async fn starts(ws_url: &str) -> Self {
        Self::stored_in(Arc::new(InMemoryBackend::new()), ws_url).await
    }

    /// A client that is linked to nothing yet, and dials in this way.
    pub(crate) async fn dials(transport: impl TransportFactory + 'static) -> Self {
        Self::with(Arc::new(InMemoryBackend::new()), transport, UreqHttpClient::new(), false).await
    }

    /// A client that registers with this push name, and is linked to nothing yet.
    pub(crate) async fn named(push_name: &str, ws_url: &str) -> Self {
        Self::stored_in(called(push_name).await, ws_url).await
    }

    /// The same, of a client that trusts the sandbox with media and wants the phone's history.
    pub(crate) async fn curious(push_name: &str, sandbox: &Sandbox) -> Self {
        Self::trusts(called(push_name).await, sandbox, true).await
    }

    /// A client that is linked to this phone, and trusts the sandbox with media.
    pub(crate) async fn of(sandbox: &Sandbox, phone: &str) -> Self {
        let device = Self::scanned_by(sandbox, phone, false).await;
        device.connects().await;
        device
    }

    /// The same as soon as it is linked, before it connects; it may want the phone's history.
    pub(crate) async fn scanned_by(sandbox: &Sandbox, phone: &str, history: bool) -> Self {
        let device = Self::trusts(Arc::new(InMemoryBackend::new()), sandbox, history).await;
        sandbox.phone(phone).scans(&device.qr().await).await.unwrap();
        device
    }

    /// A client with what is in this store, that trusts the sandbox with media, and may want the phone's history.
    pub(crate) async fn trusts(
        store: Arc<InMemoryBackend>,
        sandbox: &Sandbox,
        history: bool,
    ) -> Self {
        let transport = TokioWebSocketTransportFactory::new().with_url(sandbox.ws_url());
        let http = UreqHttpClient::with_agent(trusting(sandbox.certificate_pem()));
        Self::with(store, transport, http, history).await
    }

    /// A client with what an earlier one left in this store.
    pub(crate) async fn stored_in(store: Arc<InMemoryBackend>, ws_url: &str) -> Self {
        let transport = TokioWebSocketTransportFactory::new().with_url(ws_url);
        Self::with(store, transport, UreqHttpClient::new(), false).await
    }

    async fn with(
        store: Arc<InMemoryBackend>,
        transport: impl TransportFactory + 'static,
        http: UreqHttpClient,
        history: bool,
    ) -> Self {
        let persistence = Arc::new(PersistenceManager::new(store.clone()).await.unwrap());
        let client = Client::builder()
            .with_runtime(TokioRuntime)
            .with_persistence_manager(persistence)
            .with_transport_factory(transport)
            .with_http_client(http)
            .with_version_override((2, 3000, 0))
            .with_skip_history_sync(!history)
            .with_wanted_pre_key_count(20)
            .build()
            .await
            .unwrap()
            .into_client();
        let (handler, events) = ChannelEventHandler::new();
        let subscription = client.subscribe(EventInterest::ALL, handler);
        let running = client.clone();
        let run = tokio::spawn(async move { running.run().await });
        Self { client, events, letters: Mutex::default(), run, store, _subscription: subscription }
    }

    /// The LID of its account.
    pub(crate) fn lid(&self) -> Jid {
        self.client.lid().unwrap().to_non_ad()
    }

    /// Where the client keeps itself, all of it written: by itself it saves only when it disconnects.
    pub(crate) async fn saved(&self) -> Arc<InMemoryBackend> {
        self.client.persistence_manager().flush().await.unwrap();
        self.store.clone()
    }

    /// The first QR code that the client shows.
    pub(crate) async fn qr(&self) -> String {
        self.sees(|event| match event {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the client is logged in.
    pub(crate) async fn connects(&self) {
        self.sees(|event| matches!(event, Event::Connected(_)).then_some(())).await;
    }

    /// The next message that the client decrypts and that has a text; events before it are gone, messages of one batch
    /// come one after the other.
    pub(crate) async fn reads(&self) -> Letter {
        if let Some(letter) = self.letters.lock().unwrap().pop_front() {
            return letter;
        }
        let mut batch = self
            .sees(|event| match event {
                Event::Messages(batch) => {
                    let letters: VecDeque<Letter> =
                        batch.messages.iter().filter_map(Letter::of).collect();
                    (!letters.is_empty()).then_some(letters)
                }
                _ => None,
            })
            .await;
        let first = batch.pop_front().expect("it is not empty");
        self.letters.lock().unwrap().append(&mut batch);
        first
    }

    /// What the server says to a message that the client has sent: the number with which it refuses, if it does.
    pub(crate) async fn answered(&self, id: &str) -> Option<String> {
        self.sees(|event| match event {
            Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for an event and returns what `pick` makes of it; those before it are gone.
    pub(crate) async fn sees<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the client dropped its handlers");
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, found).await.expect("the event did not come in time")
    }
}

/// What a client of this push name begins with.
async fn called(push_name: &str) -> Arc<InMemoryBackend> {
    let store = Arc::new(InMemoryBackend::new());
    let persistence = PersistenceManager::new(store.clone()).await.unwrap();
    let push_name = push_name.to_owned();
    persistence.process_command(DeviceCommand::SetPushName(push_name)).await;
    persistence.flush().await.unwrap();
    store
}

/// A message as its reader has it.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) text: String,
    pub(crate) info: Arc<MessageInfo>,
}

impl Letter {
    fn of(inbound: &InboundMessage) -> Option<Self> {
        let text = inbound.message.text_content()?.to_owned();
        Some(Self { text, info: Arc::clone(&inbound.info) })
    }
}

/// Asks again and again until the answer is the right one, as long as anybody waits.
pub(crate) async fn until(holds: impl AsyncFn() -> bool) {
    let asked = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, asked).await.expect("it did not become so in time");
}

/// What speaks HTTPS with a server of this certificate, and with no other. A status is no error.
pub(crate) fn trusting(pem: &str) -> ureq::Agent {
    let root = Certificate::from_pem(pem.as_bytes()).unwrap();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .build();
    config.into()
}

pub(crate) fn disconnected(event: &Event) -> Option<()> {
    matches!(event, Event::Disconnected(_)).then_some(())
}

impl Drop for Device {
    fn drop(&mut self) {
        self.client.signal_shutdown_sync();
        self.run.abort();
    }
}

/// The number with which the server refused.
pub(crate) fn refusal(error: &impl ErrorChainExt) -> Option<u16> {
    error.server_rejection().map(|rejection| rejection.code)
}
