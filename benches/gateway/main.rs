//! What the gateway costs beside the bare protocol client, on the same sandbox in the same run.
//!
//! `cargo bench --features sandbox --bench gateway` prints a table; `-- --quick` takes fewer operations, and
//! `-- --json FILE` writes the raw figures too. Sandbox, gateway and bare client are processes of their own, so that the CPU
//! time of each is known; this process makes the load.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod client;
mod gateway;
mod linked;
mod load;
mod machine;
mod measure;
mod process;
mod sandbox;

use clap::{Parser, ValueEnum};
use serde_json::json;

use load::{Api, Target};
use machine::cpu_seconds;
use measure::{each, median};
use process::Worker;

/// The allocator of the `wharf` program; the bare client has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sessions of each side.
const SESSIONS: usize = 16;
/// Groups of each session.
const GROUPS: usize = 4;
/// Members of each group beside its owner.
const MEMBERS: usize = 4;
/// Operations under way at once: one on each group.
const IN_FLIGHT: usize = SESSIONS * GROUPS;
/// Readers of stored groups at once.
const READERS: usize = 32;

#[derive(Debug, Parser)]
struct Options {
    /// Fewer operations: shows that the bench works, not what things cost.
    #[arg(long)]
    quick: bool,
    /// Changes a round, and reads a round; none leaves the part out, for a profiler.
    #[arg(long)]
    patches: Option<u32>,
    #[arg(long)]
    reads: Option<u32>,
    /// Where the raw figures go.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
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
    Gateway,
    Client,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    match options.role {
        Some(Role::Sandbox) => sandbox::run().await,
        Some(Role::Gateway) => gateway::run(&options.whatsapp).await,
        Some(Role::Client) => client::run(&options.whatsapp, &options.control).await,
        None => bench(&options).await,
    }
}

async fn bench(options: &Options) {
    let (rounds, patches, reads, singles) =
        if options.quick { (1, 640, 3_200, 50) } else { (5, 19_200, 32_000, 1_000) };
    let (patches, reads) = (options.patches.unwrap_or(patches), options.reads.unwrap_or(reads));
    let (_sandbox, server) = Worker::start("sandbox", &[]).await;
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let (whatsapp, control) = (text(&server["whatsapp"]), text(&server["control"]));
    let (mut bare, relay) =
        Worker::start("client", &["--whatsapp", &whatsapp, "--control", &control]).await;
    let (mut gateway, started) = Worker::start("gateway", &["--whatsapp", &whatsapp]).await;
    let api = Api::new(&text(&started["base"]), &text(&started["key"]), &control);
    let groups = api.sets_up().await;
    let bytes = api.text(&groups[0]).await;
    gateway.ask(&json!({"bytes": bytes})).await;
    assert_eq!(api.text(load::SAME_BYTES).await, bytes);
    println!("{SESSIONS} sessions with {GROUPS} groups each on either side, {rounds} rounds");

    let relay = Api::new(&text(&relay["base"]), "", &control);
    let relayed: Vec<String> = (0..IN_FLIGHT).map(|index| format!("/{index}")).collect();
    let (mut ours, mut theirs, mut patch_ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut relays = Vec::new();
    let (mut get, mut same, mut get_ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let before = cpu_seconds(bare.id());
        // It is cheap: as many operations as give the clock of the CPU time something to count.
        let many = patches * 4;
        bare.ask(&json!({"operations": many, "inFlight": IN_FLIGHT})).await;
        let client_cpu = each(cpu_seconds(bare.id()) - before, many);
        let before = cpu_seconds(gateway.id());
        api.patches(&groups, patches, round).await;
        let gateway_cpu = each(cpu_seconds(gateway.id()) - before, patches);
        let before = cpu_seconds(bare.id());
        relay.patches(&relayed, patches, round).await;
        let relay_cpu = each(cpu_seconds(bare.id()) - before, patches);
        println!(
            "round {round}: CPU of a change: gateway {gateway_cpu:.1} µs, bare client {client_cpu:.1} µs, ratio {:.2}; \
             HTTP and the bare client, no more: {relay_cpu:.1} µs",
            gateway_cpu / client_cpu
        );
        relays.push(relay_cpu);
        ours.push(gateway_cpu);
        theirs.push(client_cpu);
        patch_ratios.push(gateway_cpu / client_cpu);

        let cost = async |target| {
            let before = cpu_seconds(gateway.id());
            api.reads(&groups, target, reads).await;
            each(cpu_seconds(gateway.id()) - before, reads)
        };
        let (fixed, stored) = (cost(Target::SameBytes).await, cost(Target::Stored).await);
        println!(
            "round {round}: CPU of a read: stored group {stored:.1} µs, the same bytes {fixed:.1} µs, ratio {:.2}",
            stored / fixed
        );
        get.push(stored);
        same.push(fixed);
        get_ratios.push(stored / fixed);
    }
    let commit = gateway.ask(&json!({"commits": singles})).await;
    let commit = commit["p50Us"].as_f64().expect("a number");
    let single = bare.ask(&json!({"operations": singles, "inFlight": 1})).await;
    let single = single["p50Us"].as_f64().expect("a number");
    let patch = tokio::task::block_in_place(|| api.patch_latency(&groups[0], singles));
    let added = patch - single - commit;
    println!(
        "one at a time, p50: PATCH {patch:.0} µs, bare client {single:.0} µs, commit {commit:.0} µs, added {added:.0} µs"
    );
    let result = json!({
        "machine": machine::machine(),
        "quick": options.quick,
        "operations": {"rounds": rounds, "patches": patches, "reads": reads, "singles": singles},
        "patchCpu": {
            "gatewayUs": ours, "bareClientUs": theirs, "ratios": patch_ratios, "medianRatio": median(&patch_ratios),
            "relayUs": relays,
        },
        "getCpu": {"storedUs": get, "sameBytesUs": same, "ratios": get_ratios, "medianRatio": median(&get_ratios)},
        "latencyP50Us": {"patch": patch, "bareClient": single, "commit": commit, "added": added},
    });
    println!(
        "median ratios: PATCH {:.2} of the bare client, GET {:.2} of the same bytes; added latency {:.2} ms",
        median(&patch_ratios),
        median(&get_ratios),
        added / 1000.0
    );
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{result:#}\n")).expect("the figures can be written");
    }
}
