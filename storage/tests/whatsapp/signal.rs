use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use wacore::store::traits::Backend as Library;

use super::{Answers, bytes, one_of, plain, sorted};

const ADDRESSES: &[&str] = &["1@s", "1:2@s", "12@s", "1", "é\u{10ffff}@s", ""];
const USERS: &[&str] = &["1", "12", "2", "é\u{10ffff}", ""];
const IDS: &[u32] = &[0, 1, 255, 256, u32::MAX];

type Records = Vec<(&'static str, Vec<u8>)>;

#[derive(Debug, Clone)]
pub(super) enum Operation {
    PutIdentity(&'static str, [u8; 32]),
    PutIdentities(Vec<(&'static str, [u8; 32])>),
    DeleteIdentity(&'static str),
    PutSession(&'static str, Vec<u8>),
    PutSessions(Records),
    DeleteSession(&'static str),
    StorePrekey(u32, Vec<u8>, bool),
    StorePrekeys(Vec<(u32, Vec<u8>)>, bool),
    MarkUploaded(Vec<u32>),
    RemovePrekey(u32),
    StoreSignedPrekey(u32, Vec<u8>),
    RemoveSignedPrekey(u32),
    PutSenderKey(&'static str, Vec<u8>),
    PutSenderKeys(Records),
    DeleteSenderKey(&'static str),
}
use Operation as Op;

pub(super) fn any() -> impl Strategy<Value = Operation> {
    let address = || one_of(ADDRESSES);
    let identity = || proptest::num::u8::ANY.prop_map(|byte| [byte; 32]);
    let id = || prop::sample::select(IDS);
    let records = || vec((address(), bytes()), 0..4);
    prop_oneof![
        (address(), identity()).prop_map(|(address, key)| Op::PutIdentity(address, key)),
        vec((address(), identity()), 0..4).prop_map(Op::PutIdentities),
        address().prop_map(Op::DeleteIdentity),
        (address(), bytes()).prop_map(|(address, session)| Op::PutSession(address, session)),
        records().prop_map(Op::PutSessions),
        address().prop_map(Op::DeleteSession),
        (id(), bytes(), prop::bool::ANY)
            .prop_map(|(id, record, uploaded)| Op::StorePrekey(id, record, uploaded)),
        (vec((id(), bytes()), 0..4), prop::bool::ANY)
            .prop_map(|(keys, uploaded)| Op::StorePrekeys(keys, uploaded)),
        vec(id(), 0..4).prop_map(Op::MarkUploaded),
        id().prop_map(Op::RemovePrekey),
        (id(), bytes()).prop_map(|(id, record)| Op::StoreSignedPrekey(id, record)),
        id().prop_map(Op::RemoveSignedPrekey),
        (address(), bytes()).prop_map(|(address, record)| Op::PutSenderKey(address, record)),
        records().prop_map(Op::PutSenderKeys),
        address().prop_map(Op::DeleteSenderKey),
    ]
}

fn batch(records: &Records) -> Vec<(std::sync::Arc<str>, Bytes)> {
    records.iter().map(|(address, record)| ((*address).into(), record.clone().into())).collect()
}

impl Operation {
    pub(super) async fn run(&self, b: &impl Library) -> Answers {
        match self {
            Op::PutIdentity(address, key) => b.put_identity(address, *key).await,
            Op::PutIdentities(keys) => {
                let keys: Vec<_> =
                    keys.iter().map(|(address, key)| ((*address).into(), *key)).collect();
                b.put_identities_batch(&keys).await
            }
            Op::DeleteIdentity(address) => b.delete_identity(address).await,
            Op::PutSession(address, session) => b.put_session(address, session).await,
            Op::PutSessions(records) => b.put_sessions_batch(&batch(records)).await,
            Op::DeleteSession(address) => b.delete_session(address).await,
            Op::StorePrekey(id, record, uploaded) => b.store_prekey(*id, record, *uploaded).await,
            Op::StorePrekeys(keys, uploaded) => {
                let keys: Vec<_> =
                    keys.iter().map(|(id, record)| (*id, record.clone().into())).collect();
                b.store_prekeys_batch(&keys, *uploaded).await
            }
            Op::MarkUploaded(ids) => b.mark_prekeys_uploaded(ids).await,
            Op::RemovePrekey(id) => b.remove_prekey(*id).await,
            Op::StoreSignedPrekey(id, record) => b.store_signed_prekey(*id, record).await,
            Op::RemoveSignedPrekey(id) => b.remove_signed_prekey(*id).await,
            Op::PutSenderKey(address, record) => b.put_sender_key(address, record).await,
            Op::PutSenderKeys(records) => b.put_sender_keys_batch(&batch(records)).await,
            Op::DeleteSenderKey(address) => b.delete_sender_key(address).await,
        }
        .unwrap();
        vec![]
    }
}

pub(super) async fn answers(b: &impl Library) -> Answers {
    let mut answers = vec![];
    for address in ADDRESSES {
        answers.push(plain(b.load_identity(address).await.unwrap()));
        answers.push(plain(b.get_session(address).await.unwrap()));
        answers.push(plain(b.has_session(address).await.unwrap()));
        answers.push(plain(b.get_sender_key(address).await.unwrap()));
    }
    for user in USERS {
        answers.push(plain(b.has_signal_state_for_user(user).await.unwrap()));
    }
    for id in IDS {
        answers.push(plain(b.load_prekey(*id).await.unwrap()));
        answers.push(plain(b.load_signed_prekey(*id).await.unwrap()));
    }
    answers.push(plain(b.load_prekeys_batch(IDS).await.unwrap()));
    answers.push(plain(b.get_max_prekey_id().await.unwrap()));
    answers.push(plain(sorted(b.load_all_signed_prekeys().await.unwrap())));
    answers
}
