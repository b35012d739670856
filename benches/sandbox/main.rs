//! What the sandbox costs, so that no bench measures it in the place of what it is for: memory of a connected device,
//! linkings and group requests beside the bare client that makes them, and logins that arrive at a steady rate.
//!
//! `cargo bench --features sandbox --bench sandbox` prints a table; `-- --devices N --rate R` sets the size, `-- --json FILE`
//! writes the figures. Sandbox and clients are processes of their own.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod clients;
#[path = "../gateway/linked.rs"]
mod linked;
#[path = "../gateway/machine.rs"]
mod machine;
#[path = "../gateway/process.rs"]
mod process;
#[path = "../fleet/sandbox.rs"]
#[expect(dead_code, reason = "the other bench asks more of the sandbox")]
mod sandbox;
#[path = "../fleet/usage.rs"]
mod usage;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

use machine::{cpu_seconds, machine};
use process::Worker;
use sandbox::Control;
use usage::Usage;

/// The allocator of the `wharf` program; both sides have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long what a process takes up has to settle before it is read.
const SETTLING: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Parser)]
struct Options {
    /// Devices that are linked, each with the number of prekeys that the library keeps.
    #[arg(long, default_value_t = 200)]
    devices: usize,
    /// Devices that are linked side by side.
    #[arg(long, default_value_t = 16)]
    side_by_side: usize,
    /// Group requests, over all devices.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Logins that begin in a second.
    #[arg(long, default_value_t = 500)]
    rate: usize,
    /// Where the figures go.
    #[arg(long)]
    json: Option<PathBuf>,
    /// What this process is, when the bench starts itself.
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// `WhatsApp`'s address, for the process that connects to it.
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
    Clients,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    match options.role {
        Some(Role::Sandbox) => sandbox::run(false).await,
        Some(Role::Clients) => clients::run(&options.whatsapp, &options.control).await,
        None => bench(&options).await,
    }
}

async fn bench(options: &Options) {
    let (sandbox, told) = Worker::start("sandbox", &[]).await;
    let text = |name: &str| told[name].as_str().expect("an address").to_owned();
    let (whatsapp, control) = (text("whatsapp"), text("control"));
    let arguments = ["--whatsapp", &whatsapp, "--control", &control];
    let (mut clients, _) = Worker::start("clients", &arguments).await;
    let mut sides = Sides { sandbox: sandbox.id(), clients: clients.id(), count: options.devices };

    let empty = Usage::of(sandbox.id(), None).rss;
    let order = json!({"link": options.devices, "sideBySide": options.side_by_side});
    let (linking, _) = sides.measures(&mut clients, &order).await;
    tokio::time::sleep(SETTLING).await;
    let full = Usage::of(sandbox.id(), None).rss;
    let memory = full.saturating_sub(empty) / options.devices as u64;

    sides.count = options.requests;
    let (requests, _) = sides.measures(&mut clients, &json!({"requests": options.requests})).await;

    Control::new(&control).drops_connections().await;
    sides.count = options.devices;
    let (logins, told) = sides.measures(&mut clients, &json!({"logins": options.rate})).await;

    let figures = json!({
        "machine": machine(),
        "devices": options.devices,
        "memoryOfADevice": memory,
        "linking": linking.json(),
        "groupRequest": requests.json(),
        "login": logins.json(),
        "loginRate": options.rate,
        "slowestLoginMs": told["slowestMs"],
        "failedLogins": told["failed"],
    });
    println!("{} devices", options.devices);
    println!("memory of a connected device   {:>10.1} KiB", kib(memory));
    println!("linkings a CPU second          {:>10.0}", linking.count / linking.sandbox);
    println!("CPU of a group request         {:>10.1} µs", requests.sandbox * 1e6 / requests.count);
    println!("  beside the bare client       {:>10.2} ×", requests.sandbox / requests.clients);
    println!("CPU of a login                 {:>10.1} µs", logins.sandbox * 1e6 / logins.count);
    println!("  beside the bare client       {:>10.2} ×", logins.sandbox / logins.clients);
    println!(
        "logins at {}/s: slowest      {:>10} ms, failed {}",
        options.rate, told["slowestMs"], told["failed"]
    );
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&figures).expect("figures are JSON");
        std::fs::write(file, text + "\n").expect("the figures are written");
    }
}

/// The two processes whose CPU time is compared, and how often they did something.
struct Sides {
    sandbox: u32,
    clients: u32,
    count: usize,
}

/// What so many operations took, in seconds.
struct Cost {
    count: f64,
    sandbox: f64,
    clients: f64,
    took: f64,
}

impl Sides {
    async fn measures(&self, clients: &mut Worker, order: &Value) -> (Cost, Value) {
        let before = (cpu_seconds(self.sandbox), cpu_seconds(self.clients), Instant::now());
        let told = clients.ask(order).await;
        let cost = Cost {
            count: f64::from(u32::try_from(self.count).expect("a small number")),
            sandbox: cpu_seconds(self.sandbox) - before.0,
            clients: cpu_seconds(self.clients) - before.1,
            took: before.2.elapsed().as_secs_f64(),
        };
        (cost, told)
    }
}

impl Cost {
    fn json(&self) -> Value {
        json!({
            "count": self.count,
            "sandboxCpuSeconds": self.sandbox,
            "clientCpuSeconds": self.clients,
            "seconds": self.took,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
