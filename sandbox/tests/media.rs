//! Media, from one client to another over HTTPS. What the host refuses is in `media_refusals`.

use std::io::{Cursor, Read};
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use wharf_sandbox::{Config, Sandbox};
use whatsapp_rust::ErrorChainExt;
use whatsapp_rust::UploadOptions;
use whatsapp_rust::download::{DownloadParams, MediaType};
use whatsapp_rust::upload::UploadResponse;
use whatsapp_rust::wacore::upload::{encrypt_media_streaming, encrypt_media_with_key};

use crate::client::{DEADLINE, Device, trusting};
use crate::control::{Control, error};

/// From this size on a client asks what is there before it sends.
const LARGE: usize = 6 << 20;

/// A sandbox with the phones `shop` and `mia`.
pub(crate) async fn start(config: Config) -> Sandbox {
    let sandbox = Sandbox::start(config).await.unwrap();
    sandbox.add_phone("shop");
    sandbox.add_phone("mia");
    sandbox
}

/// Bytes that do not repeat soon.
pub(crate) fn some_bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 + index / 251).to_le_bytes()[0]).collect()
}

/// What an answer of the media host says.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The media host, without a client in between.
pub(crate) struct Host {
    pub(crate) agent: ureq::Agent,
    pub(crate) url: String,
}

impl Host {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        Self { agent: trusting(sandbox.certificate_pem()), url: sandbox.media_url() }
    }

    pub(crate) async fn get(&self, path: &str, range: Option<&'static str>) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.url));
        let request =
            range.into_iter().fold(request, |request, range| request.header("range", range));
        answer(move || request.call()).await
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        let request = self.agent.head(format!("{}{path}", self.url));
        answer(move || request.call()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.url));
        answer(move || request.send(&body[..])).await
    }
}

type Called = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

async fn answer(call: impl FnOnce() -> Called + Send + 'static) -> Answer {
    let called = tokio::task::spawn_blocking(move || {
        let (parts, mut body) = call().unwrap().into_parts();
        let mut bytes = Vec::new();
        body.as_reader().read_to_end(&mut bytes).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes }
    });
    called.await.unwrap()
}

/// What another client needs to fetch this.
pub(crate) fn wanted(uploaded: &UploadResponse, media_type: MediaType) -> DownloadParams {
    DownloadParams::encrypted(
        &uploaded.direct_path,
        &uploaded.media_key,
        &uploaded.file_sha256,
        &uploaded.file_enc_sha256,
        uploaded.file_length,
        media_type,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_from_one_client_to_another() {
    let sandbox = start(Config::default()).await;
    let (shop, mia) = (Device::of(&sandbox, "shop").await, Device::of(&sandbox, "mia").await);
    let image = some_bytes(100_000);
    let sent =
        shop.client.upload(image.clone(), MediaType::Image, UploadOptions::new()).await.unwrap();
    assert_eq!(sent.url, format!("{}{}&mms3=true", sandbox.media_url(), sent.direct_path));

    let wanted = wanted(&sent, MediaType::Image);
    assert_eq!(mia.client.download(&wanted).await.unwrap(), image);
    let written = mia.client.download_to_writer(&wanted, Cursor::new(Vec::new())).await.unwrap();
    assert_eq!(written.into_inner(), image);
    // The server has what was sealed, and nothing else.
    let kept = sandbox.media(&sent.direct_path).unwrap();
    assert!(kept.len() > image.len() && sandbox.media_files() == 1);
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_uploaded_and_every_type_is_taken() {
    let sandbox = start(Config::default()).await;
    let shop = Device::of(&sandbox, "shop").await;
    for media_type in [
        MediaType::Image,
        MediaType::Video,
        MediaType::Audio,
        MediaType::Document,
        MediaType::History,
        MediaType::AppState,
        MediaType::Sticker,
        MediaType::StickerPack,
        MediaType::StickerPackThumbnail,
        MediaType::LinkThumbnail,
        MediaType::ProductCatalogImage,
    ] {
        let plain = some_bytes(3000);
        let mut sealed = Vec::new();
        let info = encrypt_media_streaming(&plain[..], &mut sealed, media_type).unwrap();
        let source: Arc<[u8]> = sealed.into();
        let sent = shop.client.upload_stream(source.clone(), info, media_type).await.unwrap();
        assert_eq!(sandbox.media(&sent.direct_path).as_deref(), Some(&source[..]));
        if media_type != MediaType::ProductCatalogImage {
            assert_eq!(shop.client.download(&wanted(&sent, media_type)).await.unwrap(), plain);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_goes_on_where_it_broke_off() {
    let sandbox = start(Config::default()).await;
    let shop = Device::of(&sandbox, "shop").await;
    let (video, key) = (some_bytes(LARGE), [7; 32]);
    let sealed = encrypt_media_with_key(&video, MediaType::Video, Some(&key)).unwrap();
    let auth = shop.client.refresh_media_conn(false).await.unwrap().auth;
    let path = upload_path("video", &sealed.file_enc_sha256, &auth);

    let part = 2 << 20;
    let begun = breaks_off(&sandbox, &path, &sealed.data_to_upload, part).await;
    let host = Host::of(&sandbox);
    let shown = async {
        loop {
            let progress = host.post(&format!("{path}&resume=1"), Vec::new()).await;
            if progress.status == 200 {
                return progress.json();
            }
        }
    };
    assert_eq!(timeout(DEADLINE, shown).await.unwrap(), json!({ "resume": part.to_string() }));
    drop(begun);

    let options = UploadOptions::new().with_media_key(key);
    let sent = shop.client.upload(video.clone(), MediaType::Video, options.clone()).await.unwrap();
    assert_eq!(sandbox.resumed_uploads(), 1);
    assert_eq!(shop.client.download(&wanted(&sent, MediaType::Video)).await.unwrap(), video);

    // What is there already is not sent at all.
    let again = shop.client.upload(video, MediaType::Video, options).await.unwrap();
    assert_eq!(again.direct_path, sent.direct_path);
    assert_eq!((sandbox.resumed_uploads(), sandbox.media_files()), (1, 1));
    let progress = host.post(&format!("{path}&resume=1"), Vec::new()).await;
    assert_eq!(progress.json()["resume"], "complete");
    assert_eq!(progress.json()["direct_path"], sent.direct_path);
}

/// Where a client sends a file of this type.
pub(crate) fn upload_path(kind: &str, sha256: &[u8; 32], auth: &str) -> String {
    use base64::Engine;
    let token = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(sha256);
    format!("/mms/{kind}/{token}?auth={auth}&token={token}")
}

/// Sends the first bytes of an upload and no more.
async fn breaks_off(
    sandbox: &Sandbox,
    path: &str,
    bytes: &[u8],
    part: usize,
) -> impl Sized + use<> {
    let host = sandbox.media_url().replace("https://", "");
    let socket = TcpStream::connect(&host).await.unwrap();
    let connector = crate::tls::trusting(sandbox.certificate_pem());
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, socket).await.unwrap();
    let length = bytes.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes[..part]).await.unwrap();
    stream.shutdown().await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_authorization_is_renewed() {
    let sandbox = start(Config::default()).await;
    let shop = Device::of(&sandbox, "shop").await;
    let sends = async |content: &str| {
        let bytes = content.as_bytes().to_vec();
        shop.client.upload(bytes, MediaType::Document, UploadOptions::new()).await.unwrap()
    };
    let first = sends("first").await;
    let old = shop.client.refresh_media_conn(false).await.unwrap().auth;

    sandbox.expires_media_auth();
    sends("second").await;
    let renewed = shop.client.refresh_media_conn(false).await.unwrap().auth;
    assert_ne!(renewed, old);

    sandbox.expires_media_auth();
    let fetched = shop.client.download(&wanted(&first, MediaType::Document)).await.unwrap();
    assert_eq!(fetched, b"first");
    assert_ne!(shop.client.refresh_media_conn(false).await.unwrap().auth, renewed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_file_is_gone_until_it_is_stored_again() {
    let sandbox = start(Config::default()).await;
    let (shop, mia) = (Device::of(&sandbox, "shop").await, Device::of(&sandbox, "mia").await);
    let sent = shop.client.upload(b"voice".to_vec(), MediaType::Audio, UploadOptions::new()).await;
    let sent = sent.unwrap();
    let mut wanted = wanted(&sent, MediaType::Audio);

    assert!(sandbox.expires_media(&sent.direct_path));
    let gone = mia.client.download(&wanted).await.unwrap_err();
    assert_eq!(status(&gone), Some(410));

    let restored = sandbox.restores_media(&sent.direct_path).unwrap();
    assert_eq!(restored.sha256, sent.file_enc_sha256);
    assert_eq!(status(&mia.client.download(&wanted).await.unwrap_err()), Some(410));
    wanted.direct_path = restored.direct_path;
    assert_eq!(mia.client.download(&wanted).await.unwrap(), b"voice");
}

/// The HTTP status behind a failure.
pub(crate) fn status(failure: &whatsapp_rust::anyhow::Error) -> Option<u16> {
    let cause: &(dyn std::error::Error + 'static) = failure.as_ref();
    cause.http_status()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_files_go_when_there_is_no_room() {
    let sandbox = start(Config { media_room: 2500, ..Config::default() }).await;
    let first = sandbox.stores_media("image", &some_bytes(1000));
    let second = sandbox.stores_media("video", &some_bytes(1001));
    let host = Host::of(&sandbox);
    assert_eq!(host.get(&first.direct_path, None).await.status, 200);
    sandbox.stores_media("audio", &some_bytes(1002));
    assert_eq!(host.get(&first.direct_path, None).await.status, 410);
    assert_eq!(host.get(&second.direct_path, None).await.body, some_bytes(1001));
    assert_eq!((sandbox.media_files(), sandbox.media(&first.direct_path)), (2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_is_fetched_and_its_length_is_told() {
    let sandbox = start(Config::default()).await;
    let bytes = some_bytes(1000);
    let path = sandbox.stores_media("video", &bytes).direct_path;
    let host = Host::of(&sandbox);

    let whole = host.get(&path, None).await;
    assert_eq!((whole.status, &whole.body), (200, &bytes));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let head = host.head(&path).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("1000"));
    for (range, from, to) in [
        ("bytes=0-15", 0, 16),
        ("bytes=16-", 16, 1000),
        ("bytes=900-5000", 900, 1000),
        ("bytes=-10", 990, 1000),
    ] {
        let part = host.get(&path, Some(range)).await;
        assert_eq!((part.status, &part.body[..]), (206, &bytes[from..to]), "{range}");
        let named = format!("bytes {from}-{}/1000", to - 1);
        assert_eq!(part.header("content-range"), Some(named.as_str()));
    }
    let beyond = host.get(&path, Some("bytes=1000-")).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */1000")));
    assert_eq!(host.get(&path, Some("lines=1-2")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_media_are_on_the_one_port_and_a_restart_keeps_them() {
    let sandbox = start(Config { tls: true, ..Config::default() }).await;
    assert_eq!(sandbox.media_url(), sandbox.http_url());
    let path = sandbox.stores_media("image", b"sealed").direct_path;
    assert_eq!(Host::of(&sandbox).get(&path, None).await.body, b"sealed");
    sandbox.restarts().await.unwrap();
    assert_eq!(Host::of(&sandbox).get(&path, None).await.body, b"sealed");

    let sandbox = start(Config::default()).await;
    let url = sandbox.media_url();
    assert_ne!(url.replace("https", "http"), sandbox.http_url());
    let path = sandbox.stores_media("image", b"sealed").direct_path;
    sandbox.restarts().await.unwrap();
    assert_eq!(sandbox.media_url(), url);
    assert_eq!(Host::of(&sandbox).get(&path, None).await.body, b"sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_sent_to_the_host_of_the_configuration() {
    let config = Config { media_host: Some("localhost".to_owned()), ..Config::default() };
    let sandbox = start(config).await;
    assert!(sandbox.media_url().starts_with("https://localhost:"), "{}", sandbox.media_url());
    let shop = Device::of(&sandbox, "shop").await;
    let sent =
        shop.client.upload(b"text".to_vec(), MediaType::Document, UploadOptions::new()).await;
    assert!(sent.unwrap().url.starts_with(&sandbox.media_url()));
    let config = Config { media_host: Some("localhost:81".to_owned()), ..Config::default() };
    let refused = Sandbox::start(config).await.err().unwrap();
    assert!(refused.to_string().contains("localhost:81"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_stored_expired_and_restored_over_http() {
    let control = Control::start().await;
    let store = async |query: &str, body: &'static [u8]| {
        let path = format!("/admin/media?{query}");
        let response = control.request(Method::POST, &path).body(body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, stored) = store("kind=image", b"sealed").await;
    assert_eq!(status, 201, "{stored}");
    let host = Host::of(&control.sandbox);
    let path = stored["directPath"].as_str().unwrap();
    assert_eq!(host.get(path, None).await.body, b"sealed");
    let (_, read) = control.get("/admin/media").await;
    assert_eq!((&read["files"], &read["held"]), (&json!(1), &json!(6)));
    assert_eq!(read["url"], control.sandbox.media_url());

    let named = json!({ "directPath": path });
    assert_eq!(control.post("/admin/media/expire", named.clone()).await.0, 200);
    assert_eq!(host.get(path, None).await.status, 410);
    let (_, restored) = control.post("/admin/media/restore", named).await;
    assert_eq!(host.get(restored["directPath"].as_str().unwrap(), None).await.body, b"sealed");
    assert_eq!(control.post("/admin/media/expire-auth", json!({})).await.0, 200);

    let unknown = json!({ "directPath": "/v/nothing" });
    for path in ["/admin/media/expire", "/admin/media/restore"] {
        let (status, refused) = control.post(path, unknown.clone()).await;
        assert_eq!((status.as_u16(), error(&refused).contains("directPath")), (404, true));
    }
    for (query, body) in [("kind=hologram", &b"sealed"[..]), ("", b"sealed"), ("kind=image", b"")] {
        let (status, refused) = store(query, body).await;
        assert_eq!(status, 400, "{refused}");
        assert!(
            error(&refused).contains(if body.is_empty() { "body" } else { "kind" }),
            "{refused}"
        );
    }
    let certificate = control.request(Method::GET, "/admin/certificate").send().await.unwrap();
    assert_eq!(certificate.text().await.unwrap(), control.sandbox.certificate_pem());
}
