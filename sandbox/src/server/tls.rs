//! TLS of the listeners: a certificate that signs itself, made anew at each start.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The names that every certificate has; the addresses that are listened on are added.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What the listeners speak TLS with.
pub(crate) struct Tls {
    /// The certificate alone, as clients are given it to trust.
    pub(crate) certificate: String,
    pub(super) acceptor: TlsAcceptor,
}

impl Tls {
    /// A fresh key and its certificate, for these addresses and this name. It is no authority: who trusts it trusts one
    /// server.
    pub(super) fn generate(addresses: [IpAddr; 2], name: Option<&str>) -> Self {
        let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        let more = addresses.iter().map(IpAddr::to_string).chain(name.map(str::to_owned));
        for name in more {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut parameters =
            CertificateParams::new(names).expect("host names and addresses are ASCII");
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "wharf-sandbox");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("ring makes P-256 keys");
        let certificate = parameters.self_signed(&key).expect("the key can sign");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("the key belongs to the certificate");
        Self { certificate: certificate.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}
