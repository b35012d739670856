//! How many sessions one process carries: memory, descriptors, threads and tasks of a session, idle CPU, how a fleet comes
//! back after every connection dropped and after a restart, and what callers wait for meanwhile; beside the bare protocol
//! client on the same sandbox.
//!
//! `cargo bench --features sandbox --bench fleet` prints a table; `-- --sessions N --groups G --members M` sets the size,
//! `-- --json FILE` writes the raw figures, `-- --plots FOLDER` draws them. Sandbox, gateway and bare clients are processes
//! of their own; the gateway is the `wharf` program, and its sessions are made through its API.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod bare;
mod fleet;
mod gateway;
#[path = "../gateway/linked.rs"]
mod linked;
#[path = "../gateway/machine.rs"]
mod machine;
mod plot;
mod probe;
#[path = "../gateway/process.rs"]
mod process;
mod report;
mod sandbox;
mod usage;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use bare::Bare;
use fleet::{Departure, Fleet, Point};
use gateway::{Data, Gateway};
use probe::Probes;
use process::Worker;
use report::{Figures, Measured};
use sandbox::Control;

/// The allocator of the `wharf` program; the bare clients have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sessions whose groups are read and changed all the while; they have a group in any case.
const PROBED: usize = 8;
/// How long what a process takes up has to settle before it is read.
const SETTLING: Duration = Duration::from_secs(5);
/// How long callers are watched while nothing else happens.
const CALM: Duration = Duration::from_secs(15);
/// Points of the curve of memory.
const POINTS: usize = 5;

#[derive(Debug, Clone, Parser)]
struct Options {
    /// Sessions of each side.
    #[arg(long, default_value_t = 1_000)]
    sessions: usize,
    /// Groups of each session.
    #[arg(long, default_value_t = 0)]
    groups: usize,
    /// Members of each group beside its owner.
    #[arg(long, default_value_t = 0)]
    members: usize,
    /// Sessions that are linked side by side.
    #[arg(long, default_value_t = 16)]
    side_by_side: usize,
    /// How long idleness is measured, in seconds.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// TLS between the gateway and the sandbox; the bare client is left out.
    #[arg(long)]
    tls: bool,
    /// Leave the bare client out.
    #[arg(long)]
    no_bare: bool,
    /// One more option of `wharf serve`.
    #[arg(long, allow_hyphen_values = true)]
    serve: Vec<String>,
    /// Where the raw figures go.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder of the drawings.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// What this process is, when the bench starts itself.
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// `WhatsApp`'s address, for a process that connects to it.
    #[arg(long, hide = true, default_value = "")]
    whatsapp: String,
    /// The sandbox's control address.
    #[arg(long, hide = true, default_value = "")]
    control: String,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Sandbox,
    Bare,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    match options.role {
        Some(Role::Sandbox) => sandbox::run(options.tls).await,
        Some(Role::Bare) => bare::run(&options.whatsapp, &options.control).await,
        None => bench(&options).await,
    }
}

/// The server of a side.
struct Stage {
    sandbox: Worker,
    control: Control,
    whatsapp: String,
    certificate: Option<String>,
}

impl Stage {
    async fn new(options: &Options) -> Self {
        let arguments: &[&str] = if options.tls { &["--tls"] } else { &[] };
        let (sandbox, told) = Worker::start("sandbox", arguments).await;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let control = Control::new(&text(&told["control"]).expect("an address"));
        control.has_members(options.members).await;
        let whatsapp = text(&told["whatsapp"]).expect("an address");
        Self { sandbox, control, whatsapp, certificate: text(&told["certificate"]) }
    }
}

async fn bench(options: &Options) {
    let gateway = gateway_side(options).await;
    println!("{}", report::table("gateway", &gateway));
    let bare = if options.tls || options.no_bare { None } else { Some(bare_side(options).await) };
    if let Some(bare) = &bare {
        println!("{}", report::table("bare client", bare));
    }
    let figures = Figures {
        machine: machine::machine(),
        options: json!({
            "sessions": options.sessions, "groups": options.groups, "members": options.members,
            "tls": options.tls, "idleSeconds": options.idle, "serve": options.serve,
        }),
        ratios: bare.as_ref().map(|bare| gateway.beside(bare)),
        gateway,
        bare,
    };
    if let Some(ratios) = &figures.ratios {
        println!("{}", report::ratios(ratios));
    }
    if let Some(folder) = &options.plots {
        plot::draw(folder, &figures);
    }
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&figures).expect("figures are JSON");
        std::fs::write(file, text + "\n").expect("the figures can be written");
    }
}

async fn gateway_side(options: &Options) -> Measured {
    let stage = Stage::new(options).await;
    let data = Data::new(&stage.whatsapp, stage.certificate.as_deref(), &options.serve).await;
    let mut gateway = data.serve().await;
    let mut memory = vec![settled(&mut gateway, 0).await];
    let mut groups = Vec::new();
    for (from, to) in steps(options.sessions) {
        let lists = link(&gateway, &stage.control, from..to, options).await;
        for list in lists.iter().take(PROBED.saturating_sub(groups.len())) {
            groups.push(gateway.api.first_group(list).await);
        }
        memory.push(settled(&mut gateway, to).await);
    }
    let mut idle = fleet::idle(&gateway, Duration::from_secs(options.idle)).await;
    idle.latency = Some(fleet::calm(&gateway, &groups, CALM).await);

    // Each twice: alone, for what it costs, and with callers, for what they wait.
    let sandbox = stage.sandbox.id();
    let (control, sessions) = (&stage.control, options.sessions);
    let departure = Departure::of(&mut gateway, sandbox).await;
    control.drops_connections().await;
    let mut dropped = departure.arrives(&mut gateway, control, sessions, &idle).await;
    let probes = Probes::begin(&gateway.api, &groups);
    let departure = Departure::of(&mut gateway, sandbox).await;
    control.drops_connections().await;
    dropped.latency = Some(departure.watched(&mut gateway, control, sessions, probes).await);

    gateway.stops().await;
    let departure = Departure::of_none(sandbox);
    let mut gateway = data.serve().await;
    let mut started = departure.arrives(&mut gateway, control, sessions, &idle).await;
    let after_start = Some(settled(&mut gateway, sessions).await);
    gateway.stops().await;
    let departure = Departure::of_none(sandbox);
    let mut gateway = data.serve().await;
    let probes = Probes::begin(&gateway.api, &groups);
    started.latency = Some(departure.watched(&mut gateway, control, sessions, probes).await);
    let store_bytes = Some(data.bytes());
    Measured { memory, after_start, idle, dropped, started: Some(started), store_bytes }
}

async fn bare_side(options: &Options) -> Measured {
    let stage = Stage::new(options).await;
    let mut bare = Bare::start(&stage.whatsapp, stage.control.base()).await;
    let mut memory = vec![settled(&mut bare, 0).await];
    for (_, to) in steps(options.sessions) {
        let order = json!({
            "clients": to, "groups": options.groups, "members": options.members,
            "sideBySide": options.side_by_side,
        });
        bare.grows(&order).await;
        memory.push(settled(&mut bare, to).await);
    }
    let idle = fleet::idle(&bare, Duration::from_secs(options.idle)).await;
    let departure = Departure::of(&mut bare, stage.sandbox.id()).await;
    stage.control.drops_connections().await;
    let dropped = departure.arrives(&mut bare, &stage.control, options.sessions, &idle).await;
    Measured { memory, after_start: None, idle, dropped, started: None, store_bytes: None }
}

/// From how many to how many sessions, for each point of the curve.
fn steps(sessions: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..POINTS).map(move |step| (sessions * step / POINTS, sessions * (step + 1) / POINTS))
}

async fn settled(side: &mut impl Fleet, sessions: usize) -> Point {
    tokio::time::sleep(SETTLING).await;
    let usage = side.usage().await;
    println!("{sessions} sessions: {} MB, {} descriptors", usage.rss >> 20, usage.descriptors);
    Point { sessions, usage }
}

/// Links these sessions through the API; gives the paths of the group lists of those that have groups.
async fn link(
    gateway: &Gateway,
    control: &Control,
    sessions: std::ops::Range<usize>,
    options: &Options,
) -> Vec<String> {
    let room = Arc::new(Semaphore::new(options.side_by_side));
    let mut links = JoinSet::new();
    for index in sessions {
        let place = Arc::clone(&room).acquire_owned().await.expect("nobody closes it");
        let (api, control, members) = (gateway.api.clone(), control.clone(), options.members);
        let groups = if index < PROBED { options.groups.max(1) } else { options.groups };
        links.spawn(async move {
            let phone = format!("ours-{index}");
            control.has_phone(&phone, groups, members).await;
            let list = api.links(&control, &phone, groups).await;
            drop(place);
            (groups > 0).then_some(list)
        });
    }
    links.join_all().await.into_iter().flatten().collect()
}
