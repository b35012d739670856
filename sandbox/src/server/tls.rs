//! TLS of the listeners: a certificate that signs itself, made once for a server and whatever it keeps.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::data::form::bytes;

/// The names that every certificate has; the addresses that are listened on are added.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate and its key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    names: Vec<String>,
    /// As clients are given it to trust.
    pub(crate) pem: String,
    #[serde(with = "bytes")]
    der: Vec<u8>,
    #[serde(with = "bytes")]
    key: Vec<u8>,
}

impl Certificate {
    /// A fresh key and its certificate. It is no authority: who trusts it trusts one server.
    fn generate(names: Vec<String>) -> Self {
        let mut parameters =
            CertificateParams::new(names.clone()).expect("host names and addresses are ASCII");
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "wharf-sandbox");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("ring makes P-256 keys");
        let certificate = parameters.self_signed(&key).expect("the key can sign");
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { names, pem, der, key: key.serialize_der() }
    }

    /// The certificate of a server that listens on these addresses and is called so: this one, if it has all the names, or
    /// else a new one.
    pub(super) fn of(kept: Option<Self>, addresses: [IpAddr; 2], name: Option<&str>) -> Self {
        let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        let more = addresses.iter().map(IpAddr::to_string).chain(name.map(str::to_owned));
        for name in more {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        kept.filter(|kept| names.iter().all(|name| kept.names.contains(name)))
            .unwrap_or_else(|| Self::generate(names))
    }

    /// What the listeners speak TLS with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(self.der.clone())],
                PrivatePkcs8KeyDer::from(self.key.clone()).into(),
            )
            .expect("the key belongs to the certificate");
        TlsAcceptor::from(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_certificate_is_kept_as_long_as_it_has_all_the_names() {
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST); 2];
        let certificate =
            |kept: &Certificate, name| Certificate::of(Some(kept.clone()), local, name);
        let first = Certificate::of(None, local, Some("media"));
        assert_eq!(certificate(&first, None).pem, first.pem);
        assert_eq!(certificate(&first, Some("media")).pem, first.pem);
        assert_ne!(certificate(&first, Some("other")).pem, first.pem);
    }
}
