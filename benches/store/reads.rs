//! What reading a group and its members takes, in clear and encrypted.

use std::{path::Path, time::Instant};

use serde_json::{Value, json};
use wharf_storage::{GroupJid, GroupSnapshot, MemberSnapshot, Role, SessionId, Store};

use crate::measure::{each, median};

/// Groups of the session.
const GROUPS: u32 = 100;
/// Members of each.
const MEMBERS: usize = 50;

/// So many reads a round; microseconds of one thread for each.
pub(crate) async fn measured(folder: &Path, reads: u32, rounds: usize) -> Value {
    let session = SessionId::generate(1);
    let mut stores = Vec::new();
    for (name, key) in [("plain", None), ("encrypted", Some(crate::key()))] {
        let mut opened = crate::opened(folder, &format!("reads-{name}"), 1, key);
        let store = opened.remove(0);
        for group in (0..GROUPS).map(group) {
            store.put_group(session, group, 1, |_| Vec::new()).await.expect("the group is stored");
        }
        stores.push(store);
    }
    let (mut groups, mut members) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        for (place, store) in stores.iter().enumerate() {
            groups[place].push(of_a_group(store, session, reads));
            members[place].push(of_members(store, session, reads / 10).await);
        }
    }
    let show = |what: &str, [plain, encrypted]: &[Vec<f64>; 2]| {
        let (plain, encrypted) = (median(plain), median(encrypted));
        println!("{what}: {plain:.2} µs, encrypted {encrypted:.2} µs");
        json!({"plainUs": plain, "encryptedUs": encrypted})
    };
    json!({
        "group": show("a stored group", &groups),
        "members": show("a page of its 50 members", &members),
    })
}

fn of_a_group(store: &Store, session: SessionId, reads: u32) -> f64 {
    let jids: Vec<GroupJid> = (0..GROUPS).map(jid).collect();
    let begun = Instant::now();
    for jid in jids.iter().cycle().take(reads as usize) {
        assert!(store.group(session, jid).expect("the store reads").is_some());
    }
    each(begun.elapsed().as_secs_f64(), reads)
}

async fn of_members(store: &Store, session: SessionId, reads: u32) -> f64 {
    let jids: Vec<GroupJid> = (0..GROUPS).map(jid).collect();
    let begun = Instant::now();
    for jid in jids.iter().cycle().take(reads as usize) {
        let members = store.members(session, jid, None, MEMBERS).await.expect("the store reads");
        assert_eq!(members.len(), MEMBERS);
    }
    each(begun.elapsed().as_secs_f64(), reads)
}

fn jid(number: u32) -> GroupJid {
    format!("1203630000000{number:05}@g.us").parse().expect("an address")
}

fn group(number: u32) -> GroupSnapshot {
    let member = |place| MemberSnapshot {
        lid: format!("1000000000{place:05}@lid"),
        phone: Some(format!("155500{place:05}@s.whatsapp.net")),
        role: Role::Member,
    };
    GroupSnapshot {
        jid: jid(number),
        subject: Some(format!("Crew {number}")),
        description: Some(
            "What this group is about, in a sentence or two of the usual length.".to_owned(),
        ),
        description_id: Some("3EB0C767D26B8A1D".to_owned()),
        announce: false,
        locked: false,
        owner: Some("155500000000@s.whatsapp.net".to_owned()),
        created_at: Some(1_700_000_000_000),
        lid_addressing: true,
        members: (0..MEMBERS).map(member).collect(),
    }
}
