//! Where the key set comes from: the one HTTP client that asks the login's front end.

use std::{io, sync::Arc, thread, time::Duration};

use axum::http::{StatusCode, Uri};
use tokio::sync::oneshot;
use ureq::{
    Agent,
    tls::{PemItem, RootCerts, TlsConfig},
};

use super::{
    Settings,
    keyset::{self, KeySet},
};

/// The largest key set that is read, in bytes.
const LARGEST: u64 = 256 * 1024;

/// Why there is no key set, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Http(#[from] ureq::Error),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Content(#[from] keyset::Fault),
    #[error("no thread to ask in: {0}")]
    Thread(#[from] io::Error),
    #[error("the asking ended without an answer")]
    Lost,
}

/// The address of the key set, and the client that asks there.
#[derive(Debug, Clone)]
pub(super) struct Source {
    agent: Agent,
    address: String,
}

impl Source {
    /// What is unusable is named by its option.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        check(&settings.address).map_err(|reason| format!("`--jwks-url` {reason}"))?;
        let tls = TlsConfig::builder().root_certs(roots(settings.authorities.as_deref())?);
        let config = Agent::config_builder()
            .tls_config(tls.build())
            // A redirect would let whoever answers choose whom we trust.
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(settings.fetch_timeout / 2))
            .timeout_global(Some(settings.fetch_timeout))
            // Kept connections would be stale by the next fetch.
            .max_idle_connections(0)
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), address: settings.address.clone() })
    }

    /// Fetches the set, within the time limit.
    pub(super) async fn fetch(&self) -> Result<KeySet, Fault> {
        let (answer, answered) = oneshot::channel();
        let source = self.clone();
        // A thread of its own and none of the runtime's: the process may end without waiting for it.
        thread::Builder::new().name("key-set".to_owned()).spawn(move || {
            // Nobody listens any more when the gateway has ended meanwhile.
            let _ = answer.send(source.ask());
        })?;
        answered.await.map_err(|_| Fault::Lost)?
    }

    fn ask(&self) -> Result<KeySet, Fault> {
        let mut response =
            self.agent.get(&self.address).header("accept", "application/json").call()?;
        if response.status() != StatusCode::OK {
            return Err(Fault::Status(response.status()));
        }
        let text = response.body_mut().with_config().limit(LARGEST).read_to_vec()?;
        Ok(KeySet::parse(&text)?)
    }
}

/// Certificates to trust: those of the web, or the operator's own.
fn roots(authorities: Option<&[u8]>) -> Result<RootCerts, String> {
    let Some(text) = authorities else { return Ok(RootCerts::WebPki) };
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(format!("`--jwks-ca` holds no certificates: {error}")),
        }
    }
    if certificates.is_empty() {
        return Err("`--jwks-ca` holds no certificate".to_owned());
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

/// Refuses an address that cannot be asked or must not be; the message continues its name.
fn check(address: &str) -> Result<(), String> {
    let uri: Uri = address.parse().map_err(|_| "does not parse as an address".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("must begin with `https://` or `http://`".to_owned());
    }
    let authority = uri.authority().ok_or("names no host")?;
    if authority.as_str().contains('@') {
        return Err("must not hold a name or a password".to_owned());
    }
    let host = authority.host().trim_matches(['[', ']']);
    let literal = host.parse::<std::net::IpAddr>().ok();
    let loopback = literal.map_or(host == "localhost", |ip| ip.is_loopback());
    if wharf_actors::SANDBOX_BUILD && !loopback {
        return Err("must be on loopback: this is a sandbox build".to_owned());
    }
    Ok(())
}

/// How long a fetch may take in all, unless a test says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_with_a_host_and_no_password() {
        for broken in [
            "",
            "front.example/jwks",
            "ftp://localhost/jwks",
            "https://",
            "https:///jwks",
            "https://me:secret@localhost/jwks",
            "https://me@localhost/jwks",
        ] {
            assert!(check(broken).is_err(), "`{broken}` was taken");
        }
        for good in ["http://127.0.0.1:1/jwks", "https://localhost/a?b=c", "http://[::1]/jwks"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[cfg(feature = "sandbox")]
    #[test]
    fn a_sandbox_build_asks_on_loopback_alone() {
        for elsewhere in ["https://front.example/jwks", "http://10.0.0.1/jwks", "http://[::2]/"] {
            assert!(
                check(elsewhere).is_err_and(|reason| reason.contains("loopback")),
                "{elsewhere}"
            );
        }
    }

    #[test]
    fn certificates_must_be_there() {
        assert!(roots(None).is_ok());
        for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----"] {
            assert!(roots(Some(text.as_bytes())).is_err(), "{text}");
        }
    }
}
