use proptest::{collection::vec, prelude::*};
use wacore::store::traits::{
    Backend as Library, DeviceInfo, DeviceListRecord, LidPnMappingEntry, PendingInboundKey,
    PendingInboundRow,
};

use super::{Answers, bytes, one_of, plain, record, sorted};

const GROUPS: &[&str] = &["1@g.us", "12@g.us", "1@g.usa"];
const DEVICES: &[&str] = &["a:1@lid", "xa:1@lid", "a@lid", "a"];
const USERS: &[&str] = &["u", "uu", "v"];
const MESSAGES: &[&str] = &["m", "mm", ""];
const CUTOFFS: &[i64] = &[0, i64::MAX];

/// A user, and which of its phone numbers. No two users share a number: there the library's backend takes the number
/// from its new owner when its old one moves on.
type Phone = (&'static str, u8);

#[derive(Debug, Clone)]
pub(super) enum Operation {
    SetSenderKeys(&'static str, Vec<(&'static str, bool)>),
    ClearSenderKeys(&'static str),
    ClearAllSenderKeys,
    DeleteSenderKeyDevices(Vec<&'static str>),
    PutMapping(Phone, i64),
    PutMappings(Vec<(Phone, i64)>),
    SaveBaseKey(&'static str, &'static str, Vec<u8>),
    DeleteBaseKey(&'static str, &'static str),
    UpdateDevices(Vec<(&'static str, u32)>),
    DeleteDevices(&'static str),
    PutMetadata(&'static str, Vec<u8>),
    DeleteMetadata(&'static str),
    StoreSent(&'static str, &'static str, Vec<u8>),
    TakeSent(&'static str, &'static str),
    DeleteExpiredSent(i64),
    StorePending(Vec<(&'static str, &'static str, Vec<u8>)>),
    DeletePending(Vec<(&'static str, &'static str)>),
    DeleteExpiredPending(i64),
}
use Operation as Op;

pub(super) fn any() -> impl Strategy<Value = Operation> {
    let group = || one_of(GROUPS);
    let device = || one_of(DEVICES);
    let user = || one_of(USERS);
    let message = || one_of(MESSAGES);
    let mapping = || ((user(), 0..3_u8), prop::num::i64::ANY);
    let cutoff = || prop::sample::select(CUTOFFS);
    let sender_keys = prop_oneof![
        3 => (group(), vec((device(), prop::bool::ANY), 0..4)).prop_map(|(group, entries)| Op::SetSenderKeys(group, entries)),
        1 => group().prop_map(Op::ClearSenderKeys),
        1 => Just(Op::ClearAllSenderKeys),
        1 => vec(device(), 0..3).prop_map(Op::DeleteSenderKeyDevices),
    ];
    let users = prop_oneof![
        mapping().prop_map(|(phone, at)| Op::PutMapping(phone, at)),
        vec(mapping(), 0..4).prop_map(Op::PutMappings),
        vec((user(), 0..9_u32), 0..4).prop_map(Op::UpdateDevices),
        user().prop_map(Op::DeleteDevices),
        (group(), bytes()).prop_map(|(group, blob)| Op::PutMetadata(group, blob)),
        group().prop_map(Op::DeleteMetadata),
    ];
    let messages = prop_oneof![
        (user(), message(), bytes()).prop_map(|(user, id, key)| Op::SaveBaseKey(user, id, key)),
        (user(), message()).prop_map(|(user, id)| Op::DeleteBaseKey(user, id)),
        (user(), message(), bytes()).prop_map(|(chat, id, sent)| Op::StoreSent(chat, id, sent)),
        (user(), message()).prop_map(|(chat, id)| Op::TakeSent(chat, id)),
        cutoff().prop_map(Op::DeleteExpiredSent),
        vec((user(), message(), bytes()), 0..4).prop_map(Op::StorePending),
        vec((user(), message()), 0..3).prop_map(Op::DeletePending),
        cutoff().prop_map(Op::DeleteExpiredPending),
    ];
    prop_oneof![sender_keys, users, messages]
}

fn mapping(((lid, number), at): &(Phone, i64)) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: (*lid).to_owned(),
        phone_number: format!("{lid}-{number}"),
        created_at: *at,
        updated_at: at.saturating_add(1),
        learning_source: "usync".to_owned(),
    }
}

fn devices((user, device): &(&str, u32)) -> DeviceListRecord {
    DeviceListRecord {
        user: (*user).to_owned(),
        devices: vec![DeviceInfo::new(*device, Some(2)).with_hosting(device % 2 == 0)],
        timestamp: i64::from(*device),
        phash: (*device > 4).then(|| format!("2:{device}")),
        raw_id: (*device > 6).then_some(*device),
    }
}

impl Operation {
    pub(super) async fn run(&self, b: &impl Library) -> Answers {
        match self {
            Op::TakeSent(chat, id) => {
                return vec![plain(b.take_sent_message(chat, id).await.unwrap())];
            }
            Op::DeleteExpiredSent(cutoff) => {
                return vec![plain(b.delete_expired_sent_messages(*cutoff).await.unwrap())];
            }
            Op::DeleteExpiredPending(cutoff) => {
                return vec![plain(b.delete_expired_pending_inbound(*cutoff).await.unwrap())];
            }
            Op::SetSenderKeys(group, entries) => b.set_sender_key_status(group, entries).await,
            Op::ClearSenderKeys(group) => b.clear_sender_key_devices(group).await,
            Op::ClearAllSenderKeys => b.clear_all_sender_key_devices().await,
            Op::DeleteSenderKeyDevices(devices) => b.delete_sender_key_device_rows(devices).await,
            Op::PutMapping(phone, at) => b.put_lid_mapping(&mapping(&(*phone, *at))).await,
            Op::PutMappings(entries) => {
                b.put_lid_mappings(&entries.iter().map(mapping).collect::<Vec<_>>()).await
            }
            Op::SaveBaseKey(user, id, key) => b.save_base_key(user, id, key).await,
            Op::DeleteBaseKey(user, id) => b.delete_base_key(user, id).await,
            Op::UpdateDevices(lists) => {
                b.update_device_lists(lists.iter().map(devices).collect()).await
            }
            Op::DeleteDevices(user) => b.delete_devices(user).await,
            Op::PutMetadata(group, blob) => b.put_group_metadata(group, blob).await,
            Op::DeleteMetadata(group) => b.delete_group_metadata(group).await,
            Op::StoreSent(chat, id, sent) => b.store_sent_message(chat, id, sent).await,
            Op::StorePending(rows) => {
                let row =
                    |(chat, id, message)| PendingInboundRow { chat, sender: "s", id, message };
                let rows: Vec<_> =
                    rows.iter().map(|(chat, id, m)| row((*chat, *id, &**m))).collect();
                b.store_pending_inbound_batch(&rows).await
            }
            Op::DeletePending(keys) => {
                let key = |(chat, id): &(&'static str, &'static str)| PendingInboundKey {
                    chat,
                    sender: "s",
                    id,
                };
                b.delete_pending_inbound_batch(&keys.iter().map(key).collect::<Vec<_>>()).await
            }
        }
        .unwrap();
        vec![]
    }
}

pub(super) async fn answers(b: &impl Library) -> Answers {
    let mut answers = vec![];
    for group in GROUPS {
        answers.push(plain(sorted(b.get_sender_key_devices(group).await.unwrap())));
        answers.push(plain(b.get_group_metadata(group).await.unwrap()));
    }
    for user in USERS {
        answers.push(record(b.get_lid_mapping(user).await.unwrap()));
        for number in 0..3 {
            let phone = format!("{user}-{number}");
            answers.push(record(b.get_pn_mapping(&phone).await.unwrap()));
        }
        answers.push(record(b.get_devices(user).await.unwrap()));
        for id in MESSAGES {
            answers.push(plain(b.has_same_base_key(user, id, &[]).await.unwrap()));
            answers.push(plain(b.get_pending_inbound(user, "s", id).await.unwrap()));
            answers.push(plain(b.get_pending_inbound(user, "", id).await.unwrap()));
        }
    }
    answers.push(plain(sorted(b.get_all_lid_mappings().await.unwrap().into_iter().map(record))));
    answers
}
