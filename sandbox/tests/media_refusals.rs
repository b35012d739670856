//! What the media host refuses, and how.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use wharf_sandbox::{Config, Fault};
use whatsapp_rust::UploadOptions;
use whatsapp_rust::download::MediaType;

use crate::client::Device;
use crate::groups::links;
use crate::media::{Host, some_bytes, start, status, upload_path, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_trust_the_certificate_has_no_media() {
    let sandbox = start(Config::default()).await;
    let other = start(Config::default()).await;
    let shop = links(&sandbox, "shop").await;
    let bytes = some_bytes(10);
    let failed =
        shop.client.upload(bytes, MediaType::Image, UploadOptions::new()).await.unwrap_err();
    assert_eq!(status(&failed), None);
    assert!(format!("{failed:?}").contains("UnknownIssuer"), "{failed:?}");
    // The certificate of another server, with the same names, is no better.
    let host = Host { url: sandbox.media_url(), ..Host::of(&other) };
    let request = host.agent.get(format!("{}/v/nothing", host.url));
    let failed = tokio::task::spawn_blocking(move || request.call().is_err()).await.unwrap();
    assert!(failed);
    assert_eq!(sandbox.media_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_needs_an_authorization_that_is_good() {
    let sandbox = start(Config::default()).await;
    let shop = Device::of(&sandbox, "shop").await;
    let host = Host::of(&sandbox);
    let auth = shop.client.refresh_media_conn(false).await.unwrap().auth;
    let bytes = some_bytes(200_000);
    let path = |auth: &str| upload_path("image", &Sha256::digest(&bytes).into(), auth);

    for forged in ["", "guess", &auth[1..]] {
        assert_eq!(host.post(&path(forged), bytes.clone()).await.status, 401, "{forged}");
    }
    assert_eq!(host.post(&format!("{}&resume=1", path("guess")), Vec::new()).await.status, 401);
    sandbox.expires_media_auth();
    assert_eq!(host.post(&path(&auth), bytes.clone()).await.status, 401);
    assert_eq!(sandbox.media_files(), 0);

    let auth = shop.client.refresh_media_conn(true).await.unwrap().auth;
    assert_eq!(host.post(&path(&auth), bytes.clone()).await.status, 200);
    assert_eq!(sandbox.media_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_what_its_token_says() {
    let sandbox = start(Config { media_largest: 1000, ..Config::default() }).await;
    let shop = Device::of(&sandbox, "shop").await;
    let host = Host::of(&sandbox);
    let auth = shop.client.refresh_media_conn(false).await.unwrap().auth;
    let bytes = some_bytes(1000);
    let hash = |bytes: &[u8]| <[u8; 32]>::from(Sha256::digest(bytes));
    let good = upload_path("image", &hash(&bytes), &auth);

    let wrong = upload_path("image", &hash(b"other"), &auth);
    assert_eq!(host.post(&wrong, bytes.clone()).await.status, 400);
    let (path, _) = good.split_once("&token=").unwrap();
    for token in ["", "&token=", "&token=short", &format!("&token={}", "A".repeat(43))] {
        assert_eq!(
            host.post(&format!("{path}{token}"), bytes.clone()).await.status,
            400,
            "{token}"
        );
    }
    let unknown = good.replace("/mms/image/", "/mms/hologram/");
    assert_eq!(host.post(&unknown, bytes.clone()).await.status, 404);
    let offset = format!("{good}&file_offset=10");
    assert_eq!(host.post(&offset, bytes[10..].to_vec()).await.status, 400);
    assert_eq!(host.post(&format!("{good}&resume=1"), Vec::new()).await.status, 404);

    let large = some_bytes(1001);
    let too_large = upload_path("image", &hash(&large), &auth);
    assert_eq!(host.post(&too_large, large.clone()).await.status, 413);
    // Nor does it help to say no length.
    assert_eq!(chunked(&host, &too_large, large).await, 413);
    assert_eq!(sandbox.media_files(), 0);

    assert_eq!(chunked(&host, &good, bytes).await, 200);
    assert_eq!(sandbox.media_files(), 1);
}

/// The status of an upload whose length is not said.
async fn chunked(host: &Host, path: &str, body: Vec<u8>) -> u16 {
    let request = host.agent.post(format!("{}{path}", host.url));
    let sent = move || request.send(ureq::SendBody::from_reader(&mut &body[..])).unwrap().status();
    tokio::task::spawn_blocking(sent).await.unwrap().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_hears_that_its_upload_is_too_large() {
    let sandbox = start(Config { media_largest: 1000, ..Config::default() }).await;
    let shop = Device::of(&sandbox, "shop").await;
    let large = some_bytes(LARGE);
    let failed =
        shop.client.upload(large, MediaType::Video, UploadOptions::new()).await.unwrap_err();
    assert_eq!(status(&failed), Some(413));
}

/// Larger than what fits into the buffers of a connection.
const LARGE: usize = 8 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_fetched_by_its_whole_path_and_nothing_else() {
    let sandbox = start(Config::default()).await;
    let host = Host::of(&sandbox);
    let stored = sandbox.stores_media("image", b"sealed");
    let path = stored.direct_path.as_str();
    let other = sandbox.stores_media("image", b"other").direct_path;
    let get = async |path: &str| host.get(path, None).await.status;

    let (bare, signature) = path.split_once('?').unwrap();
    assert_eq!(get(bare).await, 403);
    let (_, of_other) = other.split_once('?').unwrap();
    assert_eq!(get(&format!("{bare}?{of_other}")).await, 403);
    assert_eq!(get(&format!("{bare}x?{signature}")).await, 404);
    assert_eq!(get("/v/t62.7118-24/nothing.enc").await, 404);

    let token = |bytes: &[u8]| {
        upload_path("image", &Sha256::digest(bytes).into(), "")
            .rsplit_once('=')
            .unwrap()
            .1
            .to_owned()
    };
    let (right, wrong) = (token(b"sealed"), token(b"other"));
    for (query, status) in [
        (format!("&hash={right}&mms-type=image&__wa-mms="), 200),
        (format!("?token={right}"), 200),
        (format!("&hash={wrong}&mms-type=image&__wa-mms="), 403),
        (format!("?token={wrong}"), 403),
        (format!("&hash={right}&mms-type=hologram"), 400),
        (format!("?auth=guess&token={right}"), 401),
    ] {
        assert_eq!(get(&format!("{path}{query}")).await, status, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_expects_other_bytes_is_refused() {
    let sandbox = start(Config::default()).await;
    let shop = Device::of(&sandbox, "shop").await;
    let sent =
        shop.client.upload(b"text".to_vec(), MediaType::Document, UploadOptions::new()).await;
    let mut wanted = wanted(&sent.unwrap(), MediaType::Document);
    assert_eq!(shop.client.download(&wanted).await.unwrap(), b"text");
    wanted.file_enc_sha256 = Some(vec![1; 32]);
    assert_eq!(status(&shop.client.download(&wanted).await.unwrap_err()), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_media_host_are_ordered_like_others() {
    let sandbox = start(Config::default()).await;
    let shop = Device::of(&sandbox, "shop").await;
    let host = Host::of(&sandbox);
    let path = sandbox.stores_media("image", b"sealed").direct_path;
    let sends = async |content: &[u8]| {
        let sent =
            shop.client.upload(content.to_vec(), MediaType::Image, UploadOptions::new()).await;
        sent.map(|_| ()).map_err(|failure| status(&failure))
    };

    // A client goes on to the next host, which is the same one.
    sandbox.fails_next("media.upload", 1, Fault::code(507));
    assert_eq!(sends(b"first").await, Ok(()));
    sandbox.fails_next("media.upload", 2, Fault::code(507));
    assert_eq!(sends(b"second").await, Err(Some(507)));
    assert_eq!(sandbox.media_files(), 2);
    sandbox.fails_next("media.upload", 2, Fault::drop_after());
    assert_eq!(sends(b"third").await, Err(None));
    assert_eq!(sandbox.media_files(), 3);

    sandbox.fails_next("media.download", 1, Fault::code(429).backoff(7));
    let refused = host.get(&path, None).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("7")));
    let delay = Duration::from_millis(50);
    sandbox.fails_next("media.download", 1, Fault::delay(delay));
    let asked = Instant::now();
    assert_eq!(host.get(&path, None).await.body, b"sealed");
    assert!(asked.elapsed() >= delay);
    sandbox.fails_next("media.download", 1, Fault::silence_before());
    let silent = tokio::time::timeout(delay, host.get(&path, None)).await;
    assert!(silent.is_err());
    assert_eq!(host.get(&path, None).await.status, 200);
    sandbox.fails_next("media.download", 1, Fault::corrupted());
    assert_eq!(host.get(&path, None).await.body, b"sealee");
    sandbox.fails_next("media.download", 1, Fault::half_open_after());
    assert!(tokio::time::timeout(delay, host.get(&path, None)).await.is_err());
    assert_eq!(host.get(&path, None).await.status, 200);
    // A rule of an account meets what carries its authorization.
    sandbox.phone("mia").fails_next("media.upload", 4, Fault::code(507));
    sandbox.phone("shop").fails_next("media.upload", 2, Fault::code(508));
    assert_eq!(sends(b"fourth").await, Err(Some(508)));
    assert_eq!(sends(b"fifth").await, Ok(()));
    sandbox.phone("shop").fails_next("media.download", 1, Fault::code(508));
    assert_eq!(host.get(&path, None).await.status, 200);
    // `any` is for stanzas.
    sandbox.fails_next("any", 1, Fault::code(500));
    assert_eq!(host.get(&path, None).await.status, 200);
}
