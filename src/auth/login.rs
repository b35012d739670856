//! Login tokens: JSON Web Tokens of people, issued by the front end and verified here.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, decode, decode_header};
use serde_json::{Map, Value};

use super::{
    Refusal,
    claims::{self, Person},
    keyring::KeyRing,
    keyset::LONGEST_KID,
    signature,
    source::{self, Source},
};
use crate::{Error, Result};

/// What is taken of a token's header; which of them is used the key decides.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];

/// Where login tokens come from and what must hold for them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the issuer's key set.
    pub address: String,
    /// Certificates to trust there, PEM; those of the web when absent.
    pub authorities: Option<Vec<u8>>,
    /// The `iss` of every token.
    pub issuer: String,
    /// What the `aud` of every token names.
    pub audience: String,
    /// Names of the claims that are not standard.
    pub claims: ClaimNames,
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
    /// How often the key set is fetched anew.
    pub refresh: Duration,
    /// How long a fetch may take in all.
    pub fetch_timeout: Duration,
    /// Pause after the first fetch that failed; it doubles with each.
    pub retry: Duration,
    /// Least time between two fetches because a token names an unknown key.
    pub unknown_key_pause: Duration,
}

/// Names of the claims that are not standard.
#[derive(Debug, Clone)]
pub struct ClaimNames {
    /// The organization that the person has chosen.
    pub organization: String,
    /// The person's role in it: `owner`, `admin` or `member`.
    pub organization_role: String,
    /// The person's role on the platform: `super_admin` or any other.
    pub role: String,
}

impl Settings {
    /// The defaults for an issuer with its key set at `address`.
    pub fn new(address: &str, issuer: &str, audience: &str) -> Self {
        Self {
            address: address.to_owned(),
            authorities: None,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            claims: ClaimNames::default(),
            leeway: Duration::from_secs(30),
            refresh: Duration::from_mins(5),
            fetch_timeout: source::TIMEOUT,
            retry: Duration::from_secs(1),
            unknown_key_pause: Duration::from_mins(1),
        }
    }

    /// Finds what is unusable before anything runs.
    ///
    /// # Errors
    /// The address or the certificates are unusable.
    pub fn check(&self) -> Result<()> {
        Source::new(self).map(drop).map_err(Error::Config)
    }
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            organization: "activeOrganizationId".to_owned(),
            organization_role: "orgRole".to_owned(),
            role: "role".to_owned(),
        }
    }
}

/// The verifier of login tokens; cheap to clone. Its key set is kept fresh as long as a clone lives.
#[derive(Debug, Clone)]
pub struct Login(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    settings: Settings,
    keys: KeyRing,
}

impl Login {
    /// Begins to fetch the key set; must be called within a runtime. Until it is there, tokens are refused as
    /// [`Refusal::Unavailable`].
    ///
    /// # Errors
    /// The settings are unusable.
    pub fn start(settings: Settings) -> Result<Self> {
        signature::install();
        let source = Source::new(&settings).map_err(Error::Config)?;
        let keys = KeyRing::start(source, &settings);
        Ok(Self(Arc::new(Parts { settings, keys })))
    }

    /// The person who holds this token, if it is good at `now` (epoch milliseconds).
    ///
    /// # Errors
    /// The token does not verify, or there is nothing to verify it with.
    pub async fn verify(&self, token: &str, now: i64) -> Result<Person, Refusal> {
        let malformed = Refusal::Invalid("the login token does not parse");
        // Of the header only this is used: no address and no key in it is looked at.
        let header = decode_header(token).map_err(|_| malformed)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::Invalid("the login token has an algorithm that is not taken"));
        }
        if header.crit.is_some() {
            return Err(Refusal::Invalid("the login token wants an extension to be understood"));
        }
        let kid = header.kid.filter(|kid| !kid.is_empty() && kid.len() <= LONGEST_KID);
        let kid = kid.ok_or(Refusal::Invalid("the login token names no key"))?;
        let key = self.0.keys.find(&kid).await?;
        let claims = decode::<Map<String, Value>>(token, &key.public, &key.reading)
            .map_err(|_| {
                Refusal::Invalid("the login token is not signed by the key that it names")
            })?
            .claims;
        claims::read(&claims, &self.0.settings, now)
    }
}

/// Whether a credential has the form of a login token. No API key has: it holds no dot.
pub(super) fn has_form(credential: &str) -> bool {
    credential.bytes().filter(|byte| *byte == b'.').count() == 2
}
