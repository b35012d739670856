//! The gateway as `serve` runs it: behind its own listener, the sessions on threads of their own. It has one more route,
//! the bytes that it is given, from memory, and times its store's commits by themselves.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, body::Bytes, http::header, routing};
use serde_json::json;
use tokio::{net::TcpListener, runtime::Builder};
use tokio_util::sync::CancellationToken;
use wharf::{AppState, Authenticated, config::Http, keys};
use wharf_actors::Sessions;
use wharf_storage::{Options, Store};

use crate::{load::SAME_BYTES, measure::commit, process::Orders};

pub(crate) async fn run(whatsapp: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = Store::open(&folder.path().join("wharf.redb"), &Options::default())
        .expect("the store opens");
    let config =
        wharf_actors::Config { endpoint: whatsapp.to_owned(), ..wharf_actors::Config::default() };
    let workers = Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    let sessions = workers.spawn(Sessions::start(store.clone(), config)).await;
    let sessions = sessions.expect("nothing panics").expect("the sessions start");
    let new = keys::NewKey::for_all("default", "bench");
    let (_, key) = keys::create(&store, new).await.expect("a key is made");
    let bytes = Arc::new(OnceLock::<Bytes>::new());
    let fixed = Arc::clone(&bytes);
    let same = Router::new().route(
        SAME_BYTES,
        routing::get(async move |_: Authenticated| {
            let bytes = fixed.get().cloned().unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], bytes)
        }),
    );
    let state = AppState::new(store.clone(), sessions, "bench");
    let app = wharf::app_with(state, Duration::from_secs(30), same);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the listener has an address");
    let served = tokio::spawn(async move {
        wharf::serve(listener, app, &Http::default(), CancellationToken::new()).await;
    });
    let mut orders = Orders::ready(&json!({"base": format!("http://{address}"), "key": key}));
    while let Some(order) = orders.next().await {
        if let Some(count) = order["commits"].as_u64() {
            let count = u32::try_from(count).expect("a small number");
            println!("{}", json!({"p50Us": commit(&store, count).await}));
            continue;
        }
        let body = order["bytes"].as_str().expect("a text").to_owned();
        bytes.set(Bytes::from(body)).expect("the bytes are given once");
        println!("{}", json!({}));
    }
    served.abort();
    workers.shutdown_background();
}
