//! Whether anything is left behind: sessions are stopped and started thousands of times, then used for hours, and what is
//! alive in the gateway at the end is compared with what was before.
//!
//! `cargo bench --features sandbox,count-allocations --bench soak -- --cycles 10000 --minutes 120 --json FILE` prints a
//! table and fails when something does not come back; without options it is short. Without `count-allocations` all is
//! looked at but allocated bytes.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod cycles;
mod figures;
#[path = "../fleet/gateway.rs"]
#[expect(dead_code, reason = "the other bench asks more of a gateway")]
mod gateway;
#[path = "../gateway/machine.rs"]
#[expect(dead_code, reason = "the other benches measure CPU time too")]
mod machine;
#[path = "../gateway/process.rs"]
#[expect(dead_code, reason = "the other benches ask more of a process")]
mod process;
mod sandbox;
mod traffic;
#[path = "../fleet/usage.rs"]
mod usage;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use reqwest::Client;
use serde_json::{Value, json};

use figures::{BaseLine, Sample};
use gateway::{Data, Gateway};
use process::Worker;
use sandbox::Control;
use traffic::{ADMIN, MEMBER, Used};

/// Cycles of each session before anything is compared: what is made once is there by then.
const WARM_UP_CYCLES: usize = 20;
/// Traffic before anything is compared.
const WARM_UP: Duration = Duration::from_secs(20);
/// How often the base line is read, and in what rhythm: over more than the 14 s after which an idle session is asked.
const SAMPLES: usize = 20;
const RHYTHM: Duration = Duration::from_secs(1);
/// How often it is looked whether all is back: more seldom than idle threads of the runtime end (10 s), which each question
/// would keep.
const GLANCE: Duration = Duration::from_secs(12);
/// How long what was used has to come back: connections of callers, and threads that idle, end by then.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Parser)]
struct Options {
    /// Sessions.
    #[arg(long, default_value_t = 8)]
    sessions: usize,
    /// Groups of each session.
    #[arg(long, default_value_t = 3)]
    groups: usize,
    /// Cycles of stop and start, of all sessions together.
    #[arg(long, default_value_t = 200)]
    cycles: usize,
    /// How long the sessions are used.
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Where the figures go.
    #[arg(long)]
    json: Option<PathBuf>,
    /// What this process is, when the bench starts itself.
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Sandbox,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match options.role {
        Some(Role::Sandbox) => {
            sandbox::run().await;
            ExitCode::SUCCESS
        }
        None => soak(&options).await,
    }
}

async fn soak(options: &Options) -> ExitCode {
    let (_sandbox, told) = Worker::start("sandbox", &[]).await;
    let text = |name: &str| told[name].as_str().expect("an address").to_owned();
    let control = Control::new(&text("control"));
    // How full a cache is differs from moment to moment, and is no leak: here there is little of it.
    let more = ["--store-cache", "131072", "--connect-rate", "1000"].map(str::to_owned);
    let data = Data::new(&text("whatsapp"), None, &more).await;
    let mut gateway = data.serve().await;
    let used = link(&gateway, &control, options).await;
    let sessions: Vec<String> = used.iter().map(|used| used.session.clone()).collect();

    cycles::run(&gateway.api, &sessions, WARM_UP_CYCLES * sessions.len()).await;
    traffic::run(&gateway.api, &control, &used, WARM_UP).await;
    let before = base_line(&mut gateway, sessions.len()).await;

    let begun = Instant::now();
    cycles::run(&gateway.api, &sessions, options.cycles).await;
    println!("{} cycles in {:.0} s", options.cycles, begun.elapsed().as_secs_f64());
    let after_cycles = comes_back(&mut gateway, &before, sessions.len()).await;

    let span = Duration::from_mins(options.minutes);
    let answers = traffic::run(&gateway.api, &control, &used, span).await;
    println!("{} minutes of traffic: {answers:?}", options.minutes);
    let after_traffic = comes_back(&mut gateway, &before, sessions.len()).await;

    // What a client remembers of what it saw goes with it.
    cycles::run(&gateway.api, &sessions, sessions.len()).await;
    let after_restart = comes_back(&mut gateway, &before, sessions.len()).await;

    let phases = [
        ("after cycles", after_cycles),
        ("after traffic", after_traffic),
        ("after a restart", after_restart),
    ];
    println!("{}", before.table(&phases));
    let mut left: Vec<String> = Vec::new();
    for (phase, sample) in &phases {
        left.extend(before.exceeded_by(sample).iter().map(|name| format!("{name} {phase}")));
    }
    if let Some(file) = &options.json {
        let figures = json!({
            "machine": machine::machine(),
            "options": {
                "sessions": options.sessions, "groups": options.groups, "cycles": options.cycles,
                "minutes": options.minutes,
            },
            "before": before, "afterCycles": phases[0].1, "afterTraffic": phases[1].1,
            "afterRestart": phases[2].1,
            "answers": answers, "storeBytes": data.bytes(), "left": left,
        });
        let text = serde_json::to_string_pretty(&figures).expect("figures are JSON");
        std::fs::write(file, text + "\n").expect("the figures can be written");
    }
    gateway.stops().await;
    if left.is_empty() && answers.failures() == 0 {
        println!("all has come back");
        return ExitCode::SUCCESS;
    }
    println!("left behind: {left:?}; requests that failed: {}", answers.failures());
    ExitCode::FAILURE
}

/// Links all sessions.
async fn link(gateway: &Gateway, control: &Control, options: &Options) -> Vec<Used> {
    control.has_phone(ADMIN).await;
    control.has_phone(MEMBER).await;
    let mut linked = Vec::new();
    for index in 0..options.sessions {
        let phone = format!("shop-{index}");
        control.has_phone(&phone).await;
        for _ in 0..options.groups {
            control.has_group(&phone, ADMIN, MEMBER).await;
        }
        let list = gateway.api.links(control, &phone, options.groups).await;
        let all = |body: &Value| body["data"].as_array().map_or(0, Vec::len) == options.groups;
        let groups = gateway.api.until(&format!("{list}?limit={}", options.groups), all).await;
        let gid = |group: &Value| group["groupJid"].as_str().expect("a group").to_owned();
        let groups = groups["data"].as_array().expect("a list").iter().map(gid).collect();
        let session = list.strip_suffix("/groups").expect("it is a list of groups").to_owned();
        linked.push(Used { phone, session, groups });
    }
    linked
}

/// What is alive while all sessions work and nobody asks for anything, as soon as that is steady.
async fn base_line(gateway: &mut Gateway, sessions: usize) -> BaseLine {
    rests(gateway, sessions).await;
    tokio::time::sleep(PATIENCE / 4).await;
    let mut rhythm = tokio::time::interval(RHYTHM);
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        rhythm.tick().await;
        samples.push(Sample::of(gateway).await);
    }
    println!("before: {}", samples[SAMPLES - 1].line());
    BaseLine::over(&samples)
}

/// Waits until what is alive is what was, for a bounded time; gives what there is then.
async fn comes_back(gateway: &mut Gateway, before: &BaseLine, sessions: usize) -> Sample {
    rests(gateway, sessions).await;
    let (begun, mut rhythm) = (Instant::now(), tokio::time::interval(GLANCE));
    loop {
        rhythm.tick().await;
        let sample = Sample::of(gateway).await;
        if before.exceeded_by(&sample).is_empty() || begun.elapsed() > PATIENCE {
            println!("after {:.0} s of rest: {}", begun.elapsed().as_secs_f64(), sample.line());
            return sample;
        }
    }
}

/// Lets go of all connections to the gateway, and waits until all sessions work.
async fn rests(gateway: &mut Gateway, sessions: usize) {
    let builder = Client::builder().no_proxy().pool_max_idle_per_host(1);
    gateway.api.client = builder.build().expect("an HTTP client is made");
    let mut rhythm = tokio::time::interval(RHYTHM);
    while gateway.api.working().await < sessions {
        rhythm.tick().await;
    }
}
