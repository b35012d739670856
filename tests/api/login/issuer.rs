//! The front end's side of a login: a key set over HTTP, which misbehaves as a test wants and notes who asks.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::AbortHandle};
use wharf::auth::Settings;

use super::signer::Signer;

const ISSUER: &str = "https://front.example";
const AUDIENCE: &str = "wharf";

/// How much of a body that is far too large is ready to be read, in chunks of 64 KiB: 100 MB.
const CHUNKS: usize = 1600;

/// What is answered to whoever asks for the key set.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// The key set with these keys.
    Keys(Vec<Value>),
    /// The same, for each permit once.
    Held(Vec<Value>, Arc<Semaphore>),
    /// Nothing, for ever.
    Silence,
    /// The key set with these keys, under another status than 200.
    Status(u16, Vec<Value>),
    /// 100 MB.
    Flood,
    /// Another address.
    Redirect(String),
    /// Any text.
    Text(String),
}

struct Parts {
    behaviour: Mutex<Behaviour>,
    /// Paths that were asked for, in order.
    asked: Mutex<Vec<String>>,
    /// Chunks of a flood that were taken.
    taken: AtomicUsize,
}

/// An issuer that runs until it is dropped.
pub(crate) struct Issuer {
    parts: Arc<Parts>,
    url: String,
    task: AbortHandle,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Issuer {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let parts = Arc::new(Parts {
            behaviour: Mutex::new(behaviour),
            asked: Mutex::default(),
            taken: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&parts));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { parts, url, task: task.abort_handle() }
    }

    /// An issuer with these keys.
    pub(crate) async fn of(signers: &[&Signer]) -> Self {
        Self::start(keys(signers)).await
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn behaves(&self, behaviour: Behaviour) {
        *self.parts.behaviour.lock().unwrap() = behaviour;
    }

    /// How often anything was fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.parts.asked.lock().unwrap().len()
    }

    /// What was fetched, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.parts.asked.lock().unwrap().clone()
    }

    /// How many bytes of a flood were taken.
    pub(crate) fn taken(&self) -> usize {
        self.parts.taken.load(Ordering::Relaxed) * (64 << 10)
    }

    /// How a gateway takes its tokens.
    pub(crate) fn settings(&self) -> Settings {
        Settings::new(&self.url, ISSUER, AUDIENCE)
    }
}

/// A key set of these.
pub(crate) fn keys(signers: &[&Signer]) -> Behaviour {
    Behaviour::Keys(signers.iter().map(|signer| signer.jwk()).collect())
}

async fn answer(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    parts.asked.lock().unwrap().push(request.uri().to_string());
    let behaviour = parts.behaviour.lock().unwrap().clone();
    let answer = Response::builder().header("content-type", "application/json");
    match behaviour {
        Behaviour::Keys(keys) => answer.body(json!({ "keys": keys }).to_string().into()),
        Behaviour::Held(keys, permits) => {
            permits.acquire().await.unwrap().forget();
            answer.body(json!({ "keys": keys }).to_string().into())
        }
        Behaviour::Silence => std::future::pending().await,
        Behaviour::Status(status, keys) => {
            answer.status(status).body(json!({ "keys": keys }).to_string().into())
        }
        Behaviour::Flood => {
            let chunks = stream::iter(0..CHUNKS).map(move |_| {
                parts.taken.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(vec![b' '; 64 << 10])
            });
            answer.body(Body::from_stream(chunks))
        }
        Behaviour::Redirect(to) => answer.status(302).header("location", to).body(Body::empty()),
        Behaviour::Text(text) => answer.body(text.into()),
    }
    .unwrap()
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "an issuer has a clock of its own")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims of a member of `default` that hold for an hour, with these in place of what they would be; null leaves one out.
pub(crate) fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "iat": now(), "exp": now() + 3600,
        "activeOrganizationId": "default", "orgRole": "member",
    });
    let fields = claims.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => fields.remove(name),
            _ => fields.insert(name.clone(), value.clone()),
        };
    }
    claims
}
