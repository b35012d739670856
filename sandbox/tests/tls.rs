//! The server over TLS: who trusts its certificate gets in, and nobody else.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wharf_sandbox::{Config, Sandbox};
use whatsapp_rust::transport::{Connector, TokioWebSocketTransportFactory, TransportFactory};

use crate::client::{DEADLINE, Device};

async fn start() -> Sandbox {
    let sandbox = Sandbox::start(Config { tls: true, ..Config::default() }).await.unwrap();
    sandbox.add_phone("shop");
    sandbox
}

/// What a client dials with that trusts this certificate alone.
pub(crate) fn trusting(pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn dialling(url: &str) -> TokioWebSocketTransportFactory {
    TokioWebSocketTransportFactory::new().with_url(url)
}

fn dialling_with_trust(sandbox: &Sandbox) -> TokioWebSocketTransportFactory {
    let connector = trusting(sandbox.certificate_pem());
    dialling(&sandbox.ws_url()).with_connector(Connector::Rustls(connector))
}

/// Why a client could not connect.
async fn failure(factory: TokioWebSocketTransportFactory) -> String {
    let dialled = timeout(DEADLINE, factory.create_transport()).await.unwrap();
    format!("{:#}", dialled.err().unwrap())
}

/// The answer to a request to the control API, over TLS by this name.
async fn requests(sandbox: &Sandbox, name: &'static str, path: &str) -> String {
    let socket = TcpStream::connect(sandbox.address()).await.unwrap();
    let connector = trusting(sandbox.certificate_pem());
    let name = ServerName::try_from(name).unwrap();
    let mut stream = connector.connect(name, socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_the_certificate_is_linked_and_comes_back() {
    let sandbox = start().await;
    assert!(sandbox.ws_url().starts_with("wss://127.0.0.1:"), "{}", sandbox.ws_url());
    let shop = Device::dials(dialling_with_trust(&sandbox)).await;
    sandbox.phone("shop").scans(&shop.qr().await).await.unwrap();
    shop.connects().await;
    sandbox.drops_connections().await;
    shop.connects().await;
    assert_eq!(sandbox.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_that_trust_does_not_connect() {
    let (sandbox, other) = (start().await, start().await);
    let with_public_roots = failure(dialling(&sandbox.ws_url())).await;
    assert!(with_public_roots.contains("UnknownIssuer"), "{with_public_roots}");
    // The certificate of another server, with the same names, is no better.
    let connector = trusting(other.certificate_pem());
    let factory = dialling(&sandbox.ws_url()).with_connector(Connector::Rustls(connector));
    let with_another = failure(factory).await;
    assert!(with_another.contains("certificate"), "{with_another}");
    failure(dialling(&sandbox.ws_url().replace("wss://", "ws://"))).await;
    assert_eq!(sandbox.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_is_on_the_same_port() {
    let sandbox = start().await;
    assert_eq!(sandbox.http_url(), format!("https://{}", sandbox.address()));
    // Somebody who says nothing holds up nobody.
    let _silent = TcpStream::connect(sandbox.address()).await.unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let answer = requests(&sandbox, name, "/admin/phones").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("shop"), "{answer}");
    }
    assert!(requests(&sandbox, "localhost", "/admin/nothing").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_server_without_tls_speaks_it_with_media_alone() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    assert!(sandbox.ws_url().starts_with("ws://") && sandbox.http_url().starts_with("http://"));
    failure(dialling(&sandbox.ws_url().replace("ws://", "wss://"))).await;
    let agent = crate::client::trusting(sandbox.certificate_pem());
    let url = format!("{}/v/nothing", sandbox.media_url());
    let answer = tokio::task::spawn_blocking(move || agent.get(url).call().unwrap()).await;
    assert_eq!(answer.unwrap().status(), 404);
}
