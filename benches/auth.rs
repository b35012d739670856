//! What it costs to recognize a caller: login tokens of each algorithm, and an API key.
//!
//! `cargo bench --bench auth` prints microseconds each, of one thread, and the figures as JSON; `-- --json FILE` writes
//! them to a file, `-- --quick` takes fewer operations and shows only that the bench works.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped in a bench is its failure")]

#[path = "../tests/api/login/signer.rs"]
mod signer;

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{Json, Router, routing::get};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wharf::{
    auth::{Login, Settings},
    keys::{self, NewKey},
};
use wharf_storage::{Options as StoreOptions, Store};

use signer::Signer;

/// The allocator of the `wharf` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keys in the store beside the one that is looked for.
const OTHER_KEYS: usize = 1000;
/// Rounds, of which the median counts.
const ROUNDS: usize = 9;

#[derive(Debug, Parser)]
struct Options {
    /// Fewer operations: shows that the bench works, not what things cost.
    #[arg(long)]
    quick: bool,
    /// Where the figures go too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let options = Options::parse();
    let (operations, others) = if options.quick { (20, 20) } else { (2000, OTHER_KEYS) };
    let now = now_ms();
    let mut figures = serde_json::Map::new();
    println!("{:<24} {:>12}", "", "microseconds");

    let signers = [Signer::ed25519("ed"), Signer::p256("ec"), Signer::rsa("rsa")];
    let login = login(&signers).await;
    for signer in &signers {
        let token = signer.mint(&json!({
            "iss": "front", "aud": "wharf", "sub": "anna", "iat": now / 1000, "exp": now / 1000 + 3600,
            "activeOrganizationId": "acme", "orgRole": "member",
        }));
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            for _ in 0..operations {
                login.verify(&token, now).await.unwrap();
            }
            rounds.push(begun.elapsed() / operations);
        }
        let name = format!("login token, {}", signer.algorithm());
        figures.insert(signer.algorithm().to_owned(), show(&name, rounds));
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path, &StoreOptions::default()).unwrap();
    for _ in 0..others {
        keys::create(&store, NewKey::for_all("acme", "other")).await.unwrap();
    }
    let (_, secret) = keys::create(&store, NewKey::for_all("acme", "bench")).await.unwrap();
    for (name, label, secret) in [
        ("apiKey", "API key", secret.as_str()),
        ("unknownApiKey", "API key that is none", "wa_none"),
    ] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            for _ in 0..operations {
                let found = keys::recognize(&store, secret, now).unwrap();
                assert_eq!(found.is_some(), name == "apiKey");
            }
            rounds.push(begun.elapsed() / operations);
        }
        figures.insert(name.to_owned(), show(label, rounds));
    }
    store.close().await.unwrap();

    let figures = json!({"microseconds": figures, "operations": operations, "rounds": ROUNDS, "keys": others + 1});
    println!("{figures}");
    if let Some(path) = options.json {
        std::fs::write(path, format!("{figures}\n")).unwrap();
    }
}

/// Prints the median round and gives it back, in microseconds.
fn show(name: &str, mut rounds: Vec<Duration>) -> Value {
    rounds.sort();
    let median = rounds[rounds.len() / 2].as_secs_f64() * 1e6;
    println!("{name:<24} {median:>12.2}");
    json!((median * 100.0).round() / 100.0)
}

/// A verifier whose issuer lists these keys; ready once it is returned.
async fn login(signers: &[Signer]) -> Login {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/jwks", listener.local_addr().unwrap());
    let set = json!({"keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>()});
    let router = Router::new().route("/jwks", get(async move || Json(set)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let login = Login::start(Settings::new(&address, "front", "wharf")).unwrap();
    // The first token waits for the keys.
    let first = login.verify(&signers[0].mint(&json!({})), 0).await;
    assert!(matches!(first, Err(wharf::auth::Refusal::Invalid(_))), "{first:?}");
    login
}

#[expect(clippy::disallowed_methods, reason = "a bench has no clock of the crate's")]
fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_millis()).unwrap()
}
