use proptest::{collection::vec, prelude::*};
use wacore::store::traits::{Backend as Library, MsgSecretEntry, TcTokenEntry};

use super::{Answers, bytes, one_of, plain, record, sorted};

const JIDS: &[&str] = &["c", "cc", "d@lid"];

/// A chat, a message id, a byte of the secret, and its two times.
type Secret = (&'static str, &'static str, u8, i64, i64);

#[derive(Debug, Clone)]
pub(super) enum Operation {
    PutToken(&'static str, Vec<u8>, i64, Option<i64>),
    DeleteToken(&'static str),
    DeleteExpiredTokens(i64, i64),
    TouchSender(&'static str, i64),
    ReceiveToken(&'static str, Vec<u8>, i64),
    PutSecret(&'static str, &'static str, u8),
    PutSecrets(Vec<Secret>),
    DeleteExpiredSecrets(i64),
}
use Operation as Op;

/// One of few times, so that some are equal.
fn time() -> impl Strategy<Value = i64> {
    0..6_i64
}

pub(super) fn any() -> impl Strategy<Value = Operation> {
    let jid = || one_of(JIDS);
    prop_oneof![
        (jid(), bytes(), time(), prop::option::of(time()))
            .prop_map(|(jid, token, at, sender)| Op::PutToken(jid, token, at, sender)),
        jid().prop_map(Op::DeleteToken),
        (time(), time()).prop_map(|(token, sender)| Op::DeleteExpiredTokens(token, sender)),
        (jid(), time()).prop_map(|(jid, at)| Op::TouchSender(jid, at)),
        (jid(), bytes(), time()).prop_map(|(jid, token, at)| Op::ReceiveToken(jid, token, at)),
        (jid(), jid(), prop::num::u8::ANY)
            .prop_map(|(chat, id, byte)| Op::PutSecret(chat, id, byte)),
        vec((jid(), jid(), prop::num::u8::ANY, time(), time()), 0..4).prop_map(Op::PutSecrets),
        time().prop_map(Op::DeleteExpiredSecrets),
    ]
}

fn secret((chat, msg_id, byte, expires_at, message_ts): &Secret) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: (*chat).into(),
        sender: "s".into(),
        msg_id: (*msg_id).into(),
        secret: [*byte; 32],
        expires_at: *expires_at,
        message_ts: *message_ts,
    }
}

impl Operation {
    pub(super) async fn run(&self, b: &impl Library) -> Answers {
        match self {
            Op::DeleteExpiredTokens(token, sender) => {
                return vec![plain(b.delete_expired_tc_tokens(*token, *sender).await.unwrap())];
            }
            Op::PutSecrets(entries) => {
                let entries = entries.iter().map(secret).collect();
                return vec![plain(b.put_msg_secrets(entries).await.unwrap())];
            }
            Op::DeleteExpiredSecrets(cutoff) => {
                return vec![plain(b.delete_expired_msg_secrets(*cutoff).await.unwrap())];
            }
            Op::PutToken(jid, token, token_timestamp, sender_timestamp) => {
                let entry = TcTokenEntry {
                    token: token.clone(),
                    token_timestamp: *token_timestamp,
                    sender_timestamp: *sender_timestamp,
                };
                b.put_tc_token(jid, &entry).await
            }
            Op::DeleteToken(jid) => b.delete_tc_token(jid).await,
            Op::TouchSender(jid, at) => b.touch_tc_token_sender_timestamp(jid, *at).await,
            Op::ReceiveToken(jid, token, at) => b.store_received_tc_token(jid, token, *at).await,
            Op::PutSecret(chat, id, byte) => b.put_msg_secret(chat, "s", id, &[*byte; 32]).await,
        }
        .unwrap();
        vec![]
    }
}

pub(super) async fn answers(b: &impl Library) -> Answers {
    let mut answers = vec![plain(sorted(b.get_all_tc_token_jids().await.unwrap()))];
    for jid in JIDS {
        answers.push(record(b.get_tc_token(jid).await.unwrap()));
        for id in JIDS {
            answers.push(plain(b.get_msg_secret(jid, "s", id).await.unwrap()));
            answers.push(plain(b.get_msg_secret_with_ts(jid, "s", id).await.unwrap()));
        }
    }
    answers
}
