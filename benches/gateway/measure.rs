//! CPU time, medians, and what the disk takes for one commit.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wharf_storage::{GroupChange, GroupJid, GroupSnapshot, NewEvent, SessionId, Store};

/// Units of CPU time a second, as Linux counts them for programs.
const TICKS: f64 = 100.0;

/// The CPU time that a process had used when this was made.
pub(crate) struct Cpu {
    process: u32,
    seconds: f64,
}

impl Cpu {
    pub(crate) fn of(process: u32) -> Self {
        Self { process, seconds: used(process) }
    }

    /// Seconds of CPU that the process has used since.
    pub(crate) fn since(&self) -> Spent {
        Spent(used(self.process) - self.seconds)
    }
}

/// Seconds of CPU.
pub(crate) struct Spent(f64);

impl Spent {
    /// Microseconds for each of so many.
    pub(crate) fn each(&self, count: u32) -> f64 {
        self.0 * 1e6 / f64::from(count)
    }
}

/// User and system time of all threads, in seconds.
fn used(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(") ").expect("the name ends");
    let of = |index: usize| -> f64 {
        let field = fields.split(' ').nth(index).expect("the field is there");
        field.parse().expect("a number of ticks")
    };
    // Fields 14 and 15 of the line, of which two went before.
    (of(11) + of(12)) / TICKS
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The duration in the middle, in microseconds.
pub(crate) fn median_us(durations: &[Duration]) -> f64 {
    let values: Vec<f64> = durations.iter().map(|took| took.as_secs_f64() * 1e6).collect();
    median(&values)
}

/// What one commit of this store takes, a changed group and its event in it, while nothing else happens: the median of
/// `count`, in microseconds.
pub(crate) async fn commit(store: &Store, count: u32) -> f64 {
    let session = SessionId::generate(1);
    let group: GroupJid = "120363000000000001@g.us".parse().expect("an address");
    let snapshot = GroupSnapshot {
        jid: group.clone(),
        subject: None,
        description: None,
        description_id: None,
        announce: false,
        locked: false,
        owner: None,
        created_at: None,
        lid_addressing: true,
        members: Vec::new(),
    };
    store.put_group(session, snapshot, 1, |_| Vec::new()).await.expect("the write succeeds");
    let mut took: Vec<Duration> = Vec::new();
    for index in 0..count {
        let subject = format!("Single {index}");
        let event = NewEvent {
            session,
            organization: "default".to_owned(),
            name: "group.update".to_owned(),
            at: 1,
            payload: json!({"groupJid": group.as_ref(), "subject": subject, "timestamp": 1}),
        };
        let change = GroupChange { subject: Some(subject), ..GroupChange::default() };
        let begun = Instant::now();
        let written = store.change_group(session, &group, change, 1, vec![event]).await;
        assert!(written.expect("the write succeeds"), "the group is stored");
        took.push(begun.elapsed());
    }
    median_us(&took)
}

/// The machine, in words.
pub(crate) fn machine() -> Value {
    let line = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned()
    };
    json!({
        "cpu": line("/proc/cpuinfo", "model name"),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": line("/proc/meminfo", "MemTotal"),
        "kernel": line("/proc/sys/kernel/osrelease", ""),
    })
}
