//! Medians, and what the disk takes for one commit.

use std::time::{Duration, Instant};

use serde_json::json;
use wharf_storage::{GroupChange, GroupJid, GroupSnapshot, NewEvent, SessionId, Store};

/// Microseconds for each of so many, of these seconds.
pub(crate) fn each(seconds: f64, count: u32) -> f64 {
    seconds * 1e6 / f64::from(count)
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
    let snapshot = GroupSnapshot::of(group.clone());
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
