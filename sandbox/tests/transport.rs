//! Bytes on the wire: frames cut and joined at will, compression, routing, and a pause.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write;
use wharf_sandbox::{Config, Frames, NewGroup, Sandbox};
use whatsapp_rust::anyhow::Error;
use whatsapp_rust::async_channel::Receiver;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::transport::{
    TokioWebSocketTransportFactory, Transport, TransportEvent, TransportFactory,
};
use whatsapp_rust::wacore_binary::marshal::marshal;
use whatsapp_rust::{NodeBuilder, NodeFilter, async_trait};

use crate::client::{Device, disconnected};
use crate::control::{Control, error};

/// A transport that looks on: it notes each message of the server, and cuts what the client sends.
#[derive(Clone)]
struct Tapped {
    ws_url: String,
    heard: Arc<Mutex<Vec<Bytes>>>,
    /// Bytes of a message of the client; as it likes with none.
    cut: Option<usize>,
}

struct Cutting {
    inner: Arc<dyn Transport>,
    cut: Option<usize>,
}

#[async_trait]
impl Transport for Cutting {
    async fn send(&self, data: Bytes) -> Result<(), Error> {
        let Some(size) = self.cut else { return self.inner.send(data).await };
        for part in data.chunks(size) {
            self.inner.send(Bytes::copy_from_slice(part)).await?;
        }
        Ok(())
    }

    async fn disconnect(&self) {
        self.inner.disconnect().await;
    }
}

#[async_trait]
impl TransportFactory for Tapped {
    async fn create_transport(
        &self,
    ) -> Result<(Arc<dyn Transport>, Receiver<TransportEvent>), Error> {
        let dialled = TokioWebSocketTransportFactory::new().with_url(&self.ws_url);
        let (inner, events) = dialled.create_transport().await?;
        let (passed, passing) = whatsapp_rust::async_channel::unbounded();
        let heard = self.heard.clone();
        tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                if let TransportEvent::DataReceived(bytes) = &event {
                    heard.lock().unwrap().push(bytes.clone());
                }
                if passed.send(event).await.is_err() {
                    break;
                }
            }
        });
        Ok((Arc::new(Cutting { inner, cut: self.cut }), passing))
    }
}

/// A linked device of `shop`, and all messages that it heard from the server on the way.
async fn links(sandbox: &Sandbox, cut: Option<usize>) -> (Device, Tapped) {
    let tapped = Tapped { ws_url: sandbox.ws_url(), heard: Arc::default(), cut };
    let device = Device::dials(tapped.clone()).await;
    let qr = device.qr().await;
    sandbox.phone("shop").scans(&qr).await.unwrap();
    device.connects().await;
    (device, tapped)
}

async fn started(config: Config) -> Sandbox {
    let sandbox = Sandbox::start(config).await.unwrap();
    sandbox.add_phone("shop");
    for number in 0..20 {
        sandbox.add_group(NewGroup::new(format!("Group {number}")).owner("shop"));
    }
    sandbox
}

/// Requests and answers, short and long.
async fn converses(shop: &Device) {
    let groups = shop.client.groups();
    assert_eq!(groups.get_participating().await.unwrap().len(), 20);
    assert_eq!(pong(shop).await, "result");
}

/// Sends a ping as the client would not, and returns the type of the answer.
async fn pong(shop: &Device) -> String {
    answered(shop, ping("mine")).await
}

fn ping(id: &'static str) -> (&'static str, Vec<u8>) {
    let node = NodeBuilder::new("iq")
        .attr("id", id)
        .attr("xmlns", "w:p")
        .attr("type", "get")
        .attr("to", "s.whatsapp.net")
        .build();
    (id, marshal(&node).unwrap())
}

async fn answered(shop: &Device, (id, bytes): (&'static str, Vec<u8>)) -> String {
    let answer = shop.client.wait_for_node(NodeFilter::tag("iq").attr("id", id));
    shop.client.send_raw_bytes(bytes).await.unwrap();
    let answer = tokio::time::timeout(crate::client::DEADLINE, answer).await.unwrap().unwrap();
    answer.to_owned_node().attrs.get("type").unwrap().as_str().into_owned()
}

/// The lengths of the frames in a message that is not cut.
fn frames(message: &[u8]) -> usize {
    let mut rest = message;
    let mut count = 0;
    while let [high, middle, low, ..] = rest {
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        rest = &rest[3 + length..];
        count += 1;
    }
    assert!(rest.is_empty());
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn each_frame_is_a_message_unless_the_server_is_told_otherwise() {
    let sandbox = started(Config::default()).await;
    let (shop, tapped) = links(&sandbox, None).await;
    converses(&shop).await;
    assert!(tapped.heard.lock().unwrap().iter().all(|message| frames(message) == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_frames_that_share_a_message() {
    let sandbox = started(Config { frames: Frames::Joined, ..Config::default() }).await;
    let (shop, tapped) = links(&sandbox, None).await;
    converses(&shop).await;
    // What a client hears first after its login is said at once.
    assert!(tapped.heard.lock().unwrap().iter().any(|message| frames(message) > 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_frames_that_are_cut_anywhere() {
    for size in [1, 2, 5, 64] {
        let size = NonZeroUsize::new(size).unwrap();
        let sandbox = started(Config { frames: Frames::Cut(size), ..Config::default() }).await;
        let (shop, tapped) = links(&sandbox, None).await;
        converses(&shop).await;
        assert!(tapped.heard.lock().unwrap().iter().all(|message| message.len() <= size.get()));
        shop.client.disconnect().await;
        let back = Device::stored_in(shop.saved().await, &sandbox.ws_url()).await;
        back.connects().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_reads_frames_that_are_cut_anywhere() {
    let sandbox = started(Config::default()).await;
    for size in [1, 3] {
        let (shop, _) = links(&sandbox, Some(size)).await;
        converses(&shop).await;
    }
}

/// Bytes of what the server says to a client that lists its groups.
async fn heard(compress_over: Option<usize>) -> usize {
    let sandbox = started(Config { compress_over, ..Config::default() }).await;
    let (shop, tapped) = links(&sandbox, None).await;
    let before = tapped.heard.lock().unwrap().len();
    converses(&shop).await;
    let heard = tapped.heard.lock().unwrap();
    heard[before..].iter().map(Bytes::len).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_what_is_compressed() {
    let (plain, long, all) = (heard(None).await, heard(Some(200)).await, heard(Some(0)).await);
    assert!(long < plain / 2 && all < plain / 2, "{plain}, {long}, {all}");
    assert!(heard(Some(1 << 20)).await > plain / 2);
}

/// A stanza as a client compresses it.
fn compressed((id, plain): (&'static str, Vec<u8>)) -> (&'static str, Vec<u8>) {
    let mut encoder = ZlibEncoder::new(vec![2], Compression::default());
    encoder.write_all(&plain[1..]).unwrap();
    (id, encoder.finish().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_reads_what_is_compressed_and_hangs_up_on_what_is_not() {
    let sandbox = started(Config::default()).await;
    let (shop, _) = links(&sandbox, None).await;
    assert_eq!(answered(&shop, compressed(ping("packed"))).await, "result");
    for broken in [vec![2, 1, 2, 3], vec![0], vec![2]] {
        shop.client.send_raw_bytes(broken).await.unwrap();
        shop.sees(disconnected).await;
        shop.connects().await;
    }
    assert_eq!(pong(&shop).await, "result");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_waits_after_a_handshake_and_only_there() {
    let pause = Duration::from_secs(1);
    let config = Config { pause_after_handshake: pause, ..Config::default() };
    let sandbox = started(config).await;
    let began = Instant::now();
    let (shop, _) = links(&sandbox, None).await;
    // Two handshakes: that of a client to be linked, and that of the device.
    assert!(began.elapsed() >= 2 * pause, "{:?}", began.elapsed());
    let began = Instant::now();
    converses(&shop).await;
    assert!(began.elapsed() < pause, "{:?}", began.elapsed());
    sandbox.pauses_after_handshake(Duration::ZERO);
    shop.client.reconnect_immediately().await;
    shop.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_comes_back_with_the_routing_that_it_was_given() {
    let sandbox = started(Config::default()).await;
    // Who has never logged in was given none.
    let device = Device::starts(&sandbox.ws_url()).await;
    device.qr().await;
    assert_eq!(sandbox.routed(), 0);
    let (shop, _) = links(&sandbox, None).await;
    let before = sandbox.routed();
    sandbox.drops_connections().await;
    shop.connects().await;
    assert_eq!(sandbox.routed(), before + 1);
    let back = Device::stored_in(shop.saved().await, &sandbox.ws_url()).await;
    back.connects().await;
    assert_eq!(sandbox.routed(), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn transport_is_read_and_set_over_http() {
    let control = Control::start().await;
    let path = "/admin/transport";
    let usual = json!({ "frames": "whole", "compressOver": null, "handshakePauseMs": 0 });
    assert_eq!(control.get(path).await.1, usual);
    let body = json!({ "frames": "7", "compressOver": 100, "handshakePauseMs": 5 });
    let (status, set) = control.send(Method::PUT, path, body.clone()).await;
    assert_eq!((status.as_u16(), &set), (200, &body));
    control.sandbox.add_phone("shop");
    let (_shop, tapped) = links(&control.sandbox, None).await;
    assert!(tapped.heard.lock().unwrap().iter().all(|message| message.len() <= 7));
    for (body, field) in [
        (json!({ "frames": "0" }), "frames"),
        (json!({ "frames": 7 }), "frames"),
        (json!({ "compressOver": -1 }), "compressOver"),
        (json!({ "handshakePauseMs": 60_001 }), "handshakePauseMs"),
        (json!({ "colour": 1 }), "colour"),
    ] {
        let (status, refused) = control.send(Method::PUT, path, body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains(field), "{refused}");
    }
    assert_eq!(control.get(path).await.1, body);
    assert_eq!(control.send(Method::PUT, path, json!({})).await.1, usual);
    let (_, handshakes) = control.get("/admin/handshakes").await;
    assert_eq!(handshakes["routed"], control.sandbox.routed());
    assert_eq!(control.send(Method::PUT, path, Value::Null).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_that_could_not_be_handed_on_ends_the_connection_of_who_sends_it() {
    let sandbox = started(Config::default()).await;
    sandbox.add_phone("boss");
    let paper = sandbox.add_newsletter("boss", "Paper");
    paper.gets_followed("shop");
    let (shop, _) = links(&sandbox, None).await;
    let boss = crate::groups::links(&sandbox, "boss").await;
    let message = |length: usize| {
        let plaintext = NodeBuilder::new("plaintext").bytes(vec![0; length]).build();
        let to = NodeBuilder::new("message").attr("to", paper.jid()).attr("id", "huge");
        marshal(&to.attr("type", "text").children([plaintext]).build()).unwrap()
    };
    let (largest, known) = ((1 << 24) - 1, 1 << 23);
    let length = largest - (message(known).len() - known);
    let (_, packed) = compressed(("huge", message(length)));
    boss.client.send_raw_bytes(packed).await.unwrap();
    boss.sees(disconnected).await;
    boss.connects().await;
    assert_eq!(pong(&shop).await, "result");
    assert!(paper.numbers().is_empty());
}
