//! What the edge of the gateway costs: the whole stack around an authenticated request beside the same bytes from a bare
//! hyper server, and the memory of an idle connection.
//!
//! `cargo bench --features sandbox --bench edge` prints the figures; `-- --quick` does little, `-- --json FILE` writes them
//! too. Both servers and the holder of the idle connections are processes of their own; this process makes the load.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "gateway/process.rs"]
mod process;

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Response, header},
    routing,
};
use clap::{Parser, ValueEnum};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use wharf::{AppState, Authenticated, config::Http, keys};
use wharf_actors::Sessions;
use wharf_storage::Store;

use process::{Orders, Worker};

/// The allocator of the `wharf` program; the bare server has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections that ask at once.
const CALLERS: usize = 32;
/// Where both servers answer.
const PATH: &str = "/same-bytes";
/// What both answer: about a stored session.
const BODY: &[u8] = &[b'x'; 400];
/// What the stack may cost a request, in microseconds of CPU.
const GOAL_US: f64 = 25.0;
/// Idle connections.
const IDLE: u32 = 10_000;
/// Descriptors that the holder of the connections has open beside them.
const OTHERS: usize = 100;

#[derive(Debug, Parser)]
struct Options {
    /// Few requests and connections: shows that the bench works, not what things cost.
    #[arg(long)]
    quick: bool,
    /// Where the raw figures go.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// What this process is, when the bench starts itself.
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Gateway,
    Bare,
    Holder,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    match options.role {
        Some(Role::Gateway) => gateway().await,
        Some(Role::Bare) => bare().await,
        Some(Role::Holder) => holder().await,
        None => bench(&options).await,
    }
}

async fn bench(options: &Options) {
    let (rounds, requests, idle) =
        if options.quick { (1, 3_200_u32, 200_u32) } else { (5, 320_000, IDLE) };
    let (gateway, started) = Worker::start("gateway", &[]).await;
    let (plain, plain_started) = Worker::start("bare", &[]).await;
    let (address, key) = (text(&started["address"]), text(&started["key"]));
    let plain_address = text(&plain_started["address"]);

    // Buffers and allocators are warm before anything is counted.
    asks(&address, &key, requests / 10).await;
    asks(&plain_address, &key, requests / 10).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let cost = async |server: &Worker, address: &str| {
            let before = cpu_seconds(server.id());
            asks(address, &key, requests).await;
            (cpu_seconds(server.id()) - before) * 1e6 / f64::from(requests)
        };
        let (stack, base) = (cost(&gateway, &address).await, cost(&plain, &plain_address).await);
        println!(
            "round {round}: CPU of a request: gateway {stack:.1} µs, bare server {base:.1} µs"
        );
        ours.push(stack);
        theirs.push(base);
    }
    let (stack, base) = (median(&ours), median(&theirs));
    let added = stack - base;
    println!(
        "median: {stack:.1} µs, of which the stack {added:.1} µs; the goal is at most {GOAL_US} µs"
    );

    let (mut holder, _) = Worker::start("holder", &[]).await;
    let before = resident_bytes(gateway.id());
    let held = holder.ask(&json!({"address": address, "key": key, "connections": idle})).await;
    let held = u32::try_from(held["held"].as_u64().expect("a number")).expect("a small number");
    let after = resident_bytes(gateway.id());
    let each = (after - before) / f64::from(held);
    println!("{held} idle connections, each after one request: {each:.0} bytes of memory each");
    if held < idle {
        println!("fewer than {idle}, because of the limit on open descriptors");
    }
    if let Some(file) = &options.json {
        let result = json!({
            "quick": options.quick,
            "requests": {"rounds": rounds, "each": requests, "connections": CALLERS},
            "cpuUs": {"gateway": ours, "bare": theirs, "stack": added, "goal": GOAL_US},
            "idle": {"connections": held, "residentBefore": before, "residentAfter": after, "bytesEach": each},
        });
        std::fs::write(file, format!("{result:#}\n")).expect("the figures can be written");
    }
}

/// The gateway as `serve` runs it, with one more route.
async fn gateway() {
    let store = Store::in_memory().expect("memory is there");
    // Nobody listens there, and no session is made that would ask.
    let endpoint = "ws://127.0.0.1:9/ws/chat".to_owned();
    let config = wharf_actors::Config { endpoint, ..wharf_actors::Config::default() };
    let sessions = Sessions::start(store.clone(), config).await.expect("the sessions start");
    let new = keys::NewKey::for_all("default", "bench");
    let (_, key) = keys::create(&store, new).await.expect("a key is made");
    let answer = async |_: Authenticated| {
        ([(header::CONTENT_TYPE, "application/json")], Bytes::from_static(BODY))
    };
    let same = Router::new().route(PATH, routing::get(answer));
    let state = AppState::new(store, sessions, "bench");
    let app = wharf::app_with(state, Duration::from_secs(30), same);
    let (listener, address) = free_port().await;
    let served = tokio::spawn(async move {
        wharf::serve(listener, app, &Http::default(), CancellationToken::new()).await;
    });
    let mut orders = Orders::ready(&json!({"address": address, "key": key}));
    while orders.next().await.is_some() {}
    served.abort();
}

/// A server that does nothing but HTTP.
async fn bare() {
    let (listener, address) = free_port().await;
    let served = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection comes");
            stream.set_nodelay(true).expect("the socket takes it");
            let answer = service_fn(async |_| {
                Response::builder()
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from(Bytes::from_static(BODY)))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    let mut orders = Orders::ready(&json!({"address": address}));
    while orders.next().await.is_some() {}
    served.abort();
}

/// Holds connections open, each after one request.
async fn holder() {
    let most = raise_descriptors();
    let mut orders = Orders::ready(&json!({}));
    let mut held = Vec::new();
    while let Some(order) = orders.next().await {
        let (address, key) = (text(&order["address"]), text(&order["key"]));
        let wanted = order["connections"].as_u64().expect("a number");
        let wanted = usize::try_from(wanted).expect("a small number");
        for _ in 0..wanted.min(most.saturating_sub(OTHERS)) {
            let mut caller = Caller::new(&address, &key).await;
            caller.asks().await;
            held.push(caller);
        }
        println!("{}", json!({"held": held.len()}));
    }
}

/// As many descriptors as this process may have; gives how many.
fn raise_descriptors() -> usize {
    let Rlimit { maximum, current } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let most = if raised.is_ok() { maximum } else { current };
    most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

async fn free_port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the listener has an address").to_string();
    (listener, address)
}

/// Sends this many requests over [`CALLERS`] connections.
async fn asks(address: &str, key: &str, requests: u32) {
    let each = requests / u32::try_from(CALLERS).expect("a small number");
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let mut caller = Caller::new(address, key).await;
        callers.spawn(async move {
            for _ in 0..each {
                caller.asks().await;
            }
        });
    }
    callers.join_all().await;
}

/// One connection that asks one thing at a time.
struct Caller {
    stream: TcpStream,
    request: Bytes,
    buffer: Vec<u8>,
}

impl Caller {
    async fn new(address: &str, key: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("the socket takes it");
        let head = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
        Self { stream, request: head.into(), buffer: vec![0; 4_096] }
    }

    async fn asks(&mut self) {
        self.stream.write_all(&self.request).await.expect("the server listens");
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[read..]).await.expect("an answer comes");
            assert!(more > 0, "the server closed the connection");
            read += more;
            // Nothing but the body is made of these.
            if self.buffer[..read].ends_with(BODY) {
                break;
            }
        }
        assert!(self.buffer.starts_with(b"HTTP/1.1 200 "), "the answer is a success");
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The value in the middle.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// User and system time of all threads of a process, in seconds.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(") ").expect("the name ends");
    // Fields 14 and 15 of the line, of which two went before; a hundred to the second.
    let ticks = fields.split(' ').skip(11).take(2);
    ticks.map(|field| field.parse::<f64>().expect("a number of ticks")).sum::<f64>() / 100.0
}

/// Memory that a process occupies.
fn resident_bytes(process: u32) -> f64 {
    let file = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(file).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes = line.trim().strip_suffix(" kB").expect("a unit");
    kilobytes.parse::<f64>().expect("a number") * 1_024.0
}
