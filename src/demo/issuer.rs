//! The login issuer of the demonstration, in place of a front end: one key, which lives as long as the process.

use std::{net::Ipv4Addr, sync::Arc};

use axum::{
    Form, Json, Router,
    extract::State,
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::failed;
use crate::{
    clock::now_ms,
    config,
    server::{Error, Result},
};

/// What its tokens are for.
const AUDIENCE: &str = "wharf-demo";

/// How long a token is good, in seconds.
const LIFE: i64 = 3600;

/// The name of its one key.
const KID: &str = "demo";

/// A login issuer on loopback: it lists its key, and mints a token for whoever asks.
pub(super) struct Issuer {
    url: String,
    _task: AbortOnDropHandle<()>,
}

struct Signer {
    pair: Ed25519KeyPair,
    issuer: String,
}

/// For whom a token is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default = "anna")]
    subject: String,
    #[serde(default = "default_organization")]
    organization: String,
    #[serde(default)]
    role: Role,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Owner,
    Admin,
    #[default]
    Member,
    SuperAdmin,
}

fn anna() -> String {
    "anna".to_owned()
}

fn default_organization() -> String {
    "default".to_owned()
}

impl Issuer {
    /// Makes a key and begins to serve.
    pub(super) async fn start() -> Result<Self> {
        let broken = |_| Error::Demo("no key could be made for the login issuer".to_owned());
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(broken)?;
        let pair = Ed25519KeyPair::from_pkcs8(secret.as_ref());
        let pair = pair.map_err(|error| failed("the login issuer's key", &error))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| failed("login issuer", &error))?;
        let url = format!("http://{}", listener.local_addr().map_err(Error::Serve)?);
        let router = Router::new()
            .route("/jwks", get(list_keys))
            .route("/token", post(mint_token))
            .with_state(Arc::new(Signer { pair, issuer: url.clone() }));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("the demonstration's login issuer ended: {error}");
            }
        });
        Ok(Self { url, _task: AbortOnDropHandle::new(task) })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The options by which a gateway takes its tokens.
    pub(super) fn options(&self) -> config::Login {
        config::Login::at(&format!("{}/jwks", self.url), &self.url, AUDIENCE)
    }
}

async fn list_keys(State(signer): State<Arc<Signer>>) -> Json<Value> {
    let x = BASE64_URL_SAFE_NO_PAD.encode(signer.pair.public_key());
    let key =
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": KID, "x": x});
    Json(json!({"keys": [key]}))
}

/// The token as plain text, ready for a variable of a shell.
async fn mint_token(State(signer): State<Arc<Signer>>, Form(wanted): Form<Wanted>) -> String {
    let now = now_ms() / 1000;
    let (organization_role, role) = match wanted.role {
        Role::Owner => ("owner", "user"),
        Role::Admin => ("admin", "user"),
        Role::Member => ("member", "user"),
        Role::SuperAdmin => ("owner", "super_admin"),
    };
    signer.sign(&json!({
        "iss": signer.issuer,
        "aud": AUDIENCE,
        "sub": wanted.subject,
        "iat": now,
        "exp": now + LIFE,
        "activeOrganizationId": wanted.organization,
        "orgRole": organization_role,
        "role": role,
    }))
}

impl Signer {
    fn sign(&self, claims: &Value) -> String {
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": KID});
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(message.as_bytes());
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}
