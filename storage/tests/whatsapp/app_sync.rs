use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};
use wacore::{
    appstate::{hash::HashState, processor::AppStateMutationMAC},
    store::traits::{AppStateSyncKey, Backend as Library},
};

use super::{Answers, one_of, plain, record, sorted};

const COLLECTIONS: &[&str] = &["regular", "regular_low", "critical"];
const KEY_IDS: &[&[u8]] = &[&[], &[0], &[0, 255], &[255, 255]];
const INDEXES: &[u8] = &[0, 1, 255];

/// The bytes of an index MAC and of its value MAC.
type Mac = (u8, u8);

#[derive(Debug, Clone)]
pub(super) enum Operation {
    SetSyncKey(&'static [u8], u8),
    SetVersion(&'static str, u64),
    PutMacs(&'static str, u64, Vec<Mac>),
    DeleteMacs(&'static str, Vec<u8>),
    ClearMacs(&'static str),
}
use Operation as Op;

pub(super) fn any() -> impl Strategy<Value = Operation> {
    let collection = || one_of(COLLECTIONS);
    let index = || prop::sample::select(INDEXES);
    let byte = || prop::num::u8::ANY;
    prop_oneof![
        (prop::sample::select(KEY_IDS), byte()).prop_map(|(id, byte)| Op::SetSyncKey(id, byte)),
        (collection(), prop::num::u64::ANY)
            .prop_map(|(name, version)| Op::SetVersion(name, version)),
        (collection(), 0..9_u64, vec((index(), byte()), 0..4))
            .prop_map(|(name, version, macs)| Op::PutMacs(name, version, macs)),
        (collection(), vec(index(), 0..3)).prop_map(|(name, macs)| Op::DeleteMacs(name, macs)),
        collection().prop_map(Op::ClearMacs),
    ]
}

impl Operation {
    pub(super) async fn run(&self, b: &impl Library) -> Answers {
        match self {
            Op::SetSyncKey(id, byte) => {
                let (key_data, fingerprint) = (vec![*byte; 32], vec![*byte]);
                let timestamp = i64::from(*byte) - 128;
                b.set_sync_key(id, AppStateSyncKey { key_data, fingerprint, timestamp }).await
            }
            Op::SetVersion(name, version) => {
                let byte = version.to_be_bytes()[7];
                let state = HashState {
                    version: *version,
                    hash: [byte; 128],
                    index_value_map: HashMap::from([(format!("index {byte}"), vec![byte])]),
                    mac_mismatch_fatal: byte > 128,
                };
                b.set_version(name, state).await
            }
            Op::PutMacs(name, version, macs) => {
                let mac = |(index, value): &Mac| AppStateMutationMAC {
                    index_mac: vec![*index; 32],
                    value_mac: vec![*value; 32],
                };
                let macs: Vec<_> = macs.iter().map(mac).collect();
                b.put_mutation_macs(name, *version, &macs).await
            }
            Op::DeleteMacs(name, indexes) => {
                let indexes: Vec<_> = indexes.iter().map(|byte| vec![*byte; 32]).collect();
                b.delete_mutation_macs(name, &indexes).await
            }
            Op::ClearMacs(name) => b.clear_mutation_macs(name).await,
        }
        .unwrap();
        vec![]
    }
}

pub(super) async fn answers(b: &impl Library) -> Answers {
    let mut answers = vec![plain(b.get_latest_sync_key_id().await.unwrap())];
    for id in KEY_IDS {
        answers.push(record(b.get_sync_key(id).await.unwrap()));
    }
    let all: Vec<_> = INDEXES.iter().map(|byte| [*byte; 32]).collect();
    for name in COLLECTIONS {
        answers.push(record(b.get_version(name).await.unwrap()));
        answers.push(plain(sorted(b.get_mutation_macs(name, &all).await.unwrap())));
        for index in &all {
            answers.push(plain(b.get_mutation_mac(name, index).await.unwrap()));
        }
    }
    answers
}
