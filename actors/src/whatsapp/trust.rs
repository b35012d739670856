//! Whom a TLS connection to WhatsApp trusts.

use std::sync::Arc;

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};
use tokio_websockets::Connector;
use whatsapp_rust::transport::default_tls_connector;

/// Certificates of authorities that are trusted beside the built-in ones.
#[derive(Debug, Clone, Default)]
pub struct TrustedRoots(Vec<CertificateDer<'static>>);

/// What was given is no list of certificates.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRoots(String);

impl TrustedRoots {
    /// Reads certificates in PEM form.
    ///
    /// # Errors
    /// It holds none, or one that is broken.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidRoots> {
        let invalid = |index: usize, error: &dyn std::fmt::Display| {
            InvalidRoots(format!("certificate {} cannot be used: {error}", index + 1))
        };
        let mut found = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = certificate.map_err(|error| invalid(index, &error))?;
            let mut store = RootCertStore::empty();
            store.add(certificate.clone()).map_err(|error| invalid(index, &error))?;
            found.push(certificate);
        }
        if found.is_empty() {
            return Err(InvalidRoots("there is no certificate in it (PEM is expected)".to_owned()));
        }
        Ok(Self(found))
    }

    /// The connector of every dial of this process.
    pub(super) fn connector(&self) -> Connector {
        if self.0.is_empty() {
            return default_tls_connector();
        }
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // Each was tried when it was read.
        roots.add_parsable_certificates(self.0.iter().cloned());
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports every protocol version that is safe")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Connector::Rustls(TlsConnector::from(Arc::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_with_its_place() {
        let nothing = TrustedRoots::from_pem(b"just text").unwrap_err().to_string();
        assert!(nothing.contains("no certificate"), "{nothing}");
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let broken = TrustedRoots::from_pem(broken).unwrap_err().to_string();
        assert!(broken.contains("certificate 1"), "{broken}");
    }
}
